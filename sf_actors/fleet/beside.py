"""Runs of instances beside those that count: successors that start, and predecessors that end.

Without a clock: it is told the time, in seconds. One thread.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from sf_actors.fleet.course import GRACE_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from sf_actors.fleet.runner import Runner


class Beside:
    """What runs beside.

    :param tell: takes words
    :ivar had_to_kill: whether one ran over its deadline
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.had_to_kill = False
        self._tell = tell
        #: each one, and when it is killed: None as long as it is not to end
        self._due: dict[Runner, float | None] = {}
        self._ready: set[Runner] = set()

    def __contains__(self, runner: Runner) -> bool:
        return runner in self._due

    def __bool__(self) -> bool:
        return bool(self._due)

    def add(self, runner: Runner) -> None:
        """Take in one that runs."""
        self._due[runner] = None

    def note_ready(self, runner: Runner) -> None:
        """Take that one is READY."""
        self._ready.add(runner)

    def is_ready(self, runner: Runner) -> bool:
        """Return whether one has said that it is READY."""
        return runner in self._ready

    def remove(self, runner: Runner) -> None:
        """Take that one has ended, or counts from now on."""
        self._due.pop(runner, None)
        self._ready.discard(runner)

    def take_all(self) -> list[Runner]:
        """Remove all, and return them."""
        left = list(self._due)
        self._due.clear()
        return left

    def stop(self, runner: Runner, now: float) -> None:
        """Let one end gracefully, within its deadline; a second time it changes nothing."""
        if self._due.get(runner, 0.0) is None:
            self._due[runner] = now + runner.task.service.stop_timeout_s + GRACE_S
            runner.signal(signal.SIGTERM)

    def stop_all(self, now: float) -> None:
        """Let all end."""
        for runner in list(self._due):
            self.stop(runner, now)

    def next_due(self) -> float | None:
        """Return when `pass_time` is to be called at the latest."""
        return min((due for due in self._due.values() if due is not None), default=None)

    def pass_time(self, now: float) -> None:
        """Kill what has not ended in time."""
        for runner, due in self._due.items():
            if due is not None and due <= now:
                self._due[runner] = float("inf")
                self.had_to_kill = True
                allowed_s = runner.task.service.stop_timeout_s + GRACE_S
                self._tell(
                    f"{runner.task.name}: one beside it has not ended within {allowed_s:g} s: "
                    "killed"
                )
                runner.kill()
