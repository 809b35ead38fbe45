"""A fleet that runs here: what other verbs ask of its `up`."""

from __future__ import annotations

import os
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from sf_actors.fleet.standing import RUNNING, Phase
from sf_actors.wording import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from sf_actors.fleet.control import Request
    from sf_actors.fleet.supervisor import Supervisor

#: What a start is waited for: it is over then, well or not.
_SETTLED = frozenset({Phase.READY, Phase.ENDED, Phase.FAILED, Phase.STOPPED})

#: The exit statuses of verbs: it failed, and nothing of that name.
FAILED, ABSENT = 1, 3
#: From this exit status on a fleet was ended by a second signal.
_AT_ONCE = 128


class Operation:
    """Answers requests; in the supervisor's thread.

    :param supervisor: of the fleet
    :ivar verbs: what takes the requests of each
    """

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._course = supervisor.course
        #: those who wait for the end of all
        self._downs: list[Request] = []
        #: gives the services of the fleet, those without an instance included
        self.services: Callable[[], Collection[str]] = tuple
        self.verbs: dict[str, Callable[[Request], None]] = {
            "ps": self._ps,
            "start": self.start,
            "stop": self._stop_named,
            "down": self._down,
        }

    def take(self, request: Request) -> None:
        """Take a request of another verb."""
        verb = request.args.get("verb")
        do = self.verbs.get(str(verb))
        if do is None:
            request.say(f"the up that runs has no {verb!r}; it is of another version")
            request.end(FAILED)
            return
        do(request)

    def finish(self, status: int) -> None:
        """Answer those who wait for the end, which has come.

        :param status: the fleet's
        """
        had_to_kill = self._supervisor.had_to_kill or status >= _AT_ONCE
        for request in self._downs:
            request.end(FAILED if had_to_kill else 0)

    def named(self, names: Iterable[str]) -> list[str]:
        """Return the instances of services and instances that were named; of none all.

        :raises LookupError: there is none of a name
        """
        standings = self._course.standings
        wanted = list(names)
        services = {*self.services(), *(one.member.service for one in standings.values())}
        for name in wanted:
            if name not in standings and name not in services:
                hint = nearest(name, {*standings, *services})
                raise LookupError(f"expected a service of the fleet, got {name!r}{hint}")
        return [
            name
            for name, one in standings.items()
            if not wanted or name in wanted or one.member.service in wanted
        ]

    def start(self, request: Request) -> None:
        """Start what is lacking of what a request names, or of all."""
        names = self._names(request)
        if names is None:
            return
        given = request.args.get("names", ())
        if not names and given:
            request.say(_without_instance(given))
            request.end(FAILED)
            return
        lacking = self.lacking(given)
        if not lacking or self._course.is_ending:
            why = "it is ending" if self._course.is_ending else "runs already"
            request.say(f"{why}, pid {os.getpid()}")
            request.end(FAILED)
            return
        self._supervisor.start(lacking)
        self.when_settled(lacking, request.say, request.end)

    def lacking(self, given: Collection[str]) -> list[str]:
        """Return what does not run of what is named, and of what that is after; of none of all.

        What has ended well lacks only where it is named.

        :raises LookupError: there is none of a name
        """
        names = self.named(given)
        return [
            name
            for name in self._course.with_needed(names)
            if self._course.phase_of(name) in {Phase.STOPPED, Phase.FAILED}
            or (given and name in names and self._course.phase_of(name) is Phase.ENDED)
        ]

    # verbs

    def _ps(self, request: Request) -> None:
        places: dict[str, int] = {}
        for one in self._course.standings.values():
            places.setdefault(one.member.service, len(places))
        rows = self._supervisor.rows()
        # instances that a verb has added stand with the others of their service
        rows.sort(key=lambda row: (places[row["service"].partition("#")[0]], _number(row)))
        request.end(0, pid=os.getpid(), services=rows, known=sorted(self.services()))

    def _stop_named(self, request: Request) -> None:
        names = self._names(request)
        if names is None:
            return
        if not names:
            request.say(_without_instance(request.args["names"]))
        runners = self._supervisor.runners
        pids = {name: runners[name].pid for name in names if name in runners}
        self._supervisor.stop(names)
        self._supervisor.watch(partial(self._is_stopped, request, names, pids))

    def _down(self, request: Request) -> None:
        self._downs.append(request)
        self._supervisor.end()

    # within

    def _names(self, request: Request) -> list[str] | None:
        """Return the instances that a request names; None where it is answered."""
        try:
            return self.named(request.args.get("names", ()))
        except LookupError as error:
            request.say(str(error.args[0]))
            request.end(ABSENT)
            return None

    def when_settled(
        self,
        names: Collection[str],
        say: Callable[[str], None],
        then: Callable[[int], object],
    ) -> None:
        """Tell as instances become READY, or will not.

        :param then: called with the exit status of who has asked for them
        """
        left = list(names)
        restarting: set[str] = set()

        def look() -> bool:
            now = monotonic()
            for name in list(left):
                if name not in self._course.standings:
                    left.remove(name)
                    continue
                phase, reason = self._course.phase_of(name), self._course.reason_of(name, now)
                if phase in _SETTLED or self._course.waits_in_vain(name):
                    left.remove(name)
                    say(f"{name}: {phase if phase is Phase.READY else reason}")
                elif phase is not Phase.RESTARTS:
                    restarting.discard(name)
                elif name not in restarting:
                    # it may yet come about
                    restarting.add(name)
                    say(f"{name}: {self._course.standings[name].reason}; {reason}")
            if left:
                return False
            phases = self._phases(names)
            then(FAILED if phases & {Phase.FAILED, Phase.STOPPED, Phase.WAITS} else 0)
            return True

        self._supervisor.watch(look)

    def _is_stopped(self, request: Request, names: list[str], pids: dict[str, int]) -> bool:
        if self._phases(names) & {*RUNNING, Phase.RESTARTS}:
            return False
        for name in names:
            request.say(f"{name} has stopped")
        killed = [name for name in names if self._course.standings[name].was_killed]
        request.end(FAILED if killed else 0, stopped=names, pids=pids)
        return True

    def _phases(self, names: Iterable[str]) -> set[Phase]:
        standings = self._course.standings
        return {standings[name].phase for name in names if name in standings}


def _without_instance(names: Iterable[str]) -> str:
    return f"{', '.join(names)}: no instance; `scale` gives it some"


def _number(row: dict[str, Any]) -> int:
    return int(row["service"].partition("#")[2] or 0)
