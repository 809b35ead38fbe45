"""Changes of a fleet while it runs: `restart` and `scale`, one at a time."""

from __future__ import annotations

import threading
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Protocol

from sf_actors.errors import UserError
from sf_actors.fleet.arrangement import Arrangement, changes_between
from sf_actors.fleet.check import check
from sf_actors.fleet.fleet_file import read_fleet
from sf_actors.fleet.operation import ABSENT, FAILED
from sf_actors.fleet.rolling import Rolling, why_not_beside
from sf_actors.fleet.standing import RUNNING, Phase
from sf_actors.wording import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from sf_actors.fleet.check import Checked
    from sf_actors.fleet.control import Request
    from sf_actors.fleet.fleet import Fleet
    from sf_actors.fleet.operation import Operation
    from sf_actors.fleet.runner import Runner
    from sf_actors.fleet.standing import Member
    from sf_actors.fleet.supervisor import Supervisor
    from sf_actors.fleet.task import Task

#: How long a service may take to confirm its new connections, in seconds.
TELLING_S: Final = 5.0


class Asked(Protocol):
    """A request of a verb, or one of our own.

    :ivar args: its arguments
    """

    args: dict[str, Any]

    @property
    def is_open(self) -> bool:
        """True while somebody waits for the answer."""

    def say(self, words: str, /) -> None:
        """Report progress to the verb that asks."""

    def end(self, status: int, /) -> None:
        """Send the answer."""


