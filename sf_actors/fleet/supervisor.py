"""The supervisor of a fleet: starts its instances, notices their ends, and restarts them.

One thread waits for signals, ends of processes, messages, output and requests at the same time.
"""

from __future__ import annotations

import signal
import socket
from collections import deque
from contextlib import nullcontext, suppress
from itertools import count
from selectors import EVENT_READ, DefaultSelector
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from sf_actors.fleet.actions import Action, Finish, Kill, Say, Signal, Start
from sf_actors.fleet.course import Course
from sf_actors.fleet.extra_runs import ExtraRuns
from sf_actors.fleet.instance import RUNNING, InstancePhase
from sf_actors.fleet.instance_log import InstanceLog
from sf_actors.fleet.signals import taken
from sf_actors.sync.seconds import LONGEST_POLL_MS
from sf_actors.wording import reason_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from pathlib import Path
    from types import FrameType

    from sf_actors.fleet.instance import Member
    from sf_actors.fleet.runner import Runner
    from sf_actors.fleet.task import Task

#: How long after a start it is shown what instances still wait for, in seconds.
REPORTING_S: Final = 2.0

#: The status of an instance whose process could not be started.
_NOT_STARTED: Final = 127


class Supervisor:
    """Runs the instances of one fleet.

    :param instances: the rules and the task of each instance
    :param folder: the fleet's folder, which gets the log files
    :param show: takes the name of an instance and one of its lines
    :param report: shows a text of our own
    :param runner: starts an instance: `Child`, or a callable with the same arguments
    """

    def __init__(
        self,
        instances: Iterable[tuple[Member, Task]],
        folder: Path,
        *,
        show: Callable[[str, dict[str, Any]], None],
        report: Callable[[str], None],
        runner: Callable[..., Runner],
    ) -> None:
        self._folder = folder
        self._show, self.report, self._runner = show, report, runner
        self.selector = DefaultSelector()
        self._posted: deque[Callable[[], None]] = deque()
        self._waking, self._woken = socket.socketpair()
        self.tasks: dict[str, Task] = {}
        self.course = Course([])
        self.runners: dict[str, Runner] = {}
        self._logs: dict[str, InstanceLog] = {}
        self._actions: deque[Action] = deque()
        self._signals: list[int] = []
        self._status: int | None = None
        #: by instance: the stamps of its files, by path, when it last became READY
        self.files: dict[str, dict[str, str]] = {}
        self.extra_runs = ExtraRuns(report)
        self._finish: Finish | None = None
        self._report_at: float | None = None
        self._wakes: list[float] = []
        self._connecting: dict[int, Callable[[int], None]] = {}
        self._numbers = count()
        #: called with the fleet's exit status when nothing runs any more, before the selector ends
        self.on_over: list[Callable[[int], None]] = []
        #: called after each change, until they return True
        self._watchers: list[Callable[[], bool]] = []
        for member, task in instances:
            self.add(member, task)

    # called by others

    def add(self, member: Member, task: Task) -> None:
        """Add an instance, or replace the rules and the task of one from its next run on.

        :raises UsageError: its log file cannot be written
        """
        if member.name in self._logs:
            self._logs[member.name].follow(task.service)
        else:
            self._logs[member.name] = InstanceLog(
                member.name, task.service, self._folder, self._show
            )
        self.tasks[member.name] = task
        self.course.add(member)

    def remove(self, name: str) -> None:
        """Remove an instance that does not run."""
        self.course.remove(name)
        del self.tasks[name]
        self.files.pop(name, None)
        self._logs.pop(name).close()

    def post(self, call: Callable[[], None]) -> None:
        """Have the supervisor's thread call a function; any thread."""
        self._posted.append(call)
        with suppress(OSError):
            # full, so it is awake anyway, or closed at the end
            self._waking.send(b"\0")

    def watch(self, watcher: Callable[[], bool]) -> None:
        """Call a function after each change, until it returns True."""
        self._watchers.append(watcher)

    def wake_at(self, when: float) -> None:
        """Have the watchers called at a time of the monotonic clock at the latest."""
        self._wakes.append(when)

    def connect(
        self, runner: Runner, given: tuple[object, ...], done: Callable[[int], None]
    ) -> int:
        """Have a model of an instance connect to other addresses.

        :param given: the arguments of `Service.connect`
        :param done: called with the returned number when it has done so
        """
        number = next(self._numbers)
        self._connecting[number] = done
        runner.send({"connect": list(given), "id": number})
        return number

    def start(self, names: Collection[str]) -> None:
        """Start instances, and the services that they come `after`."""
        now = monotonic()
        self._report_at = now + REPORTING_S
        self.do(self.course.start(names, now))

    def stop(self, names: Collection[str], *, runs_again: bool = False) -> None:
        """Stop instances; they stay stopped unless `runs_again`."""
        self.do(self.course.stop(names, monotonic(), runs_again=runs_again))

    def end(self, number: int = signal.SIGTERM, *, status: int = 0) -> None:
        """End the fleet, unless it is already ending.

        :param status: the fleet's exit status if all ends well
        """
        self.do(self.course.end(number, monotonic(), status=status))

    def do(self, actions: Iterable[Action]) -> None:
        """Queue actions of the course; they are performed after this returns."""
        self._actions.extend(actions)

    def start_beside(self, task: Task) -> Runner:
        """Start a successor beside a running instance; it replaces that one at `take_over`.

        :raises OSError: it cannot be started
        """
        runner = self._run_task(task)
        self.extra_runs.add(runner)
        return runner

    def take_over(self, runner: Runner) -> Runner | None:
        """Make a READY successor the current run; returns the old one, which is now beside it."""
        name = runner.task.name
        old = self.runners.get(name)
        self.extra_runs.remove(runner)
        self.runners[name], self.tasks[name] = runner, runner.task
        self.course.take_over(name, monotonic())
        if old is not None:
            self.extra_runs.add(old)
        return old

    def rows(self) -> list[dict[str, Any]]:
        """Return the status of each instance, for `ps`."""
        now = monotonic()
        rows = []
        for name, instance in self.course.instances.items():
            runner = self.runners.get(name)
            rows.append(
                {
                    "service": name,
                    "phase": instance.phase.value,
                    "reason": None
                    if instance.phase in RUNNING
                    else self.course.reason_of(name, now),
                    "pid": None if runner is None else runner.pid,
                }
            )
        return rows

    @property
    def has_left_behind(self) -> bool:
        """True if something still ran when the fleet had ended."""
        return bool(self.runners) or bool(self.extra_runs) or self.had_to_kill

    @property
    def had_to_kill(self) -> bool:
        """True if something exceeded its deadline at the end, or was not waited for."""
        is_at_once = self._finish is not None and self._finish.is_at_once
        return is_at_once or self.course.had_to_kill or self.extra_runs.had_to_kill

    def take_line(self, name: str, stream: str, text: str, is_shown: bool) -> None:
        """Log a line that an instance in this process has printed; one call at a time."""
        if name in self._logs:
            self._logs[name].take(
                stream, text.encode("utf-8", "backslashreplace"), is_shown=is_shown
            )

    # the loop

    def run(self, *, takes_signals: bool = True) -> int:
        """Run until the fleet has ended; in the main thread, unless `takes_signals` is False.

        :returns: the fleet's exit status
        """
        theirs, ours = self._waking, self._woken
        theirs.setblocking(False)
        ours.setblocking(False)
        self.selector.register(ours, EVENT_READ, lambda: ours.recv(4096))
        try:
            with taken(theirs.fileno(), self._note_signal) if takes_signals else nullcontext():
                try:
                    return self._loop()
                finally:
                    self._leave()
        finally:
            theirs.close()
            ours.close()

    def _leave(self) -> None:
        left = [*self.runners.values(), *self.extra_runs.take_all()]
        for runner in left:
            runner.kill()
        for runner in left:
            runner.abandon()
        for call in self.on_over:
            call(1 if self._status is None else self._status)
        self.selector.close()
        for log in self._logs.values():
            log.close()

    def take_signal(self, number: int) -> None:
        """End the fleet because of a signal; at the second one, at once."""
        if self._finish is None:
            self.do(self.course.take_signal(number, monotonic()))
        else:
            # only runs beside the current ones are left
            self._finish = Finish(128 + number, is_at_once=True)
            self._finish_when_alone()

    def _note_signal(self, number: int, _frame: FrameType | None) -> None:
        self._signals.append(number)

    def _loop(self) -> int:
        while True:
            self._act()
            if self._status is not None:
                return self._status
            for key, _ in self.selector.select(self._patience()):
                if key.fileobj in self.selector.get_map():
                    key.data()
            self._pass_time()

    def _patience(self) -> float | None:
        if self._signals or self._posted:
            return 0.0
        dues = (self.course.next_due(), self.extra_runs.next_due(), self._report_at)
        due = [one for one in dues if one is not None] + self._wakes
        return min(max(0.0, min(due) - monotonic()), LONGEST_POLL_MS // 1000) if due else None

    def _pass_time(self) -> None:
        now = monotonic()
        self.do(self.course.pass_time(now))
        self.extra_runs.pass_time(now)
        self._wakes = [one for one in self._wakes if one > now]
        if self._report_at is not None and now >= self._report_at:
            self._report_at = None
            self._report_what_waits(now)

    def _report_what_waits(self, now: float) -> None:
        if self.course.is_ending:
            return
        for name, instance in self.course.instances.items():
            if instance.phase is InstancePhase.WAITS:
                self.report(f"{name}: {self.course.reason_of(name, now)}")
            elif instance.phase is InstancePhase.STARTS:
                self.report(f"{name}: not READY yet: it is starting")

    def _act(self) -> None:
        """Perform all queued work; signals come before other work."""
        while True:
            while self._signals:
                self.take_signal(self._signals.pop(0))
            while self._posted:
                self._posted.popleft()()
            if self.course.is_ending:
                self.extra_runs.stop_all(monotonic())
            if not self._actions:
                watchers, self._watchers = self._watchers, []
                kept = [one for one in watchers if not one()]
                has_more = bool(self._watchers)
                self._watchers += kept
                if not self._actions and not has_more:
                    return
                continue
            self._do(self._actions.popleft())
            if self._status is not None:
                # for watchers whose condition the end has fulfilled
                for watcher in self._watchers:
                    watcher()
                return

    def _finish_when_alone(self) -> None:
        """End the loop if the course is over and nothing runs beside it, or at a second signal."""
        finish = self._finish
        if finish is not None and (finish.is_at_once or not self.extra_runs):
            self._status = finish.status or int(self.had_to_kill)
            self._print_failures()

    def _do(self, action: Action) -> None:
        if isinstance(action, Say):
            self.report(f"{action.name}: {action.text}")
            if action.is_bad:
                # a fleet in the background shows its texts to nobody
                self._logs[action.name].note(action.text)
        elif isinstance(action, Start):
            self._start(action.name)
        elif isinstance(action, Finish):
            self._finish = action
            self._finish_when_alone()
        elif action.name in self.runners:
            runner = self.runners[action.name]
            if isinstance(action, Signal):
                runner.signal(action.number)
            elif isinstance(action, Kill):
                runner.kill()

    def _start(self, name: str) -> None:
        try:
            self.runners[name] = self._run_task(self.tasks[name])
        except OSError as error:
            self.report(f"{name}: it cannot be started: {reason_of(error)}")
            self.do(self.course.ended(name, _NOT_STARTED, monotonic()))

    def _run_task(self, task: Task) -> Runner:
        return self._runner(
            task,
            self.selector,
            on_message=self.take_message,
            on_line=self._logs[task.name].take,
            on_end=self._take_end,
        )

    def take_message(self, runner: Runner, message: dict[str, Any]) -> None:
        """Handle a message of a child."""
        name = runner.task.name
        if "ready" in message:
            self.files[name] = message.get("files", {})
        if "ready" in message and runner in self.extra_runs:
            self.extra_runs.note_ready(runner)
        elif "ready" in message and self.runners.get(name) is runner:
            self.do(self.course.ready(name, monotonic()))
        if "connected" in message:
            if message["error"]:
                self.report(f"{name}: it cannot connect elsewhere: {message['error']}")
            done = self._connecting.pop(message["connected"], None)
            if done is not None:
                done(message["connected"])

    def _take_end(self, runner: Runner, status: int) -> None:
        name = runner.task.name
        if runner in self.extra_runs:
            self.extra_runs.remove(runner)
            self._finish_when_alone()
        elif self.runners.get(name) is runner:
            del self.runners[name]
            self.do(self.course.ended(name, status, monotonic()))

    def _print_failures(self) -> None:
        """Show why instances have failed, and their last lines."""
        for name, instance in self.course.instances.items():
            if instance.phase is not InstancePhase.FAILED:
                continue
            self.report(f"{name} failed: {instance.reason}")
            for line in self._logs[name].last:
                text = f"{line['level']}: {line['event']}"
                if line.get("exception"):
                    text += f"\n{line['exception']}"
                for part in text.split("\n"):
                    self.report(f"  {name} | {part}")
