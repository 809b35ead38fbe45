"""Extra runs of instances in a rolling restart: successors that start, predecessors that end.

It has no clock: callers pass the time, in seconds. One thread.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Final

from sf_actors.fleet.course import GRACE_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from sf_actors.fleet.runner import Runner

#: When one that was killed is due: there is nothing more to do.
_KILLED: Final = float("inf")


class ExtraRuns:
    """The runs beside the current ones.

    :param report: shows a text to the user
    :ivar had_to_kill: True once one has exceeded its deadline
    """

    def __init__(self, report: Callable[[str], None]) -> None:
        self.had_to_kill = False
        self._report = report
        #: each run, and when it will be killed; None until it is asked to stop
        self._due: dict[Runner, float | None] = {}
        self._ready: set[Runner] = set()

    def __contains__(self, runner: Runner) -> bool:
        return runner in self._due

    def __bool__(self) -> bool:
        return bool(self._due)

    def add(self, runner: Runner) -> None:
        """Add a run."""
        self._due[runner] = None

    def note_ready(self, runner: Runner) -> None:
        """Note that a run is READY."""
        self._ready.add(runner)

    def is_ready(self, runner: Runner) -> bool:
        """Return True if a run has reported READY."""
        return runner in self._ready

    def remove(self, runner: Runner) -> None:
        """Remove a run that has ended or has become the current one."""
        self._due.pop(runner, None)
        self._ready.discard(runner)

    def take_all(self) -> list[Runner]:
        """Remove all, and return them."""
        left = list(self._due)
        self._due.clear()
        return left

    def stop(self, runner: Runner, now: float) -> None:
        """Ask a run to stop, and set its deadline; no effect the second time."""
        if self._due.get(runner, 0.0) is None:
            self._due[runner] = now + runner.task.service.stop_timeout_s + GRACE_S
            runner.signal(signal.SIGTERM)

    def stop_all(self, now: float) -> None:
        """Ask all runs to stop."""
        for runner in list(self._due):
            self.stop(runner, now)

    def next_due(self) -> float | None:
        """Return the time at which `pass_time` must be called, None if there is none."""
        dues = (due for due in self._due.values() if due is not None and due < _KILLED)
        return min(dues, default=None)

    def pass_time(self, now: float) -> None:
        """Kill the runs that have exceeded their deadline."""
        for runner, due in self._due.items():
            if due is not None and due <= now:
                self._due[runner] = _KILLED
                self.had_to_kill = True
                allowed_s = runner.task.service.stop_timeout_s + GRACE_S
                self._report(
                    f"{runner.task.name}: one beside it has not ended within {allowed_s:g} s: "
                    "killed"
                )
                runner.kill()
