"""A rolling restart: replaces one instance after the other, if possible without a gap."""

from __future__ import annotations

from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from sf_actors.fleet.instance import InstancePhase

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sf_actors.fleet.fleet import FleetService
    from sf_actors.fleet.instance import Member
    from sf_actors.fleet.outlines import ServiceOutline
    from sf_actors.fleet.runner import Runner
    from sf_actors.fleet.supervisor import Supervisor
    from sf_actors.fleet.task import Task
    from sf_actors.fleet.verb_answers import VerbAnswers


def why_not_beside(service: FleetService, outline: ServiceOutline) -> str | None:
    """Return why a new instance of a service cannot run beside the old one, or None."""
    if service.is_bus:
        return "it is a bus"
    if service.main:
        return "it runs main"
    if service.bind:
        return "it has bind in the file"
    if service.has_http_port:
        return "it has http in the file"
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

    :param renewed: returns the rules and the task of an instance; if True is passed, with new
        addresses
    :param reconnect_others: has all other instances connect to the new addresses, then calls back
    :param why_stopped: returns why an instance cannot run beside its successor, or None
    :param undo: undoes the last new addresses
    :param report: shows a text to the verb that asks
    :param is_wanted: returns False if the verb is gone; no further instance is replaced then
    :param then: called with the exit status: 1 if one failed and the rest was left alone
    """

    def __init__(
        self,
        supervisor: Supervisor,
        answers: VerbAnswers,
        *,
        renewed: Callable[[str, bool], tuple[Member, Task]],
        reconnect_others: Callable[[str, Callable[[], object]], None],
        why_stopped: Callable[[str], str | None],
        undo: Callable[[], None],
        report: Callable[[str], None],
        is_wanted: Callable[[], bool],
        then: Callable[[int], object],
    ) -> None:
        self._supervisor = supervisor
        self._answers = answers
        self._renewed = renewed
        self._reconnect_others = reconnect_others
        self._why_stopped = why_stopped
        self._undo = undo
        self._report, self._is_wanted, self._then = report, is_wanted, then
        instances = supervisor.course.instances
        #: the instances that no verb had stopped when this began
        self._running = {
            name for name, one in instances.items() if one.phase is not InstancePhase.STOPPED
        }

    def run(self, names: Sequence[str]) -> None:
        """Replace these instances, in the background."""
        course = self._supervisor.course
        if course.is_ending:
            self._end("the fleet is ending")
            return
        if not names:
            self._then(0)
            return
        name, left = names[0], names[1:]
        if not self._is_wanted():
            self._supervisor.report(f"{name}: runs on unchanged: the command that asked is gone")
            self._then(1)
            return
        on = partial(self.run, left)
        why = self._why_stopped(name)
        if name in self._running and course.phase_of(name) in {
            InstancePhase.STOPS,
            InstancePhase.STOPPED,
        }:
            self._report(f"{name}: left out: a verb has stopped it")
            on()
        elif why is None and course.phase_of(name) is InstancePhase.READY:
            self._replace(name, on)
        else:
            if why is not None:
                self._report(f"{name}: stopped, then started: {why}")
            self._stop_and_start(name, on)

    def _stop_and_start(self, name: str, then: Callable[[], None]) -> None:
        self._supervisor.add(*self._renewed(name, False))
        self._supervisor.stop([name], runs_again=True)

        def are_others_connected(status: int) -> None:
            if status:
                self._then(status)
            else:
                self._reconnect_others(name, then)

        self._answers.when_settled([name], self._report, are_others_connected)

    def _replace(self, name: str, then: Callable[[], None]) -> None:
        supervisor = self._supervisor
        member, task = self._renewed(name, True)
        try:
            runner = supervisor.start_beside(task)
        except OSError as error:
            self._fail(name, str(error))
            return

        def look() -> bool:
            if runner not in supervisor.extra_runs:
                self._fail(name, "the new one has ended before it was READY; the old one runs on")
            elif supervisor.course.phase_of(name) in {InstancePhase.STOPS, InstancePhase.STOPPED}:
                # stopped by a verb or with the fleet, so it needs no successor
                supervisor.extra_runs.stop(runner, monotonic())
                self._fail(name, "it has been stopped")
            elif not (self._is_wanted() or supervisor.extra_runs.is_ready(runner)):
                supervisor.extra_runs.stop(runner, monotonic())
                supervisor.report(f"{name}: the old one runs on: the command that asked is gone")
                self._fail(name, "not wanted any more")
            elif supervisor.extra_runs.is_ready(runner):
                supervisor.add(member, task)
                old = supervisor.take_over(runner)
                self._report(f"{name}: the new one is READY")
                self._reconnect_others(name, partial(self._drain, old, then))
            else:
                return False
            return True

        supervisor.watch(look)

    def _drain(self, old: Runner | None, then: Callable[[], None]) -> None:
        """Stop the old one, which has no callers any more; continue when it has ended."""
        extra_runs = self._supervisor.extra_runs
        if old is not None:
            extra_runs.stop(old, monotonic())

        def look() -> bool:
            if old is not None and old in extra_runs:
                return False
            then()
            return True

        self._supervisor.watch(look)

    def _fail(self, name: str, why: str) -> None:
        self._undo()
        self._end(f"{name}: {why}")

    def _end(self, words: str) -> None:
        self._report(words)
        self._then(1)
