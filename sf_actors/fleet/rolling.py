"""A rolling restart: instance by instance, the new one beside the old one where that can be."""

from __future__ import annotations

import signal
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from sf_actors.fleet.course import GRACE_S
from sf_actors.fleet.standing import Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sf_actors.fleet.fleet import FleetService
    from sf_actors.fleet.operation import Operation
    from sf_actors.fleet.outlines import ServiceOutline
    from sf_actors.fleet.standing import Member
    from sf_actors.fleet.supervisor import Runner, Supervisor
    from sf_actors.fleet.task import Task


def why_not_beside(service: FleetService, outline: ServiceOutline) -> str | None:
    """Return why a new instance of a service cannot run beside the old one, or None."""
    if service.is_bus:
        return "it is a bus"
    if service.main:
        return "it runs main"
    if service.bind:
        return "it has bind in the file"
    if outline.timers:
        return f"it has a timer, {outline.timers[0].name}"
    for model in outline.models:
        if model.type == "subscriber":
            return f"it has a subscriber, {model.name}"
        if model.kind == "states" and model.side == "out":
            return f"it has an out-state, {model.name}"
        if model.kind == "states" and model.has_handler:
            return f"it has an in-state with a handler, {model.name}"
    return None


class Rolling:
    """Replaces instances one after the other; in the supervisor's thread.

    :param renewed: returns the rules and the task of an instance at new addresses
    :param tell_connectors: tells all others where to connect to, but for an instance, and calls
        what it is given when they have
    :param why_stopped: why an instance cannot run beside its successor, or None
    :param undo: takes back the new addresses of the last one
    :param say: takes words
    :param then: called with the exit status: 1 when one was not READY, and the rest was left alone
    """

    def __init__(
        self,
        supervisor: Supervisor,
        operation: Operation,
        *,
        renewed: Callable[[str, bool], tuple[Member, Task]],
        tell_connectors: Callable[[str, Callable[[], object]], None],
        why_stopped: Callable[[str], str | None],
        undo: Callable[[], None],
        say: Callable[[str], None],
        then: Callable[[int], object],
    ) -> None:
        self._supervisor = supervisor
        self._operation = operation
        self._renewed = renewed
        self._tell_connectors = tell_connectors
        self._why_stopped = why_stopped
        self._undo = undo
        self._say, self._then = say, then

    def run(self, names: Sequence[str]) -> None:
        """Replace these instances; returns at once."""
        if not names:
            self._then(0)
            return
        name, left = names[0], names[1:]
        why = self._why_stopped(name)
        if why is None and self._supervisor.course.standings[name].phase is Phase.READY:
            self._replace(name, partial(self.run, left))
        else:
            if why is not None:
                self._say(f"{name}: stopped, then started: {why}")
            self._stop_and_start(name, partial(self.run, left))

    def _stop_and_start(self, name: str, then: Callable[[], None]) -> None:
        self._supervisor.add(*self._renewed(name, False))
        self._supervisor.stop([name], runs_again=True)

        def are_others_told(status: int) -> None:
            if status:
                self._then(status)
            else:
                self._tell_connectors(name, then)

        self._operation.when_settled([name], self._say, are_others_told)

    def _replace(self, name: str, then: Callable[[], None]) -> None:
        supervisor = self._supervisor
        member, task = self._renewed(name, True)
        try:
            runner = supervisor.start_beside(task)
        except OSError as error:
            self._fail(name, str(error))
            return

        def look() -> bool:
            if runner in supervisor.ready_beside:
                supervisor.course.add(member)
                old = supervisor.take_over(runner)
                self._say(f"{name}: the new one is READY")
                self._tell_connectors(name, partial(self._drain, name, old, then))
                return True
            if runner not in supervisor.beside:
                self._fail(name, "the new one has ended before it was READY; the old one runs on")
                return True
            return False

        supervisor.watch(look)

    def _drain(self, name: str, old: Runner | None, then: Callable[[], None]) -> None:
        """Stop the old one, which nobody asks any more; go on when it has ended."""
        supervisor = self._supervisor
        if old is None:
            then()
            return
        old.signal(signal.SIGTERM)
        until = monotonic() + old.task.service.stop_timeout_s + GRACE_S
        supervisor.wake_at(until)

        def look() -> bool:
            if old in supervisor.beside:
                if monotonic() < until:
                    return False
                self._say(f"{name}: the old one has not ended in time: killed")
                old.kill()
            then()
            return True

        supervisor.watch(look)

    def _fail(self, name: str, why: str) -> None:
        self._undo()
        self._say(f"{name}: {why}")
        self._then(1)
