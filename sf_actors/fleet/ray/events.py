"""A log of the events in one process, which other processes read; any thread."""

from __future__ import annotations

import threading
from collections import deque
from itertools import islice
from math import inf
from time import monotonic, time_ns
from typing import Any, Final, NamedTuple

#: How many events, and how many bytes of them, are kept for readers.
MOST: Final = 20_000
MOST_BYTES: Final = 64 * 1024 * 1024

#: How many events one answer holds at most.
_PIECE: Final = 1000


class EventBatch(NamedTuple):
    """A batch of new events.

    :ivar last: the argument for the next call
    :ivar dropped: how many events were dropped unread
    :ivar since: identifies the process, whose numbering starts at 0
    """

    last: int
    events: list[Any]
    dropped: int = 0
    since: int = 0


class Events:
    """A numbered, bounded list of events; readers wait for new ones."""

    def __init__(self, most: int = MOST, most_bytes: int = MOST_BYTES) -> None:
        self._kept: deque[tuple[Any, int]] = deque()
        self._most, self._most_bytes = most, most_bytes
        self._bytes = 0
        self._count = 0
        self._since = time_ns()
        #: how many events the readers have confirmed
        self.seen = 0
        self._readers = 0
        self._read_at = -inf
        #: nobody wants any more
        self._is_unwanted = False
        self._changed = threading.Condition()

    @property
    def count(self) -> int:
        """How many events there have been."""
        return self._count

    def add(self, event: Any, size: int = 0) -> None:
        """Add an event of `size` bytes; drops the oldest if there are too many."""
        with self._changed:
            self._kept.append((event, size))
            self._bytes += size
            self._count += 1
            while len(self._kept) > self._most or self._bytes > self._most_bytes:
                self._bytes -= self._kept.popleft()[1]
            self._changed.notify_all()

    def after(self, last: int, wait_s: float) -> EventBatch:
        """Return the events after the first `last`, waiting for one if there is none.

        :param last: confirms the events up to this number
        :param wait_s: how long to wait, in seconds
        """
        with self._changed:
            if self.seen < last <= self._count:
                self.seen = last
                self._changed.notify_all()
            self._readers += 1
            self._changed.wait_for(lambda: self._count != last or self._is_unwanted, wait_s)
            self._readers -= 1
            self._read_at = monotonic()
            first = self._count - len(self._kept)
            if last > self._count:
                # the reader counts the events of an earlier process: start again
                return EventBatch(0, [], 0, self._since)
            begin = max(last, first)
            kept = islice(self._kept, begin - first, begin - first + _PIECE)
            events = [event for event, _ in kept]
            return EventBatch(begin + len(events), events, begin - last, self._since)

    def dismiss(self) -> None:
        """Answer at once from now on: nobody wants more, and no end waits until it is seen."""
        with self._changed:
            self._is_unwanted = True
            self._changed.notify_all()

    def wait_seen(self, wait_s: float) -> bool:
        """Wait until a reader, if there is one, has confirmed all events; True if it has."""
        with self._changed:
            is_read = self._readers or monotonic() - self._read_at < wait_s
            return bool(is_read and not self._is_unwanted) and self._changed.wait_for(
                lambda: self.seen >= self._count, wait_s
            )
