"""Which of the calls that wait may run now, where several may run at once.

Calls with equal keys form a line: one of them at a time, in the order in which they came. Of the
first ones of all lines, and of the calls without a key, any number may run. The one that was ready
first goes first; the next of a line is ready when the one before is over, and so stands behind
those that were ready by then: a long line holds up no other.
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
    """The calls of one model that wait, and how many of them run; for one thread at a time."""

    def __init__(self) -> None:
        #: those that may run now
        self._ready: deque[tuple[C, Hashable]] = deque()
        #: behind each key of which a call is ready or runs: the others, in order
        self._lines: dict[Hashable, deque[C]] = {}
        self._waiting = 0
        #: how many run
        self.running = 0

    def __len__(self) -> int:
        return self._waiting

    def __iter__(self) -> Iterator[C]:
        yield from (call for call, _ in self._ready)
        for line in self._lines.values():
            yield from line

    def add(self, call: C, key: Hashable = NO_KEY) -> bool:
        """Let a call wait.

        :returns: whether it may run now
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
        """Return the next call that may run, with its key, which `end` gets; it runs from now on.

        :returns: None if none may
        """
        if not self._ready:
            return None
        self._waiting -= 1
        self.running += 1
        return self._ready.popleft()

    def end(self, key: Hashable) -> None:
        """Take that a call with this key is over: the next of its line may run."""
        self.running -= 1
        if key is NO_KEY:
            return
        line = self._lines[key]
        if line:
            self._ready.append((line.popleft(), key))
        else:
            del self._lines[key]

    def take_all(self) -> list[C]:
        """Return all that wait, and forget them; what runs is still to end."""
        waiting = list(self)
        for _, key in self._ready:
            self._lines.pop(key, None)
        for line in self._lines.values():
            line.clear()
        self._ready.clear()
        self._waiting = 0
        return waiting
