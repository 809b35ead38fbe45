"""Changes of a fleet while it runs: `restart` and `scale`, one at a time."""

from __future__ import annotations

import threading
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Final

from sf_actors.errors import UserError
from sf_actors.fleet.arrangement import Arrangement, changes_between
from sf_actors.fleet.change_requests import InternalRequest
from sf_actors.fleet.check import check
from sf_actors.fleet.fleet_file import read_fleet
from sf_actors.fleet.instance import RUNNING, InstancePhase
from sf_actors.fleet.rolling import Rolling, why_not_beside
from sf_actors.fleet.verb_answers import ABSENT, FAILED, UNREADABLE
from sf_actors.wording import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from sf_actors.fleet.change_requests import ChangeRequest
    from sf_actors.fleet.check import Checked
    from sf_actors.fleet.control import VerbRequest
    from sf_actors.fleet.fleet import Fleet
    from sf_actors.fleet.instance import Member
    from sf_actors.fleet.runner import Runner
    from sf_actors.fleet.supervisor import Supervisor
    from sf_actors.fleet.task import Task
    from sf_actors.fleet.verb_answers import VerbAnswers

#: How long a service may take to confirm its new connections, in seconds.
CONFIRMING_S: Final = 5.0


class FleetChanges:
    """Changes the running fleet; in the supervisor's thread, except for reading files.

    :param arrangement: the arrangement that the supervisor runs now
    :param in_process: the whole fleet runs in this process
    :param read_again: reads and checks the fleet again for a request; called in another thread
    """

    def __init__(
        self,
        supervisor: Supervisor,
        answers: VerbAnswers,
        arrangement: Arrangement,
        *,
        in_process: bool,
        read_again: Callable[[ChangeRequest], tuple[Fleet, Checked]] | None = None,
    ) -> None:
        self._read_again = read_again or self._from_file
        self._supervisor = supervisor
        self._answers = answers
        self._arrangement = arrangement
        self._in_process = in_process
        self._is_busy = False
        answers.services = lambda: self._arrangement.fleet.by_name
        answers.verbs |= {
            "start": self._start,
            "restart": self._restart,
            "scale": self._scale,
        }

    @property
    def arrangement(self) -> Arrangement:
        """The arrangement that runs now."""
        return self._arrangement

    def take(self, request: ChangeRequest) -> None:
        """Restart what a request names, and answer it when that is done."""
        self._restart(request)

    # start

    def _start(self, request: VerbRequest) -> None:
        """Start what does not run, including services that are new in the file."""
        there = self._supervisor.course.instances
        instances = self._arrangement.names()
        names = {name.partition("#")[0] for name in request.args.get("names", ())}
        new = [
            name
            for name in request.args.get("services", ())
            # a service that was scaled to 0 lacks no instance
            if not set(instances.get(name, (name,))) <= set(there) and (not names or name in names)
        ]
        if not new:
            self._answers.start(request)
            return

        def added(status: int) -> None:
            if status == 0 and self._answers.lacking(request.args.get("names", ())):
                self._answers.start(request)
            else:
                request.end(status)

        self._restart(InternalRequest({"names": new}, request.report, added))

    # restart

    def _restart(self, request: ChangeRequest) -> None:
        if not self._begin(request):
            return
        pids = {runner.pid for runner in self._supervisor.runners.values()}
        read = partial(self._read, request, pids)
        thread = threading.Thread(target=read, name="up/check", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            self._end(request, FAILED, str(error))

    def _read(self, request: ChangeRequest, pids: Collection[int]) -> None:
        """Read and check the file; in a thread of its own, since it takes seconds.

        :param pids: the fleet's running processes
        """
        old = self._arrangement
        try:
            fleet, checked = self._read_again(request)
        except UserError as error:
            self._supervisor.post(partial(self._end, request, UNREADABLE, str(error)))
            return
        errors = [str(one) for one in checked.findings if one.is_error]
        if errors:
            self._supervisor.post(partial(self._end, request, FAILED, "\n".join(errors)))
            return
        if request.args.get("rolling"):
            from sf_actors.fleet.live_check import what_breaks  # noqa: PLC0415 - asks by sockets, seldom

            breaks = [str(one) for one in what_breaks(fleet, pids, timeout_s=CONFIRMING_S)]
            if breaks:
                self._supervisor.post(partial(self._end, request, FAILED, "\n".join(breaks)))
                return
        counts = {name: count for name, count in old.counts.items() if name in fleet.by_name}
        new = Arrangement(fleet, checked, old.choose, counts)
        self._supervisor.post(partial(self._renew, request, new))

    def _from_file(self, _request: ChangeRequest) -> tuple[Fleet, Checked]:
        fleet = read_fleet(self._arrangement.fleet.path)
        return fleet, check(fleet, in_process=self._in_process)

    def _renew(self, request: ChangeRequest, new: Arrangement) -> None:
        """Replace what runs by what the file says."""
        course = self._supervisor.course
        now = {member.name: (member, task) for member, task in new.instances()}
        given = request.args.get("names", ())
        wanted = set(given)
        known = {*now, *course.instances, *new.fleet.by_name}
        known |= {name.partition("#")[0] for name in known}
        for name in wanted - known:
            hint = nearest(name, known)
            self._end(request, ABSENT, f"expected a service of the fleet, got {name!r}{hint}")
            return

        def is_meant(name: str) -> bool:
            return not wanted or name in wanted or name.partition("#")[0] in wanted

        for words in changes_between(self._arrangement.fleet, new.fleet):
            request.report(words)
        gone = [name for name in course.instances if name not in now and is_meant(name)]
        fresh = [name for name in now if name not in course.instances and is_meant(name)]
        again = [
            name
            for name, instance in course.instances.items()
            if name in now
            and is_meant(name)
            and (
                wanted
                or instance.phase
                not in {InstancePhase.STOPPED, InstancePhase.ENDED, InstancePhase.WAITS}
            )
        ]
        waiting = [name for name in course.instances if name in now and is_meant(name)]
        try:
            # in a rolling restart, the others get their new task when their turn comes
            for name in fresh if request.args.get("rolling") else {*fresh, *waiting}:
                self._supervisor.add(*now[name])
        except UserError as error:
            self._end(request, FAILED, str(error))
            return
        last = self._last_to_stop(request, gone, fresh) if request.args.get("rolling") else []
        first = [name for name in gone if name not in last]
        self._arrangement = new
        self._supervisor.stop(first)
        self._supervisor.watch(partial(self._forget, first))
        if request.args.get("rolling"):
            self._roll(request, again, fresh, last)
            return
        self._supervisor.stop(again, runs_again=True)
        self._supervisor.start(fresh)
        self._reconnect_others(now, but={*again, *fresh, *gone})
        self._answers.when_settled([*again, *fresh], request.report, partial(self._end, request))

    def _why_stopped(self, name: str) -> str | None:
        """Return why an instance of the present arrangement cannot run beside its successor."""
        if self._in_process:
            # in one process a service's name must be unique
            return "all runs in one process"
        service = self._arrangement.fleet.by_name.get(name.partition("#")[0])
        if service is None:
            return "a restart that failed has left it, and the file has it no more"
        return why_not_beside(service, self._arrangement.checked.outlines[service.name])

    def _last_to_stop(
        self, request: ChangeRequest, gone: Collection[str], fresh: Collection[str]
    ) -> list[str]:
        """Return those that the file has no more and that run on until all others are replaced."""
        last = []
        for name in gone:
            # one that is new may be the same under another name
            why = self._why_stopped(name) if fresh else None
            if why is None:
                last.append(name)
            else:
                request.report(f"{name}: stopped before the others start: {why}")
        return last

    def _roll(
        self, request: ChangeRequest, names: list[str], fresh: list[str], gone: list[str]
    ) -> None:
        """Replace instances one by one, after the new ones have become READY.

        :param gone: stopped at the end, if all the others could be replaced
        """
        arrangement = self._arrangement

        def renewed(name: str, is_beside: bool) -> tuple[Member, Task]:
            if is_beside or arrangement.choose.is_outdated(name):
                arrangement.choose.renew(name)
            return self._now()[name]

        def are_replaced(status: int) -> None:
            if status:
                self._end(request, status)
            else:
                leave = partial(self._leave, request, gone, 0)
                self._reconnect_others(self._now(), but=gone, then=leave)

        rolling = Rolling(
            self._supervisor,
            self._answers,
            renewed=renewed,
            reconnect_others=lambda name, then: self._reconnect_others(
                self._now(), but=[name], then=then
            ),
            why_stopped=self._why_stopped,
            undo=arrangement.choose.undo,
            report=request.report,
            is_wanted=lambda: request.is_open,
            then=are_replaced,
        )

        def are_there(status: int) -> None:
            if status:
                self._end(request, status)
            else:
                rolling.run(names)

        self._supervisor.start(fresh)
        self._answers.when_settled(fresh, request.report, are_there)

    def _now(self) -> dict[str, tuple[Member, Task]]:
        return {member.name: (member, task) for member, task in self._arrangement.instances()}

    def _forget(self, names: Collection[str]) -> bool:
        """Remove instances that should be gone once none of them runs; True when done."""
        instances = self._supervisor.course.instances
        if any(instances[name].phase in RUNNING for name in names if name in instances):
            return False
        for name in names:
            if name in instances:
                self._supervisor.remove(name)
        return True

    # scale

    def _scale(self, request: ChangeRequest) -> None:
        name, count = request.args["service"], request.args["count"]
        service = self._arrangement.fleet.by_name.get(name)
        if service is None:
            hint = nearest(name, self._arrangement.fleet.by_name)
            request.report(f"expected a service of the fleet, got {name!r}{hint}")
            request.end(ABSENT)
            return
        why = self._arrangement.must_be_one(service)
        if why is None and count > 1 and service.has_http_port and not self._in_process:
            why = f"its http is at {service.http} alone"
        if why is not None:
            request.report(f"{name} has one instance: {why}")
            request.end(FAILED)
            return
        if not self._begin(request):
            return
        new = self._arrangement.scaled(name, count)
        now = {member.name: (member, task) for member, task in new.instances()}
        course = self._supervisor.course
        fresh = [one for one in now if one not in course.instances]
        gone = [one for one in course.instances if one not in now and _is_of(one, name)]
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
            leave = partial(self._leave, request, gone, status)
            self._reconnect_others(now, but={*fresh, *gone}, then=leave)

        self._answers.when_settled(fresh, request.report, are_ready)

    # within

    def _leave(self, request: ChangeRequest, names: Collection[str], status: int) -> None:
        """Stop instances that have no callers any more, then answer the request."""
        self._supervisor.stop(names)

        def look() -> bool:
            if not self._forget(names):
                return False
            for name in names:
                request.report(f"{name} has stopped")
            self._end(request, status)
            return True

        self._supervisor.watch(look)

    def _begin(self, request: ChangeRequest) -> bool:
        if self._is_busy or self._supervisor.course.is_ending:
            why = "another change is under way" if self._is_busy else "the fleet is ending"
            request.report(why)
            request.end(FAILED)
            return False
        self._is_busy = True
        return True

    def _end(self, request: ChangeRequest, status: int, words: str = "") -> None:
        self._is_busy = False
        for line in words.split("\n") if words else ():
            request.report(line)
        request.end(status)

    def _reconnect_others(
        self,
        now: dict[str, tuple[Member, Task]],
        *,
        but: Collection[str],
        then: Callable[[], object] = lambda: None,
    ) -> None:
        """Send the instances that keep running their new connections.

        :param then: called when all have confirmed or ended, or after `CONFIRMING_S`
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
                number = supervisor.connect(runner, given, partial(_note_connected, pending))
                pending[number] = name, runner
        until = monotonic() + CONFIRMING_S
        supervisor.wake_at(until)

        def look() -> bool:
            left = [
                name for name, runner in pending.values() if supervisor.runners.get(name) is runner
            ]
            if left and monotonic() < until:
                return False
            for name in left:
                supervisor.report(f"{name}: it has not confirmed its new connections")
            then()
            return True

        supervisor.watch(look)


def _note_connected(pending: dict[int, tuple[str, Runner]], number: int) -> None:
    pending.pop(number, None)


def _is_of(name: str, service: str) -> bool:
    return name.partition("#")[0] == service
