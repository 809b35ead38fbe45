"""What is answered to each verb; in the inspector's thread, which never waits."""

from __future__ import annotations

import contextvars
import os
import threading
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

from sf_actors.errors import InvalidArguments, UsageError
from sf_actors.inspection.asks import Answered, Asks
from sf_actors.inspection.numbers import all_numbers_of, process_numbers
from sf_actors.inspection.question import one_of
from sf_actors.inspection.streams import Left, Streams, Woken
from sf_actors.lifecycle.reserve import RESERVE
from sf_actors.lifecycle.residents import RESIDENTS, Resident
from sf_actors.sockets.peers import Tables
from sf_actors.version import VERSION
from sf_actors.wording import nearest

if TYPE_CHECKING:
    from collections.abc import Callable

    from sf_actors.inspection.deadlines import Deadlines
    from sf_actors.inspection.question import Arguments, Question
    from sf_actors.inspection.streams import StreamDoor


class Answers:
    """Answers questions; for the inspector's thread.

    :param tell: brings a message to the inspector, which gives it to `go_on`; any thread
    :param deadlines: of the inspector
    :param door: where streams are opened
    :ivar dropped: what came and was no request
    """

    def __init__(
        self, tell: Callable[[object], None], deadlines: Deadlines, door: StreamDoor
    ) -> None:
        self.dropped = 0
        self._asks = Asks(tell, deadlines)
        self._streams = Streams(tell, deadlines, door)
        self._stopping: WeakSet[Resident] = WeakSet()

    def take(self, question: Question) -> None:
        """Answer a question, now or, where that takes time, later."""
        try:
            arguments = question.arguments()
            answer = VERBS.get(arguments.verb)
            if answer is None:
                raise InvalidArguments(
                    f"no verb {arguments.verb!r}{nearest(arguments.verb, VERBS)}; sf_actors "
                    f"{VERSION} runs here and knows {', '.join(VERBS)}"
                )
            fields = answer(self, arguments, question)
        except Exception as error:  # noqa: BLE001 - a fault costs one answer
            question.fail(error)
            return
        if fields is not None:
            question.answer(fields)

    def go_on(self, message: object) -> None:
        """Act on what another thread has told the inspector."""
        if isinstance(message, Answered):
            self._asks.take(message)
        elif isinstance(message, Woken):
            message.stream.go_on()
        elif isinstance(message, Left):
            message.stream.end()

    def close(self) -> None:
        """End what goes on."""
        self._streams.close()

    # the verbs

    def ping(self, _arguments: Arguments, _question: Question) -> dict[str, Any]:
        """Say that it is there, and for which services."""
        names = [resident.name for resident in RESIDENTS.all]
        return {"pid": os.getpid(), "version": VERSION, "services": names}

    def info(self, arguments: Arguments, _question: Question) -> dict[str, Any]:
        """Return what a service is."""
        from sf_actors.inspection.info import info_of  # noqa: PLC0415 - it describes all types

        return info_of(resident_of(arguments))

    def stats(self, arguments: Arguments, _question: Question) -> dict[str, Any]:
        """Return the numbers of a service or of all, and of the process."""
        process = process_numbers() | {"inspector_dropped": self.dropped}
        if arguments.service is not None:
            return all_numbers_of(resident_of(arguments)) | {"process": process}
        tables = Tables()
        services = [all_numbers_of(resident, tables) for resident in RESIDENTS.all]
        return {"services": services, "process": process}

    def ask(self, asked: Arguments, question: Question) -> None:
        """Hand a request to a replyer; what it answers is sent later."""
        self._asks.begin(resident_of(asked), "replyer", asked, question)

    def publish(self, asked: Arguments, question: Question) -> None:
        """Hand a message to a subscriber."""
        self._asks.begin(resident_of(asked), "subscriber", asked, question)

    def tap(self, asked: Arguments, _question: Question) -> dict[str, Any]:
        """Open a stream of what passes a model, and say where it is."""
        return {"address": self._streams.open(resident_of(asked), asked.model)}

    def loglevel(self, asked: Arguments, _question: Question) -> dict[str, Any]:
        """Set levels that are given, and return those before."""
        resident = resident_of(asked)
        if resident.state is None:
            raise InvalidArguments(f"{resident.name} is still being loaded")
        scope = resident.state.run_context.scope
        console, file = scope.levels
        try:
            scope.set_levels(asked.console, asked.file)
        except UsageError as error:
            raise InvalidArguments(str(error)) from None
        return {"console": console, "file": file}

    def stop(self, asked: Arguments, _question: Question) -> dict[str, Any]:
        """Have a service stopped gracefully, and say so at once."""
        resident = resident_of(asked)
        if resident in self._stopping:
            return {"stopping": True}
        self._stopping.add(resident)
        stop = resident.service.stop_service
        thread = threading.Thread(target=stop, name=f"{resident.name}/stop", daemon=True)
        try:
            # in a context of its own: it belongs to no service
            contextvars.Context().run(thread.start)
        except RuntimeError:
            # the system has no thread left
            RESERVE.run(stop)
        return {"stopping": True}


VERBS: Final[dict[str, Callable[..., dict[str, Any] | None]]] = {
    "ping": Answers.ping,
    "info": Answers.info,
    "stats": Answers.stats,
    "ask": Answers.ask,
    "publish": Answers.publish,
    "tap": Answers.tap,
    "loglevel": Answers.loglevel,
    "stop": Answers.stop,
}
"""The verbs, by name."""


def resident_of(arguments: Arguments) -> Resident:
    """Return the service that a question is about.

    :raises InvalidArguments: there is none of this name
    """
    name = arguments.service
    if name is None:
        raise InvalidArguments(f"expected a service, {arguments.verb!r} is about one")
    for resident in RESIDENTS.all:
        if resident.name == name:
            return resident
    found = one_of("service", name, [resident.name for resident in RESIDENTS.all])
    raise InvalidArguments(f"{found}; sf_actors {VERSION} runs here")
