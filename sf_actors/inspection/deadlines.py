"""Timed actions; one thread."""

from __future__ import annotations

import heapq
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Deadline:
    """An action at a time, unless it is cancelled before.

    :ivar at: the time, in seconds of `time.monotonic`
    """

    __slots__ = ("action", "at", "number")

    def __init__(self, at: float, number: int, action: Callable[[], None]) -> None:
        self.at = at
        self.number = number
        self.action: Callable[[], None] | None = action

    def __lt__(self, other: Deadline) -> bool:
        return (self.at, self.number) < (other.at, other.number)

    def cancel(self) -> None:
        """Cancel the action."""
        self.action = None


class Deadlines:
    """The pending actions, in the order of their times."""

    def __init__(self) -> None:
        self._waiting: list[Deadline] = []
        self._numbers = count()

    def set(self, at: float, action: Callable[[], None]) -> Deadline:
        """Schedule an action.

        :param at: in seconds of `time.monotonic`
        """
        deadline = Deadline(at, next(self._numbers), action)
        heapq.heappush(self._waiting, deadline)
        return deadline

    @property
    def next_at(self) -> float | None:
        """The time of the next action, None if there is none."""
        while self._waiting and self._waiting[0].action is None:
            heapq.heappop(self._waiting)
        return self._waiting[0].at if self._waiting else None

    def act(self, now: float) -> None:
        """Perform the actions that are due."""
        while (at := self.next_at) is not None and at <= now:
            action = heapq.heappop(self._waiting).action
            if action is not None:
                action()
