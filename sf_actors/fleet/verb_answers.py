"""Answers the requests of other verbs to a running `up`."""

from __future__ import annotations

import os
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from sf_actors.fleet.instance import RUNNING, InstancePhase
from sf_actors.wording import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from sf_actors.fleet.control import VerbRequest
    from sf_actors.fleet.supervisor import Supervisor

#: The phases in which a start is over, successfully or not.
_SETTLED = frozenset(
    {InstancePhase.READY, InstancePhase.ENDED, InstancePhase.FAILED, InstancePhase.STOPPED}
)

#: Exit statuses of verbs: failed, file that cannot be read, and name not found.
FAILED, UNREADABLE, ABSENT = 1, 2, 3
#: Said of an instance whose stop exceeded its deadline.
_KILLED = "has not ended in time, and was killed"


class VerbAnswers:
    """Answers requests; in the supervisor's thread.

    :param supervisor: of the fleet
    :ivar verbs: the function for the requests of each verb
    """

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._course = supervisor.course
        #: the requests that wait for the end of the fleet
        self._downs: list[VerbRequest] = []
        #: returns the names of all services, including those without an instance
        self.services: Callable[[], Collection[str]] = tuple
        self.verbs: dict[str, Callable[[VerbRequest], None]] = {
            "ps": self._ps,
            "start": self.start,
            "stop": self._stop_named,
            "down": self._down,
        }

    def take(self, request: VerbRequest) -> None:
        """Handle a request of another verb."""
        verb = request.args.get("verb")
        do = self.verbs.get(str(verb))
        if do is None:
            request.report(f"the up that runs has no {verb!r}; it is of another version")
            request.end(FAILED)
            return
        do(request)

    def finish(self, _status: int) -> None:
        """Answer the requests that waited for the end of the fleet."""
        had_to_kill = self._supervisor.had_to_kill
        killed = [name for name, one in self._course.instances.items() if one.was_killed]
        for request in self._downs:
            for name in killed if had_to_kill else ():
                request.report(f"{name} {_KILLED}")
            request.end(FAILED if had_to_kill else 0)

    def named(self, names: Iterable[str]) -> list[str]:
        """Return the instances with these names or of services with these names; no names: all.

        :raises LookupError: a name is unknown
        """
        instances = self._course.instances
        wanted = list(names)
        services = {*self.services(), *(one.member.service for one in instances.values())}
        for name in wanted:
            if name not in instances and name not in services:
                hint = nearest(name, {*instances, *services})
                raise LookupError(f"expected a service of the fleet, got {name!r}{hint}")
        return [
            name
            for name, one in instances.items()
            if not wanted or name in wanted or one.member.service in wanted
        ]

    def start(self, request: VerbRequest) -> None:
        """Start the instances that a request names, or all, as far as they do not run."""
        names = self._names(request)
        if names is None:
            return
        given = request.args.get("names", ())
        if not names and given:
            request.report(_without_instance(given))
            request.end(FAILED)
            return
        lacking = self.lacking(given)
        if not lacking or self._course.is_ending:
            why = "it is ending" if self._course.is_ending else "runs already"
            request.report(f"{why}, pid {os.getpid()}")
            request.end(FAILED)
            return
        self._supervisor.start(lacking)
        self.when_settled(lacking, request.report, request.end)

    def lacking(self, given: Collection[str]) -> list[str]:
        """Return those of the named instances, and of those they come `after`, that do not run.

        No names mean all. An instance that has ended with 0 counts only if it is named.

        :raises LookupError: a name is unknown
        """
        names = self.named(given)
        return [
            name
            for name in self._course.with_needed(names)
            if self._course.phase_of(name) in {InstancePhase.STOPPED, InstancePhase.FAILED}
            or (given and name in names and self._course.phase_of(name) is InstancePhase.ENDED)
        ]

    # verbs

    def _ps(self, request: VerbRequest) -> None:
        places: dict[str, int] = {}
        for one in self._course.instances.values():
            places.setdefault(one.member.service, len(places))
        rows = self._supervisor.rows()
        # keep instances that `scale` added next to the others of their service
        rows.sort(key=lambda row: (places[row["service"].partition("#")[0]], _number(row)))
        request.end(0, pid=os.getpid(), services=rows, known=sorted(self.services()))

    def _stop_named(self, request: VerbRequest) -> None:
        names = self._names(request)
        if names is None:
            return
        if not names:
            request.report(_without_instance(request.args["names"]))
        runners = self._supervisor.runners
        pids = {name: runners[name].pid for name in names if name in runners}
        self._supervisor.stop(names)
        self._supervisor.watch(partial(self._is_stopped, request, names, pids))

    def _down(self, request: VerbRequest) -> None:
        self._downs.append(request)
        self._supervisor.end()

    # internal

    def _names(self, request: VerbRequest) -> list[str] | None:
        """Return the instances that a request names; if one is unknown, answer, and return None."""
        try:
            return self.named(request.args.get("names", ()))
        except LookupError as error:
            request.report(str(error.args[0]))
            request.end(ABSENT)
            return None

    def when_settled(
        self,
        names: Collection[str],
        report: Callable[[str], None],
        then: Callable[[int], object],
    ) -> None:
        """Report each instance that becomes READY or fails to.

        :param then: called after the last one, with the exit status for the verb
        """
        left = list(names)
        restarting: set[str] = set()

        def look() -> bool:
            now = monotonic()
            for name in list(left):
                if name not in self._course.instances:
                    left.remove(name)
                    continue
                phase, reason = self._course.phase_of(name), self._course.reason_of(name, now)
                if phase in _SETTLED or self._course.waits_in_vain(name):
                    left.remove(name)
                    report(f"{name}: {phase if phase is InstancePhase.READY else reason}")
                elif phase is not InstancePhase.RESTARTS:
                    restarting.discard(name)
                elif name not in restarting:
                    # it may still become READY
                    restarting.add(name)
                    report(f"{name}: {self._course.instances[name].reason}; {reason}")
            if left:
                return False
            phases = self._phases(names)
            then(
                FAILED
                if phases & {InstancePhase.FAILED, InstancePhase.STOPPED, InstancePhase.WAITS}
                else 0
            )
            return True

        self._supervisor.watch(look)

    def _is_stopped(self, request: VerbRequest, names: list[str], pids: dict[str, int]) -> bool:
        if self._phases(names) & {*RUNNING, InstancePhase.RESTARTS}:
            return False
        killed = [name for name in names if self._course.instances[name].was_killed]
        for name in names:
            request.report(f"{name} {_KILLED if name in killed else 'has stopped'}")
        request.end(FAILED if killed else 0, stopped=names, pids=pids)
        return True

    def _phases(self, names: Iterable[str]) -> set[InstancePhase]:
        instances = self._course.instances
        return {instances[name].phase for name in names if name in instances}


def _without_instance(names: Iterable[str]) -> str:
    return f"{', '.join(names)}: no instance; `scale` gives it some"


def _number(row: dict[str, Any]) -> int:
    return int(row["service"].partition("#")[2] or 0)