class Changes:
    """Changes the running fleet; in the supervisor's thread, except for reading files.

    :param arrangement: the arrangement that the supervisor runs now
    :param in_process: the whole fleet runs in this process
    :param read_again: reads and checks the fleet again for a request; called in another thread
    """

    def __init__(
        self,
        supervisor: Supervisor,
        operation: Operation,
        arrangement: Arrangement,
        *,
        in_process: bool,
        read_again: Callable[[Asked], tuple[Fleet, Checked]] | None = None,
    ) -> None:
        self._read_again = read_again or self._from_file
        self._supervisor = supervisor
        self._operation = operation
        self._arrangement = arrangement
        self._in_process = in_process
        self._is_busy = False
        operation.services = lambda: self._arrangement.fleet.by_name
        operation.verbs |= {
            "start": self._start,
            "restart": self._restart,
            "scale": self._scale,
        }

    @property
    def arrangement(self) -> Arrangement:
        """The arrangement that runs now."""
        return self._arrangement

    def take(self, request: Asked) -> None:
        """Restart what a request names, and answer it when that is done."""
        self._restart(request)

    # start

    def _start(self, request: Request) -> None:
        """Start what does not run, including services that are new in the file."""
        there = self._supervisor.course.standings
        instances = self._arrangement.names()
        names = {name.partition("#")[0] for name in request.args.get("names", ())}
        new = [
            name
            for name in request.args.get("services", ())
            # a service that was scaled to 0 lacks no instance
            if not set(instances.get(name, (name,))) <= set(there) and (not names or name in names)
        ]
        if not new:
            self._operation.start(request)
            return

        def added(status: int) -> None:
            if status == 0 and self._operation.lacking(request.args.get("names", ())):
                self._operation.start(request)
            else:
                request.end(status)

        self._restart(Step({"names": new}, request.say, added))

    # restart

    def _restart(self, request: Asked) -> None:
        if not self._begin(request):
            return
        pids = {runner.pid for runner in self._supervisor.runners.values()}
        read = partial(self._read, request, pids)
        thread = threading.Thread(target=read, name="up/check", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            self._end(request, FAILED, str(error))

    def _read(self, request: Asked, pids: Collection[int]) -> None:
        """Read and check the file; in a thread of its own, since it takes seconds.

        :param pids: the fleet's running processes
        """
        old = self._arrangement
        try:
            fleet, checked = self._read_again(request)
        except UserError as error:
            self._supervisor.post(partial(self._end, request, FAILED, str(error)))
            return
        errors = [str(one) for one in checked.findings if one.is_error]
        if errors:
            self._supervisor.post(partial(self._end, request, FAILED, "\n".join(errors)))
            return
        if request.args.get("rolling"):
            from sf_actors.fleet.live import what_breaks  # noqa: PLC0415 - asks by sockets, seldom

            breaks = [str(one) for one in what_breaks(fleet, pids, timeout_s=TELLING_S)]
            if breaks:
                self._supervisor.post(partial(self._end, request, FAILED, "\n".join(breaks)))
                return
        counts = {name: count for name, count in old.counts.items() if name in fleet.by_name}
        new = Arrangement(fleet, checked, old.choose, counts)
        self._supervisor.post(partial(self._renew, request, new))

    def _from_file(self, _request: Asked) -> tuple[Fleet, Checked]:
        fleet = read_fleet(self._arrangement.fleet.path)
        return fleet, check(fleet, in_process=self._in_process)

    def _renew(self, request: Asked, new: Arrangement) -> None:
        """Replace what runs by what the file says."""
        course = self._supervisor.course
        now = {member.name: (member, task) for member, task in new.instances()}
        given = request.args.get("names", ())
        wanted = set(given)
        known = {*now, *course.standings, *new.fleet.by_name}
        known |= {name.partition("#")[0] for name in known}
        for name in wanted - known:
            hint = nearest(name, known)
            self._end(request, ABSENT, f"expected a service of the fleet, got {name!r}{hint}")
            return

        def is_meant(name: str) -> bool:
            return not wanted or name in wanted or name.partition("#")[0] in wanted

        for words in changes_between(self._arrangement.fleet, new.fleet):
            request.say(words)
        gone = [name for name in course.standings if name not in now and is_meant(name)]
        fresh = [name for name in now if name not in course.standings and is_meant(name)]
        again = [
            name
            for name, standing in course.standings.items()
            if name in now
            and is_meant(name)
            and (wanted or standing.phase not in {Phase.STOPPED, Phase.ENDED, Phase.WAITS})
        ]
        waiting = [name for name in course.standings if name in now and is_meant(name)]
        try:
            # in a rolling restart, the others get their new task when their turn comes
            for name in fresh if request.args.get("rolling") else {*fresh, *waiting}:
                self._supervisor.add(*now[name])
        except UserError as error:
            self._end(request, FAILED, str(error))
            return
        self._arrangement = new
        self._supervisor.stop(gone)
        self._supervisor.watch(partial(self._forget, gone))
        if request.args.get("rolling"):
            self._roll(request, again, fresh)
            return
        self._supervisor.stop(again, runs_again=True)
        self._supervisor.start(fresh)
        self._tell_connectors(now, but={*again, *fresh, *gone})
        self._operation.when_settled([*again, *fresh], request.say, partial(self._settled, request))

    def _settled(self, request: Asked, status: int) -> None:
        self._end(request, status)

    def _roll(self, request: Asked, names: list[str], fresh: list[str]) -> None:
        """Replace instances one by one, after the new ones have become READY."""
        arrangement = self._arrangement

        def renewed(name: str, is_beside: bool) -> tuple[Member, Task]:
            if is_beside or arrangement.choose.is_outdated(name):
                arrangement.choose.renew(name)
            return self._now()[name]

        def why_stopped(name: str) -> str | None:
            if self._in_process:
                # in one process a service's name must be unique
                return "all runs in one process"
            service = arrangement.fleet.by_name[name.partition("#")[0]]
            return why_not_beside(service, arrangement.checked.outlines[service.name])

        rolling = Rolling(
            self._supervisor,
            self._operation,
            renewed=renewed,
            tell_connectors=lambda name, then: self._tell_connectors(
                self._now(), but=[name], then=then
            ),
            why_stopped=why_stopped,
            undo=arrangement.choose.undo,
            say=request.say,
            is_wanted=lambda: request.is_open,
            then=partial(self._settled, request),
        )

        def are_there(status: int) -> None:
            if status:
                self._end(request, status)
            else:
                rolling.run(names)

        self._supervisor.start(fresh)
        self._operation.when_settled(fresh, request.say, are_there)

    def _now(self) -> dict[str, tuple[Member, Task]]:
        return {member.name: (member, task) for member, task in self._arrangement.instances()}

    def _forget(self, names: Collection[str]) -> bool:
        """Remove instances that should be gone once none of them runs; True when done."""
        standings = self._supervisor.course.standings
        if any(standings[name].phase in RUNNING for name in names if name in standings):
            return False
        for name in names:
            if name in standings:
                self._supervisor.remove(name)
        return True

    # scale

    def _scale(self, request: Asked) -> None:
        name, count = request.args["service"], request.args["count"]
        service = self._arrangement.fleet.by_name.get(name)
        if service is None:
            hint = nearest(name, self._arrangement.fleet.by_name)
            request.say(f"expected a service of the fleet, got {name!r}{hint}")
            request.end(ABSENT)
            return
        why = self._arrangement.must_be_one(service)
        if why is None and count > 1 and service.has_http_port and not self._in_process:
            why = f"its http is at {service.http} alone"
        if why is not None:
            request.say(f"{name} has one instance: {why}")
            request.end(FAILED)
            return
        if not self._begin(request):
            return
        new = self._arrangement.scaled(name, count)
        now = {member.name: (member, task) for member, task in new.instances()}
        course = self._supervisor.course
        fresh = [one for one in now if one not in course.standings]
        gone = [one for one in course.standings if one not in now and _is_of(one, name)]
        try:
            for one in fresh:
                self._supervisor.add(*now[one])
        except UserError as error:
            self._end(request, FAILED, str(error))
            return
        self._arrangement = new
        self._supervisor.start(fresh)

        def are_ready(status: int) -> None:
            # new instances are READY before peers connect; peers leave old ones before these stop
            self._tell_connectors(now, but={*fresh, *gone}, then=partial(are_told, status))

        def are_told(status: int) -> None:
            self._supervisor.stop(gone)
            self._supervisor.watch(lambda: self._forget(gone) and bool(over(status)))

        def over(status: int) -> bool:
            for one in gone:
                request.say(f"{one} has stopped")
            self._end(request, status)
            return True

        self._operation.when_settled(fresh, request.say, are_ready)

    # within

    def _begin(self, request: Asked) -> bool:
        if self._is_busy or self._supervisor.course.is_ending:
            why = "another change is under way" if self._is_busy else "the fleet is ending"
            request.say(why)
            request.end(FAILED)
            return False
        self._is_busy = True
        return True

    def _end(self, request: Asked, status: int, words: str = "") -> None:
        self._is_busy = False
        for line in words.split("\n") if words else ():
            request.say(line)
        request.end(status)

    def _tell_connectors(
        self,
        now: dict[str, tuple[Member, Task]],
        *,
        but: Collection[str],
        then: Callable[[], object] = lambda: None,
    ) -> None:
        """Send the instances that keep running their new connections.

        :param then: called when all have confirmed or ended, or after `TELLING_S`
        """
        supervisor = self._supervisor
        pending: dict[int, tuple[str, Runner]] = {}
        for name, (_, task) in now.items():
            if name in but or name not in supervisor.tasks:
                continue
            was, supervisor.tasks[name] = supervisor.tasks[name], task
            runner = supervisor.runners.get(name)
            if runner is None:
                continue
            for given in self._arrangement.connections(was, task):
                number = supervisor.connect(runner, given, partial(_told, pending))
                pending[number] = name, runner
        until = monotonic() + TELLING_S
        supervisor.wake_at(until)

        def look() -> bool:
            left = [
                name for name, runner in pending.values() if supervisor.runners.get(name) is runner
            ]
            if left and monotonic() < until:
                return False
            for name in left:
                supervisor.tell(f"{name}: it has not confirmed its new connections")
            then()
            return True

        supervisor.watch(look)


class Step:
    """A restart that no verb asked for, or that is part of another request."""

    is_open = True

    def __init__(
        self, args: dict[str, Any], say: Callable[[str], None], then: Callable[[int], None]
    ) -> None:
        self.args = args
        self.say = say
        self._then = then

    def end(self, status: int, **_more: Any) -> None:
        """Pass the answer to `then`."""
        self._then(status)


def _told(pending: dict[int, tuple[str, Runner]], number: int) -> None:
    pending.pop(number, None)


def _is_of(name: str, service: str) -> bool:
    return name.partition("#")[0] == service
