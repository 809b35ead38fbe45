"""What happens in one process, for those in others that ask what is new; any thread."""

from __future__ import annotations

import threading
from collections import deque
from itertools import islice
from math import inf
from time import monotonic, time_ns
from typing import Any, Final, NamedTuple

#: Events that are kept for who has not asked yet, and their bytes.
MOST: Final = 20_000
MOST_BYTES: Final = 64 * 1024 * 1024

#: How many are given at once.
_PIECE: Final = 1000


class News(NamedTuple):
    """What is new.

    :ivar last: what to ask with the next time
    :ivar dropped: how many were dropped before they were asked for
    :ivar since: what tells these events from those of an earlier process
    """

    last: int
    events: list[Any]
    dropped: int = 0
    since: int = 0


class Events:
    """A numbered, bounded list of events; who asks waits until there are some."""

    def __init__(self, most: int = MOST, most_bytes: int = MOST_BYTES) -> None:
        self._kept: deque[tuple[Any, int]] = deque()
        self._most, self._most_bytes = most, most_bytes
        self._bytes = 0
        self._count = 0
        self._since = time_ns()
        #: how many were asked for, and have arrived
        self.seen = 0
        self._readers = 0
        self._read_at = -inf
        self._changed = threading.Condition()

    @property
    def count(self) -> int:
        """How many there were."""
        return self._count

    def add(self, event: Any, size: int = 0) -> None:
        """Add one, of so many bytes; the oldest go where there are too many."""
        with self._changed:
            self._kept.append((event, size))
            self._bytes += size
            self._count += 1
            while len(self._kept) > self._most or self._bytes > self._most_bytes:
                self._bytes -= self._kept.popleft()[1]
            self._changed.notify_all()

    def after(self, last: int, wait_s: float) -> News:
        """Return what came after the first `last` ones, as soon as there is something.

        :param wait_s: how long to wait for it, in seconds
        """
        with self._changed:
            if self.seen < last <= self._count:
                self.seen = last
                self._changed.notify_all()
            self._readers += 1
            self._changed.wait_for(lambda: self._count != last, wait_s)
            self._readers -= 1
            self._read_at = monotonic()
            first = self._count - len(self._kept)
            if last > self._count:
                # they were another process's
                return News(0, [], 0, self._since)
            begin = max(last, first)
            kept = islice(self._kept, begin - first, begin - first + _PIECE)
            events = [event for event, _ in kept]
            return News(begin + len(events), events, begin - last, self._since)

    def wait_seen(self, wait_s: float) -> bool:
        """Wait until all that there is has arrived at who asks, if somebody does."""
        with self._changed:
            is_read = self._readers or monotonic() - self._read_at < wait_s
            return bool(is_read) and self._changed.wait_for(
                lambda: self.seen >= self._count, wait_s
            )
