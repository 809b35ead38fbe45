"""What could not be applied, and what to do about it."""

from __future__ import annotations


class ApplyFailures:
    """Updates and snapshots that could not be applied, since the value was last in step.

    The first failure asks for a snapshot. If the same number fails again after one, asking on
    would not help: it is an error, and only a higher number is reason to ask again.

    :ivar needs_whole: deltas alone cannot repair the value
    :ivar error: why the replica cannot follow; None while there is hope
    """

    def __init__(self) -> None:
        self.needs_whole = False
        self.error: str | None = None
        self._failed: int | None = None
        self._is_retried = False
        self._refused_snapshots = self._useless_answers = 0
        self._hopeless_up_to: int | None = None

    def fail(self, number: int, head: int, problem: Exception) -> str:
        """Note that the update or the snapshot of this number cannot be applied; return why."""
        reason = f"number {number} cannot be applied: {problem}"
        if number == self._failed and self._is_retried:
            self.error = reason
            self._hopeless_up_to = max(number, head)
        self._failed = number
        self.needs_whole = True
        return reason

    def refuse(self, number: int, head: int, problem: Exception) -> str:
        """Note that a snapshot cannot be taken; return why."""
        self._refused_snapshots += 1
        reason = self.fail(number, head, problem)
        self.error = reason
        return reason

    def turn_down(self, problem: str) -> None:
        """Note an answer that is of no use: the next request waits longer after each."""
        self._useless_answers += 1
        self.error = problem

    def retry(self, heard: int) -> None:
        """Note that a snapshot has come, asked for when `heard` was the highest number heard."""
        self._is_retried = self._failed is not None and heard >= self._failed

    def is_hopeless(self, head: int) -> bool:
        """Say whether asking again is of no use before a number above `head` is heard."""
        if self._hopeless_up_to is not None and head > self._hopeless_up_to:
            self._hopeless_up_to = None
        return self._hopeless_up_to is not None

    def pause_s(self, heartbeat_s: float) -> float:
        """Return how long to wait at least before asking: longer for each useless answer."""
        # an error may have been an accident, a value that fails the model is none
        doublings = [min(self._refused_snapshots, 12) - 1, min(self._useless_answers, 12) - 5]
        counted = [self._refused_snapshots, self._useless_answers]
        pauses = [2.0**n for n, count in zip(doublings, counted, strict=True) if count]
        return heartbeat_s * max(pauses, default=0.0)

    def clear(self) -> None:
        """Forget it all: the value is in step, or another epoch is followed."""
        self.needs_whole = False
        self.error = self._failed = self._hopeless_up_to = None
        self._is_retried = False
        self._refused_snapshots = self._useless_answers = 0
