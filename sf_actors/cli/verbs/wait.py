"""`wait`: waits until a service is ready or its states are live, for scripts."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from sf_actors.cli.output import Output
from sf_actors.cli.parser import parsed, verb_parser
from sf_actors.cli.polling import poll_until
from sf_actors.cli.remote_services import RemoteServices, add_remote_flags
from sf_actors.cli.shell import FAILED
from sf_actors.cli.stderr import report
from sf_actors.cli.target import Target, parse_service
from sf_actors.errors import RequestTimeout, TargetError, UsageError
from sf_actors.wording import nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

#: How long to wait before saying so, in seconds.
REPORTING_S = 1.0

#: How long the last look may wait for an answer though the time is over, in seconds.
LAST_LOOK_S = 0.5


def run(argv: Sequence[str]) -> int:
    """Wait until the condition holds for a service, or until the timeout."""
    parser = verb_parser(
        "wait",
        "Wait until a service runs and is READY, or until its in-states are LIVE. At the timeout "
        "it ends with 1 and the reason.",
        example="sf_actors wait exchange --for live:order_book --timeout 30",
    )
    add_remote_flags(parser)
    parser.add_argument(
        "--for",
        dest="wanted",
        default="ready",
        metavar="WHAT",
        help="ready (default), live: all of its in-states, or live:STATE",
    )
    parser.add_argument("service", metavar="SERVICE", help="the service, which may not run yet")
    arguments = parsed(parser, argv)
    wanted = arguments.wanted
    if not (wanted in {"ready", "live"} or (wanted.startswith("live:") and wanted != "live:")):
        raise UsageError(
            f"--for: expected ready, live or live:STATE, got {arguments.wanted!r}"
            f"{nearest(arguments.wanted, ['ready', 'live'])}"
        )
    target = parse_service(arguments.service)
    out = Output(as_json=arguments.json)
    deadline = monotonic() + arguments.timeout
    with RemoteServices.of(arguments) as remote:
        waiting = _Waiting(remote, target, wanted, deadline)
        soon = min(deadline, monotonic() + REPORTING_S)
        is_so = poll_until(waiting.look, deadline=soon)
        if is_so is None and monotonic() < deadline:
            report(f"waiting for {target.text}: {waiting.words}")
            is_so = poll_until(waiting.look, deadline=deadline)
    if out.as_json:
        reason = None if is_so else str(waiting.reason)
        out.emit({"service": target.text, "for": wanted, "met": bool(is_so), "reason": reason})
    if is_so:
        return 0
    if isinstance(waiting.reason, RequestTimeout):
        raise RequestTimeout(f"{target.text}: no answer within {arguments.timeout:g} s")
    if isinstance(waiting.reason, TargetError):
        raise waiting.reason
    if not out.as_json:
        report(f"{target.text}: {waiting.reason} after {arguments.timeout:g} s")
    return FAILED


class _Waiting:
    """Checks the condition of `--for`.

    :ivar reason: why it did not hold at the last look: a text, or an error
    """

    def __init__(
        self, remote: RemoteServices, target: Target, wanted: str, deadline: float
    ) -> None:
        self.reason: str | RequestTimeout | TargetError = ""
        self._deadline = deadline
        self._remote = remote
        self._target = target
        self._wanted = wanted

    @property
    def words(self) -> str:
        """The reason as text."""
        absent = isinstance(self.reason, TargetError)
        return "it does not run yet" if absent else str(self.reason)

    def look(self) -> bool | None:
        """Return True if the condition holds, else None.

        :raises UsageError: several services have the name, or the in-state does not exist
        """
        left_s = max(LAST_LOOK_S, self._deadline - monotonic())
        self._remote.timeout_s = min(self._remote.timeout_s, left_s)
        try:
            service = self._remote.service(self._target)
            answer = self._remote.ask(service, "stats")
        except (TargetError, RequestTimeout) as error:
            self.reason = error
            return None
        self.reason = reason_against(answer["service"], self._wanted)
        return True if not self.reason else None


def reason_against(stats: dict[str, Any], wanted: str) -> str:
    """Return why the condition does not hold, an empty text if it does.

    :param wanted: `ready`, `live` or `live:STATE`
    :raises UsageError: there is no such in-state
    """
    if stats["phase"] != "READY":
        return f"expected READY, it is {stats['phase']}"
    states = stats["states"]["in"]
    name = wanted.partition(":")[2]
    if name and name not in states:
        there = f"; it has {', '.join(states)}" if states else "; it has none"
        raise UsageError(
            f"--for: expected an in-state, got {name!r}{nearest(name, states) or there}"
        )
    for state in [name] if name else states if wanted == "live" else ():
        status = states[state].get("status") or {}
        if status.get("phase") != "LIVE":
            why = f" ({status['error']})" if status.get("error") else ""
            return f"expected {state} to be LIVE, it is {status.get('phase')}{why}"
    return ""
