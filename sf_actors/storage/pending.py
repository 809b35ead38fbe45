"""Queues the updates to write; if there are too many, the value is written whole instead.

They are packed at once. Keeping them unpacked for the writing thread would cost the publishing
thread more: memory that is not reused at once, and objects that the garbage collector visits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from sf_actors.storage.layout import CHUNK_BYTES, ROW_BYTES
from sf_actors.sync.event import LightEvent
from sf_actors.wire.envelope import encode_into

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sf_actors.wire.messages import Cut

MOST_BYTES: Final = 8 * 1024 * 1024
"""Most bytes of waiting updates, not counting a whole value."""


class Large(NamedTuple):
    """A whole value that is too large for the log.

    :ivar last: the count of its update
    :ivar content: the packed value, if there are cuts
    :ivar cuts: its runs; without them the current value must be packed
    """

    last: int
    number: int
    content: bytes
    cuts: list[Cut] | None


class Packed(NamedTuple):
    """Packed updates that become one row of the log.

    :ivar body: the packed updates, one after the other
    :ivar updates: their number
    :ivar last: the count of the last one
    """

    body: bytearray
    updates: int
    last: int


class Batch(NamedTuple):
    """Updates that were taken to be written.

    :ivar large: a large value that precedes all updates in `rows`
    :ivar rows: the updates; none if they were left out
    :ivar first: the count of the first update, including those that a whole value replaced
    :ivar last: the count of the last update
    :ivar has_left_out: updates are missing, so the value must be written whole
    """

    large: Large | None
    rows: list[Packed]
    first: int
    last: int
    has_left_out: bool


class Pending:
    """The updates that wait to be written.

    The publishing threads call `append`, the writer calls all else, each holding the state's lock.

    :param count: the number of updates of earlier runs
    """

    __slots__ = (
        "_buffer",
        "_buffered",
        "_bytes",
        "_is_idle",
        "_large",
        "_rows",
        "_waking",
        "count",
        "has_left_out",
        "taken",
    )

    def __init__(self, count: int) -> None:
        #: the number of updates of all runs
        self.count = count
        #: the number of those that the writer has taken
        self.taken = count
        #: set if updates are missing, until the value is taken whole
        self.has_left_out = False
        self._clear()
        self._is_idle = False
        self._waking = LightEvent()

    def _clear(self) -> None:
        self._large: Large | None = None
        self._rows: list[Packed] = []
        #: bytes of the full rows
        self._bytes = 0
        #: the row that is not full yet, and its number of updates
        self._buffer = bytearray()
        self._buffered = 0

    def append(
        self,
        number: int,
        is_whole: bool,
        content: bytes | Mapping[str, object],
        cuts: list[Cut] | None = None,
    ) -> None:
        """Add an update to write; HOT, with the state's lock held.

        :param number: the state's own number
        :param is_whole: it replaces the value
        :param content: the content of `state` on the wire, packed or not
        :param cuts: the runs of a large update
        :raises InvalidArguments: it cannot be packed, so it cannot have been sent
        """
        self.count += 1
        if not self.has_left_out:
            if is_whole:
                # earlier updates no longer matter
                self._clear()
            if is_whole and cuts and type(content) is bytes:
                self._large = Large(self.count, number, content, cuts)
            else:
                buffer = self._buffer
                # packed content becomes bytes in the row, which saves an object around it
                encode_into((number, is_whole, content, cuts), buffer)
                self._buffered += 1
                if len(buffer) >= ROW_BYTES:
                    self._end_row(number, is_whole)
        if self._is_idle:
            self._is_idle = False
            self._waking.set()

    def _end_row(self, number: int, is_whole: bool) -> None:
        if is_whole and len(self._buffer) > CHUNK_BYTES:
            self._clear()
            self._large = Large(self.count, number, b"", None)
            return
        self._rows.append(Packed(self._buffer, self._buffered, self.count))
        self._bytes += len(self._buffer)
        self._buffer = bytearray()
        self._buffered = 0
        if self._bytes > MOST_BYTES:
            self.leave_out()

    def leave_out(self) -> None:
        """Drop the waiting updates; the value must be written whole."""
        self._clear()
        self.has_left_out = True

    def take(self) -> Batch:
        """Remove and return the waiting updates."""
        if self._buffered:
            self._rows.append(Packed(self._buffer, self._buffered, self.count))
        first, self.taken = self.taken + 1, self.count
        batch = Batch(self._large, self._rows, first, self.count, self.has_left_out)
        self._clear()
        return batch

    def take_whole(self) -> None:
        """Note that the current value was taken whole, so that later updates are kept again."""
        self._clear()
        self.has_left_out = False
        self.taken = self.count

    def is_empty(self) -> bool:
        """Return True if no update waits; the next one then ends `wait`."""
        if self.taken < self.count or self.has_left_out:
            return False
        self._is_idle = True
        return True

    def wait(self, timeout_s: float | None) -> None:
        """Wait for the first update after `is_empty`, or for `wake`; without the lock."""
        self._waking.wait(timeout_s)
        self._waking.clear()

    def wake(self) -> None:
        """Let `wait` return; any thread, without the lock."""
        self._waking.set()
