"""What is to be done at a time; for one thread."""

from __future__ import annotations

import heapq
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Deadline:
    """Something that is to be done at a time, unless it is cancelled before.

    :ivar at: in seconds of `time.monotonic`
    """

    __slots__ = ("action", "at", "number")

    def __init__(self, at: float, number: int, action: Callable[[], None]) -> None:
        self.at = at
        self.number = number
        self.action: Callable[[], None] | None = action

    def __lt__(self, other: Deadline) -> bool:
        return (self.at, self.number) < (other.at, other.number)

    def cancel(self) -> None:
        """Have nothing done."""
        self.action = None


class Deadlines:
    """What is to be done, in the order of time."""

    def __init__(self) -> None:
        self._waiting: list[Deadline] = []
        self._numbers = count()

    def set(self, at: float, action: Callable[[], None]) -> Deadline:
        """Have something done at a time, in seconds of `time.monotonic`."""
        deadline = Deadline(at, next(self._numbers), action)
        heapq.heappush(self._waiting, deadline)
        return deadline

    @property
    def next_at(self) -> float | None:
        """When something is to be done next."""
        while self._waiting and self._waiting[0].action is None:
            heapq.heappop(self._waiting)
        return self._waiting[0].at if self._waiting else None

    def act(self, now: float) -> None:
        """Do what is due."""
        while (at := self.next_at) is not None and at <= now:
            action = heapq.heappop(self._waiting).action
            if action is not None:
                action()
