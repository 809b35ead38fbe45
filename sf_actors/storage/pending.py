"""The updates that wait to be written; if they are too many, the value is written whole.

They are packed at once. To keep the updates instead, and pack them in the thread that writes, costs
the publishing thread more: memory that is not used again at once, and what the garbage collector
looks at.
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
"""Most bytes that wait, beside a whole value."""


class Large(NamedTuple):
    """A whole value that is too large for the log.

    :ivar last: its count
    :ivar content: packed, if there are cuts
    :ivar cuts: its runs; without them the value has to be packed anew
    """

    last: int
    number: int
    content: bytes
    cuts: list[Cut] | None


class Packed(NamedTuple):
    """Updates that become a row of the log.

    :ivar body: packed one after the other
    :ivar updates: how many they are
    :ivar last: the count of the last one
    """

    body: bytearray
    updates: int
    last: int


class Batch(NamedTuple):
    """Updates taken to be written.

    :ivar large: a value that comes before all others
    :ivar rows: the updates; none if they were left out
    :ivar first: the count of the first update, with those that a whole value replaced
    :ivar last: the count of the last one
    :ivar has_left_out: updates are missing, so the value must be written whole
    """

    large: Large | None
    rows: list[Packed]
    first: int
    last: int
    has_left_out: bool


class Pending:
    """Updates that wait to be written.

    The publishing threads call `append`, the writer all else, each holding the lock of the state.

    :param count: of the updates of earlier runs
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
        #: the updates of all runs
        self.count = count
        #: those taken by the writer
        self.taken = count
        #: updates are missing until the value is taken whole
        self.has_left_out = False
        self._clear()
        self._is_idle = False
        self._waking = LightEvent()

    def _clear(self) -> None:
        self._large: Large | None = None
        self._rows: list[Packed] = []
        #: of the rows
        self._bytes = 0
        #: the row that is not full yet, and how many updates it has
        self._buffer = bytearray()
        self._buffered = 0

    def append(
        self,
        number: int,
        is_whole: bool,
        content: bytes | Mapping[str, object],
        cuts: list[Cut] | None = None,
    ) -> None:
        """Take an update to be written; HOT, with the lock of the state held.

        :param number: the state's own number
        :param is_whole: it replaces the value
        :param content: of `state` on the wire, packed or not
        :param cuts: the runs of a large one
        :raises InvalidArguments: it cannot be packed, so it cannot have been sent
        """
        self.count += 1
        if not self.has_left_out:
            if is_whole:
                # what comes before makes no difference any more
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
        """Drop what waits; the value is to be written whole."""
        self._clear()
        self.has_left_out = True

    def take(self) -> Batch:
        """Return what waits."""
        if self._buffered:
            self._rows.append(Packed(self._buffer, self._buffered, self.count))
        first, self.taken = self.taken + 1, self.count
        batch = Batch(self._large, self._rows, first, self.count, self.has_left_out)
        self._clear()
        return batch

    def take_whole(self) -> None:
        """Note that the value is taken as of now: updates count again."""
        self._clear()
        self.has_left_out = False
        self.taken = self.count

    def is_empty(self) -> bool:
        """Return True if nothing waits; the next update then wakes who waits with `wait`."""
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
