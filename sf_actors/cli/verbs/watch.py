"""`watch`: prints the messages of a model as they pass."""

from __future__ import annotations

import sys
from time import monotonic
from typing import TYPE_CHECKING, Any

from sf_actors.cli.flags import count_of
from sf_actors.cli.output import Output
from sf_actors.cli.parser import parsed, verb_parser
from sf_actors.cli.polling import pause, poll_until
from sf_actors.cli.remote_services import RemoteServices, add_remote_flags
from sf_actors.cli.shell import NO_ANSWER, Terminated
from sf_actors.cli.stderr import report
from sf_actors.cli.target import RemoteModel, Target, parse_target
from sf_actors.errors import SfActorsError, TargetError, UsageError, UserError
from sf_actors.inspection.stream_reader import StreamLost, StreamReader, patched

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

#: How long an answer of an inspector may take, and between two lines of `--rate`, in seconds.
ANSWER_S, EVERY_S = 5.0, 1.0

#: Between two looks for a model that does not exist yet, in seconds.
LOOK_S = 0.25

#: The types of models that have no messages.
_SILENT = ("timer",)


def run(argv: Sequence[str]) -> int:
    """Print a line for each message, until stopped."""
    parser = verb_parser(
        "watch",
        "Print the messages of a model, one JSON object a line: requests with their replies, "
        "published messages, or the value of a state and then its updates. It waits for a "
        "service that does not run yet, and joins again after a restart.",
        example="sf_actors watch exchange/order_book --value -n 10",
        timeout_s=None,
    )
    add_remote_flags(parser)
    parser.add_argument("--value", action="store_true", help="print a state's whole value")
    parser.add_argument("--rate", action="store_true", help="print the rates, one line a second")
    parser.add_argument("-n", type=count_of, metavar="N", help="end after N lines")
    parser.add_argument("target", metavar="TARGET", help="SERVICE/MODEL, or MODEL alone")
    arguments = parsed(parser, argv)
    if arguments.value and arguments.rate:
        raise UsageError("expected --value or --rate, got both")
    if arguments.n == 0:
        raise UsageError("-n: expected a number from 1, got 0")
    deadline = None if arguments.timeout is None else monotonic() + arguments.timeout
    watch = _Watch(arguments, parse_target(arguments.target), deadline)
    arguments.timeout = ANSWER_S
    try:
        with RemoteServices.of(arguments) as remote:
            is_over = False
            while not is_over:
                is_over = watch.join(remote)
    except Terminated:
        return 0
    return 0 if watch.printed or deadline is None else NO_ANSWER


class _Watch:
    """Watches one model, across restarts of its service.

    :ivar printed: how many lines were printed
    """

    def __init__(
        self, arguments: argparse.Namespace, target: Target, deadline: float | None
    ) -> None:
        self.printed = 0
        self._arguments = arguments
        self._target = target
        self._deadline = deadline
        self._out = Output(as_json=True)
        self._reported = ""

    def join(self, remote: RemoteServices) -> bool:
        """Watch the model until its service ends, or until the limit of lines or time.

        :returns: True if a limit is reached
        """
        address = poll_until(
            lambda: self._address(remote), deadline=self._deadline, between_s=LOOK_S
        )
        if address is None:
            return True
        with StreamReader(address) as stream:
            stream.end_with(sys.stdout.fileno())
            try:
                return self._rates(stream) if self._arguments.rate else self._records(stream)
            except StreamLost:
                if not stream.has_begun:
                    self._wait_for("its stream, on the machine where it runs, is not reached")
                    pause(LOOK_S)
                return False

    def _address(self, remote: RemoteServices) -> str | None:
        """Return the address of the stream; if there is none yet, say so once and return None.

        :raises UsageError: several models may be meant, or this one cannot be watched
        """
        remote.timeout_s = self._answer_s()
        try:
            model = remote.model(
                self._target,
                lambda one: one.type not in _SILENT,
                what="model that messages pass",
                prefers_binder=True,
            )
            self._require_state(model)
            return str(remote.ask(model.service, "tap", model=model.address)["address"])
        except SfActorsError as error:
            is_absent = isinstance(error, TargetError) and not error.is_there
            if isinstance(error, UserError) and not is_absent:
                raise
            if "no verb" in str(error):
                # an older version without this verb: waiting would not help
                raise
            # the model may appear, or become usable, later
            self._wait_for(str(error))
            return None

    def _require_state(self, model: RemoteModel) -> None:
        if self._arguments.value and model.kind != "states":
            raise UsageError(f"--value: expected a state, {model} is a {model.type}")

    def _answer_s(self) -> float:
        """Return how long an answer may take, in seconds: no longer than the whole has left."""
        if self._deadline is None:
            return ANSWER_S
        return round(min(ANSWER_S, max(0.0, self._deadline - monotonic())), 1)

    def _wait_for(self, reason: str) -> None:
        if self._reported and self._deadline is not None and monotonic() >= self._deadline:
            # nothing is waited for any more
            return
        if reason != self._reported:
            self._reported = reason
            report(f"waiting for {self._target.text}: {reason}")

    def _records(self, stream: StreamReader) -> bool:
        value: Any = None
        while (record := stream.next(self._deadline)) is not None:
            fields = record.fields
            self._reported = ""
            if fields["kind"] == "tap":
                continue
            if self._arguments.value:
                if fields.get("dropped"):
                    report(
                        f"{fields['dropped']} updates were left out: the value is asked for again"
                    )
                    return False
                args = fields.get("args")
                value = args if _is_whole(fields) else patched(value, args)
                fields = fields | {"args": value, "is_whole": True}
            if self._is_last(fields):
                return True
        return True

    def _rates(self, stream: StreamReader) -> bool:
        rates = _Rates()
        while True:
            at = rates.began + EVERY_S
            until = at if self._deadline is None else min(at, self._deadline)
            record = stream.next(until)
            if record is not None:
                rates.take(record.fields, record.size)
            elif monotonic() >= at:
                if self._is_last(rates.line()):
                    return True
            else:
                return True

    def _is_last(self, fields: dict[str, Any]) -> bool:
        self._out.emit(fields)
        self.printed += 1
        return bool(self.printed == self._arguments.n)


class _Rates:
    """Counts what has passed since the last line.

    :ivar began: when the last line was, of the monotonic clock
    """

    def __init__(self) -> None:
        self.began = monotonic()
        self._records = self._bytes = self._gaps = 0
        self._number: int | None = None
        self._last_at: float | None = None

    def take(self, fields: dict[str, Any], size: int) -> None:
        """Count a record, and the records that were dropped before it."""
        if fields["kind"] == "tap":
            return
        left_out = fields.get("dropped") or 0
        if fields["kind"] != "value":
            # the initial value of a state is not a message
            self._records += 1 + left_out
            self._bytes += size
        self._last_at = monotonic()
        number = fields.get("number")
        if isinstance(number, int):
            if self._number is not None and number > self._number + 1 + left_out:
                self._gaps += number - self._number - 1 - left_out
            self._number = number

    def line(self) -> dict[str, Any]:
        """Return the rates since the last line, and reset them."""
        now = monotonic()
        seconds = now - self.began
        line = {
            "per_s": self._records / seconds,
            "bytes_per_s": self._bytes / seconds,
            "gaps": self._gaps,
            "age_s": None if self._last_at is None else now - self._last_at,
        }
        self.began = now
        self._records = self._bytes = self._gaps = 0
        return line


def _is_whole(fields: dict[str, Any]) -> bool:
    return fields["kind"] == "value" or bool(fields.get("is_whole"))
