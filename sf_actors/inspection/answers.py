"""Answers each verb; in the inspector's thread, which must never wait."""

from __future__ import annotations

import contextvars
import os
import threading
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

from sf_actors.errors import InvalidArguments, UsageError
from sf_actors.inspection.injections import Injections, ModelAnswered
from sf_actors.inspection.numbers import all_numbers_of, process_numbers
from sf_actors.inspection.question import one_of
from sf_actors.inspection.streams import RunEnded, StreamReady, Streams
from sf_actors.lifecycle.reserve_thread import RESERVE
from sf_actors.lifecycle.residents import RESIDENTS, Resident
from sf_actors.sockets.peers import KernelTables
from sf_actors.version import VERSION
from sf_actors.wording import nearest

if TYPE_CHECKING:
    from collections.abc import Callable

    from sf_actors.inspection.deadlines import Deadlines
    from sf_actors.inspection.question import OpenQuestion, QuestionArguments
    from sf_actors.inspection.streams import StreamSockets


class Answers:
    """Answers questions; in the inspector's thread.

    :param tell: sends a message to the inspector, which passes it to `go_on`; any thread
    :param deadlines: the inspector's timed actions
    :param sockets: opens the sockets of streams
    :ivar dropped: how many messages arrived that were not requests
    """

    def __init__(
        self, tell: Callable[[object], None], deadlines: Deadlines, sockets: StreamSockets
    ) -> None:
        self.dropped = 0
        self._injections = Injections(tell, deadlines)
        self._streams = Streams(tell, deadlines, sockets)
        self._stopping: WeakSet[Resident] = WeakSet()

    def take(self, question: OpenQuestion) -> None:
        """Answer a question, or start what will answer it later."""
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
        """Handle a message that another thread has sent to the inspector."""
        if isinstance(message, ModelAnswered):
            self._injections.take(message)
        elif isinstance(message, StreamReady):
            message.stream.go_on()
        elif isinstance(message, RunEnded):
            message.stream.end()

    def close(self) -> None:
        """End all streams."""
        self._streams.close()

    # the verbs

    def ping(self, _arguments: QuestionArguments, _question: OpenQuestion) -> dict[str, Any]:
        """Return the process id, the version and the names of the services."""
        names = [resident.name for resident in RESIDENTS.all]
        return {"pid": os.getpid(), "version": VERSION, "services": names}

    def info(self, arguments: QuestionArguments, _question: OpenQuestion) -> dict[str, Any]:
        """Return the description of a service."""
        from sf_actors.inspection.info import info_of  # noqa: PLC0415 - it describes all types

        return info_of(resident_of(arguments))

    def stats(self, arguments: QuestionArguments, _question: OpenQuestion) -> dict[str, Any]:
        """Return the numbers of one service or of all, and of the process."""
        process = process_numbers() | {"inspector_dropped": self.dropped}
        if arguments.service is not None:
            return all_numbers_of(resident_of(arguments)) | {"process": process}
        tables = KernelTables()
        services = [all_numbers_of(resident, tables) for resident in RESIDENTS.all]
        return {"services": services, "process": process}

    def ask(self, asked: QuestionArguments, question: OpenQuestion) -> None:
        """Hand a request to a replyer, whose reply is sent later."""
        self._injections.begin(resident_of(asked), "replyer", asked, question)

    def publish(self, asked: QuestionArguments, question: OpenQuestion) -> None:
        """Hand a message to a subscriber."""
        self._injections.begin(resident_of(asked), "subscriber", asked, question)

    def tap(self, asked: QuestionArguments, _question: OpenQuestion) -> dict[str, Any]:
        """Open a stream of the messages of a model, and return its address."""
        return {"address": self._streams.open(resident_of(asked), asked.model)}

    def loglevel(self, asked: QuestionArguments, _question: OpenQuestion) -> dict[str, Any]:
        """Set the given levels, and return the previous ones."""
        resident = resident_of(asked)
        if resident.state is None:
            raise InvalidArguments(
                f"{resident.name} has no log levels: it is a bus, or still being loaded"
            )
        scope = resident.state.run_context.scope
        console, file = scope.levels
        try:
            scope.set_levels(asked.console, asked.file)
        except UsageError as error:
            raise InvalidArguments(str(error)) from None
        return {"console": console, "file": file}

    def stop(self, asked: QuestionArguments, _question: OpenQuestion) -> dict[str, Any]:
        """Start a graceful stop of a service, and return at once."""
        resident = resident_of(asked)
        if resident in self._stopping:
            return {"stopping": True}
        self._stopping.add(resident)
        stop = resident.service.stop_service
        thread = threading.Thread(target=stop, name=f"{resident.name}/stop", daemon=True)
        try:
            # in an empty context: the thread belongs to no service
            contextvars.Context().run(thread.start)
        except RuntimeError:
            # no thread can be started
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


def resident_of(arguments: QuestionArguments) -> Resident:
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
