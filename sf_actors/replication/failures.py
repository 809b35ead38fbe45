"""Updates and snapshots that could not be applied, and when to ask again."""

from __future__ import annotations


class ApplyFailures:
    """Updates and snapshots that could not be applied since the value was last in step.

    The first failure leads to a snapshot. If the same number fails again after it, another one
    would not help: `error` is set, and only a higher number is a reason to ask again.

    :ivar needs_whole: deltas alone cannot repair the value
    :ivar error: why the replica cannot follow, or None
    """

    def __init__(self) -> None:
        self.needs_whole = False
        self.error: str | None = None
        self._failed: int | None = None
        self._is_retried = False
        self._refused_snapshots = self._useless_answers = 0
        self._hopeless_up_to: int | None = None

    def fail(self, number: int, head: int, problem: Exception) -> str:
        """Note that this update or snapshot cannot be applied; return the reason as text."""
        reason = f"number {number} cannot be applied: {problem}"
        if number == self._failed and self._is_retried:
            self.error = reason
            self._hopeless_up_to = max(number, head)
        self._failed = number
        self.needs_whole = True
        return reason

    def refuse(self, number: int, head: int, problem: Exception) -> str:
        """Note that a snapshot cannot be applied; return the reason as text."""
        self._refused_snapshots += 1
        reason = self.fail(number, head, problem)
        self.error = reason
        return reason

    def turn_down(self, problem: str) -> None:
        """Note a useless answer; after each the next request waits longer."""
        self._useless_answers += 1
        self.error = problem

    def retry(self, heard: int) -> None:
        """Note that a snapshot arrived; `heard` was the highest number when it was requested."""
        self._is_retried = self._failed is not None and heard >= self._failed

    def is_hopeless(self, head: int) -> bool:
        """Say whether asking again is of no use before a number above `head` is heard."""
        if self._hopeless_up_to is not None and head > self._hopeless_up_to:
            self._hopeless_up_to = None
        return self._hopeless_up_to is not None

    def pause_s(self, heartbeat_s: float) -> float:
        """Return the least wait before the next request; it grows with each useless answer."""
        # a value that fails the model will fail again: it waits longer than a passing error
        doublings = [min(self._refused_snapshots, 12) - 1, min(self._useless_answers, 12) - 5]
        counted = [self._refused_snapshots, self._useless_answers]
        pauses = [2.0**n for n, count in zip(doublings, counted, strict=True) if count]
        return heartbeat_s * max(pauses, default=0.0)

    def clear(self) -> None:
        """Forget all failures: the value is in step, or another epoch is followed."""
        self.needs_whole = False
        self.error = self._failed = self._hopeless_up_to = None
        self._is_retried = False
        self._refused_snapshots = self._useless_answers = 0
