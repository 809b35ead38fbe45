"""Decides what to write to the file of a store, and in which order; in the writing thread."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import msgspec

from sf_actors.storage.compaction import Whole, compacting, file_limit, log_limit
from sf_actors.storage.contents import items_of, pieces_of, pieces_of_packed
from sf_actors.storage.layout import (
    PAGE_BYTES,
    Head,
    Row,
    insert,
    pages,
    read_head,
    write_head,
)
from sf_actors.wire.msgpack import array_header

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from sf_actors.storage.contents import Contents
    from sf_actors.storage.pending import Batch, Large, Pending
    from sf_actors.storage.reading import Position
    from sf_actors.wire.messages import Cut

COMPACTION_RETRY_S: Final = 5.0
"""Pause in seconds after a compaction that failed while the log could still be written."""

LOOK_S: Final = 1.0
"""Least seconds between two comparisons of the file with the value, which may have shrunk."""

#: Time for steps of a compaction in one turn, in seconds.
_STEPS_S: Final = 0.005
_URGENT_STEPS_S: Final = 0.015
"""The same while the log grows fast; then there are no rests either."""

_DONE: Final = object()


class Recorder:
    """Writes batches of updates to the log, and compacts it.

    :param position: the position where the last run ended
    :param lock: the lock of the state
    :param current: returns the current number and value; called with `lock` held
    :ivar epoch: the epoch of this run, written with the next head
    """

    def __init__(  # noqa: PLR0917 - only `Store` calls it
        self,
        connection: sqlite3.Connection,
        contents: Contents,
        position: Position,
        pending: Pending,
        lock: AbstractContextManager[Any],
        current: Callable[[], tuple[int, Any]],
    ) -> None:
        self._connection = connection
        self._contents = contents
        self._pending = pending
        self._lock = lock
        self._current = current
        self.epoch = position.head.epoch
        #: the head in the file
        self._head = position.head
        self._has_begun = False
        #: bytes of the log after the value in the file, and after the one that is being written
        self._log_bytes, self._later_bytes = position.log_bytes, 0
        #: the count of the last update in the log, and of the last one connected to the value
        self._end = self._connected_end = position.last
        #: whether the log belongs to the value in the file, not to the one that is being written
        self._is_connected = True
        self._steps: Iterator[Head | None] | None = None
        self._compacts_from = 0.0
        self._looks_from = 0.0
        self._looked_at = self._end

    @property
    def written(self) -> int:
        """The count of the last update that could be read back; any thread."""
        return self._end if self._is_connected else self._connected_end

    @property
    def is_settled(self) -> bool:
        """Whether all updates that were taken are in the file."""
        return self._has_begun and self._is_connected

    @property
    def is_compacting(self) -> bool:
        """Whether there are steps of a compaction to take."""
        return self._steps is not None

    @property
    def is_urgent(self) -> bool:
        """Whether the log grows faster than it is replaced."""
        return self._log_bytes > 2 * log_limit(self._head)

    def until_look_s(self) -> float | None:
        """Return the seconds until the file must be compared with the value; None: never."""
        if self._looked_at == self._end:
            return None
        return max(0.0, self._looks_from - monotonic())

    def write(self, *, is_closing: bool) -> None:
        """Write the waiting updates.

        :param is_closing: begin no compaction, except for updates that were left out
        :raises Exception: the file cannot be written; call `start_anew` then
        """
        if not self._has_begun:
            self._begin()
        batch = self._take(is_closing=is_closing)
        if batch.rows:
            self._append(batch)

    def compact(self) -> None:
        """Take some steps of a compaction.

        :raises Exception: the file cannot be written; call `give_up_compaction` then
        """
        until = monotonic() + (_URGENT_STEPS_S if self.is_urgent else _STEPS_S)
        while self._steps is not None:
            found = next(self._steps, _DONE)
            if isinstance(found, Head):
                self._write_head(found)
                self._is_connected = True
                self._log_bytes = self._later_bytes
            elif found is _DONE:
                self._steps = None
            if monotonic() >= until:
                break

    def start_anew(self) -> None:
        """Drop all pending writes after a failure: read the file again, write the value whole."""
        with self._lock:
            self._pending.leave_out()
        self._steps = None
        self._end = self.written
        self._is_connected = True
        self._has_begun = False

    def give_up_compaction(self) -> bool:
        """Continue with the log alone for some time; return False if it needs the compaction."""
        self._steps = None
        self._has_begun = False
        self._compacts_from = monotonic() + COMPACTION_RETRY_S
        return self._is_connected

    def _begin(self) -> None:
        """Take over the file, from the last run or after a failure."""
        self._head = read_head(self._connection)
        # delete log rows that don't belong to the value; counts continue from there
        self._connection.execute("DELETE FROM log WHERE series <> ?", (self._head.chain,))
        self._write_head(msgspec.structs.replace(self._head, required=self._contents.required))
        self._has_begun = True

    def _write_head(self, head: Head) -> None:
        head = msgspec.structs.replace(head, epoch=self.epoch)
        write_head(self._connection, head)
        self._head = head

    def _take(self, *, is_closing: bool) -> Batch:
        """Return the updates to write; begin a compaction if one is due."""
        file_bytes = self._file_bytes_to_look_at()
        with self._lock:
            batch = self._pending.take()
            large = batch.large
            if self._steps is not None:
                if large is not None:
                    # a compaction is under way: the value is written whole after it
                    self._pending.leave_out()
                    batch.rows.clear()
                return batch
            is_disconnected = large is not None or batch.has_left_out
            if not (is_disconnected or (not is_closing and self._is_due(file_bytes))):
                return batch
            if large is not None and large.cuts:
                whole = _whole_of(large, large.cuts)
            else:
                whole = self._whole_of_now(batch.last)
                if is_disconnected:
                    batch.rows.clear()
        if is_disconnected:
            batch = batch._replace(first=whole.last + 1)
            self._connected_end = self.written
            self._is_connected = False
            self._end = whole.last
        self._later_bytes = 0
        self._steps = compacting(self._connection, lambda: self._head, whole, self._chain)
        return batch

    def _whole_of_now(self, last: int) -> Whole:
        """Take the current value, to write it whole; with the lock held."""
        number, value = self._current()
        self._pending.take_whole()
        pieces = pieces_of(self._contents.packing(value), value)
        return Whole(last, number, items_of(value), pieces)

    def _is_due(self, file_bytes: int | None) -> bool:
        if monotonic() < self._compacts_from:
            return False
        head = self._head
        if self._log_bytes > log_limit(head):
            return True
        if file_bytes is None or not head.items:
            return False
        estimated = head.size * items_of(self._current()[1]) / head.items
        return file_bytes > file_limit(estimated)

    def _file_bytes_to_look_at(self) -> int | None:
        """Return the size of the file if it is time to compare it with the value, else None."""
        if self._looked_at == self._end or monotonic() < self._looks_from:
            return None
        self._looks_from = monotonic() + LOOK_S
        self._looked_at = self._end
        return pages(self._connection)[0] * PAGE_BYTES

    def _append(self, batch: Batch) -> None:
        """Append updates to the log, all or none."""
        rows: list[Row] = []
        first = batch.first
        for body, count, last in batch.rows:
            rows.append(Row(self._chain, first, last, b"".join((array_header(count), body))))
            first = last + 1
        size = insert(self._connection, "log", rows)
        self._end = batch.last
        self._log_bytes += size
        self._later_bytes += size

    @property
    def _chain(self) -> int:
        """The chain of the next updates."""
        return self._head.chain + (not self._is_connected)


def _whole_of(large: Large, cuts: list[Cut]) -> Whole:
    items = sum(cut.count for cut in cuts)
    return Whole(large.last, large.number, items, pieces_of_packed(large.content, cuts))
