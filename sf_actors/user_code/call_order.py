"""Decides which waiting calls may run now, if several may run at once.

Calls with equal keys form a line: they run one at a time, in the order of arrival. Calls of
different lines, and calls without a key, may run at the same time. The call that was ready first
runs first. The next call of a line becomes ready when the one before is over, behind the calls that
are ready by then: so a long line does not hold up others.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

C = TypeVar("C")


class _NoKey:
    """The key of calls that need not stay in order."""


NO_KEY: Final[Hashable] = _NoKey()


class CallOrder(Generic[C]):
    """The waiting calls of one model, and the number of running ones; for one thread at a time."""

    def __init__(self) -> None:
        #: the calls that may run now
        self._ready: deque[tuple[C, Hashable]] = deque()
        #: by each key with a ready or running call, the calls behind it, in order
        self._lines: dict[Hashable, deque[C]] = {}
        self._waiting = 0
        #: number of calls that run
        self.running = 0

    def __len__(self) -> int:
        return self._waiting

    def __iter__(self) -> Iterator[C]:
        yield from (call for call, _ in self._ready)
        for line in self._lines.values():
            yield from line

    def add(self, call: C, key: Hashable = NO_KEY) -> bool:
        """Add a call.

        :returns: True if it may run now
        """
        self._waiting += 1
        if key is not NO_KEY:
            line = self._lines.get(key)
            if line is not None:
                line.append(call)
                return False
            self._lines[key] = deque()
        self._ready.append((call, key))
        return True

    def take(self) -> tuple[C, Hashable] | None:
        """Return the next call that may run, and its key for `end`; it now counts as running.

        :returns: None if none may run
        """
        if not self._ready:
            return None
        self._waiting -= 1
        self.running += 1
        return self._ready.popleft()

    def end(self, key: Hashable) -> None:
        """Note that a call with this key is over; the next of its line may run."""
        self.running -= 1
        if key is NO_KEY:
            return
        line = self._lines[key]
        if line:
            self._ready.append((line.popleft(), key))
        else:
            del self._lines[key]

    def take_all(self) -> list[C]:
        """Remove and return all waiting calls; the running ones still have to end."""
        waiting = list(self)
        for _, key in self._ready:
            self._lines.pop(key, None)
        for line in self._lines.values():
            line.clear()
        self._ready.clear()
        self._waiting = 0
        return waiting
