"""Counts updates and answers that were of no use, and decides when to ask again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sf_actors.replication.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence


class ApplyFailures:
    """The useless updates and answers since the value was last up to date.

    The first update that cannot be applied leads to a snapshot. If the same number fails again
    after it, another one would not help: `error` is set, and only a higher number is a reason to
    ask again.

    :ivar needs_whole: deltas alone cannot repair the value
    :ivar error: why the replica cannot follow, as kind and text, or None
    """

    def __init__(self) -> None:
        self.needs_whole = False
        self.error: tuple[Reason, str] | None = None
        self._failed: int | None = None
        self._held_at: int | None = None
        self._is_retried = False
        self._refused_snapshots = self._useless_answers = self._misleading_answers = 0

    def fail(self, number: int, head: int, problem: Exception) -> str:
        """Note that this update or snapshot cannot be applied; return the reason as text."""
        reason = f"number {number} cannot be applied: {problem}"
        if number == self._failed and self._is_retried:
            self.error = Reason.INVALID, reason
            self._held_at = max(number, head)
        self._failed = number
        self.needs_whole = True
        return reason

    def refuse(self, number: int, head: int, problem: Exception) -> str:
        """Note that a snapshot cannot be applied; return the reason as text."""
        self._refused_snapshots += 1
        reason = self.fail(number, head, problem)
        self.error = Reason.INVALID, reason
        return reason

    def lack(self, fields: Sequence[str]) -> str:
        """Note that the publisher's model lacks required fields; return the reason as text."""
        self._refused_snapshots += 1
        names = ", ".join(repr(name) for name in fields[:5])
        reason = f"the publisher's model lacks what is required here: {names}"
        self.error = Reason.LACKING, reason
        return reason

    def turn_down(self, problem: str) -> None:
        """Note a useless answer; after each the next request waits longer."""
        self._useless_answers += 1
        self.error = Reason.REFUSED, problem

    def mislead(self, epoch: int | None, followed: object) -> None:
        """Note an answer of another epoch than the updates; the first may just be ahead of them."""
        self._misleading_answers += 1
        if self._misleading_answers > 1:
            problem = (
                f"the answers come from another publisher than the updates: epoch {epoch} "
                f"answers for {followed}"
            )
            self.error = Reason.OTHER_ANSWERS, problem

    def retry(self, heard: int) -> None:
        """Note that a snapshot arrived; `heard` was the highest number when it was requested."""
        self._is_retried = self._failed is not None and heard >= self._failed

    def is_hopeless(self, head: int) -> bool:
        """Return True if asking again is useless until a number above `head` is heard."""
        if self._held_at is not None and head > self._held_at:
            self._held_at = None
        return self._held_at is not None

    def pause_s(self, heartbeat_s: float) -> float:
        """Return the least wait before the next request; it grows with each useless answer."""
        # a value that fails the model will fail again: it waits longer than a passing error
        # an answer for another publisher may not come from the same peer again
        counted = (
            (self._refused_snapshots, 12, 1),
            (self._useless_answers, 12, 5),
            (self._misleading_answers, 5, 5),
        )
        pauses = [2.0 ** (min(count, most) - one) for count, most, one in counted if count]
        return heartbeat_s * max(pauses, default=0.0)

    def clear(self) -> None:
        """Forget all failures: the value is up to date, or another epoch is followed."""
        self.needs_whole = False
        self.error = self._failed = self._held_at = None
        self._is_retried = False
        self._refused_snapshots = self._useless_answers = self._misleading_answers = 0
