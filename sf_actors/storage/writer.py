"""The thread that writes a state's updates behind, in batches, and compacts the file."""

from __future__ import annotations

import sqlite3
import threading
from time import monotonic, thread_time
from typing import TYPE_CHECKING, Any, Final

import msgspec

from sf_actors.errors import SfActorsError
from sf_actors.log.throttle import Throttle
from sf_actors.storage.compaction import Whole, compacting, file_limit, log_limit
from sf_actors.storage.contents import items_of, pieces_of, pieces_of_packed
from sf_actors.storage.layout import (
    PAGE_BYTES,
    Head,
    Row,
    insert,
    pages,
    write_head,
)
from sf_actors.sync.event import LightEvent
from sf_actors.wire.msgpack import array_header

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sf_actors.log import Logger
    from sf_actors.storage.contents import Contents
    from sf_actors.storage.file import StoreFile
    from sf_actors.storage.pending import Batch, Large, Pending
    from sf_actors.wire.messages import Cut

BATCH_S: Final = 0.025
"""How long updates are collected; writing them may take as long, and 50 ms are promised."""

_LEAST_S: Final = 0.002
"""The same while other threads compute without a pause, so that writing takes longer."""

RETRY_S: Final = 0.1
LONGEST_RETRY_S: Final = 2.0
"""Pauses after a failure: the first, then twice as long each time up to the longest."""

COMPACTION_RETRY_S: Final = 5.0
"""Pause after a compaction that failed while the log could still be written."""

LOOK_S: Final = 1.0
"""How often the file is compared with a value that may have become smaller."""

#: Time for steps of a compaction in one turn, in seconds.
_STEPS_S: Final = 0.005
_URGENT_STEPS_S: Final = 0.015
"""The same when the log grows fast while it is replaced; then there are no rests either."""

#: Most time that other threads get after a step of a compaction, in seconds.
_LONGEST_REST_S: Final = 0.02


class Writer(threading.Thread):
    """Writes the updates of one state until it is closed.

    :param last: the count of the last update in the file
    :param log_bytes: about how many bytes its log has
    :param current: returns the number and the value of now, called with `lock` held; a value is a
        `Map`, or a mapping that is not changed any more
    :param on_failed: called for each failure, in this thread
    """

    def __init__(  # noqa: PLR0917 - only `Store` calls it
        self,
        file: StoreFile,
        contents: Contents,
        head: Head,
        last: int,
        log_bytes: int,
        pending: Pending,
        lock: threading.Lock,
        current: Callable[[], tuple[int, Any]],
        log: Logger,
        on_failed: Callable[[], None],
    ) -> None:
        super().__init__(name=f"store {file.path}", daemon=True)
        self._file = file
        self._contents = contents
        self._pending = pending
        self._lock = lock
        self._current = current
        self._log = log
        self._on_failed = on_failed
        self._connection = file.writing()
        #: as it is in the file
        self._head = head
        #: bytes of the log behind the value in the file, and behind the one that is being written
        self._log_bytes = log_bytes
        self._later_bytes = 0
        #: the count of the last update in the log
        self._end = self._connected_end = last
        #: the log is connected to the value in the file, not to the one that is being written
        self._is_connected = True
        self._has_begun = False
        self._steps: Iterator[Head | None] | None = None
        #: the last turn, and the processor time of it
        self._took_s = self._worked_s = 0.0
        #: the last turn failed; the pause after it, 0 again when all is written
        self._has_failed = False
        self._retry_s = 0.0
        self._compacts_from = 0.0
        self._looks_from = 0.0
        self._looked_at = last
        self._throttle = Throttle()
        self._is_closing = False
        self._gives_up = False
        self._hurry = LightEvent()
        self._progress = threading.Condition()
        #: the epoch of this run, written with the next update
        self.epoch = head.epoch

    def run(self) -> None:
        """Write until all is written after `finish`, or `give_up`."""
        # This frame is never freed in the child of a fork: the connection is not closed there,
        # which would change the file.
        connection = self._connection
        try:
            while not self._is_done():
                self._rest()
                began, worked = monotonic(), thread_time()
                try:
                    self._turn()
                    self._succeeded()
                except (sqlite3.Error, OSError, SfActorsError, RuntimeError) as fault:
                    self._failed(fault)
                self._took_s, self._worked_s = monotonic() - began, thread_time() - worked
        finally:
            with self._lock:
                self._pending.leave_out()
            self._file.close()
            with self._progress:
                self._progress.notify_all()
            del connection

    @property
    def written(self) -> int:
        """The count of the last update in the file, from which on it could be read back."""
        return self._end if self._is_connected else self._connected_end

    @property
    def has_written_all(self) -> bool:
        """Whether every update is in the file."""
        return self.written == self._pending.count

    def finish(self) -> None:
        """Let the thread end when all is written; any thread."""
        self._is_closing = True
        self.hurry()

    def give_up(self) -> None:
        """Let the thread end with what is written now; any thread."""
        self._gives_up = True
        self.finish()

    def hurry(self) -> None:
        """Let the thread write now; any thread."""
        self._hurry.set()
        self._pending.wake()

    def wait_for(self, count: int, timeout_s: float) -> bool:
        """Wait until an update is in the file; any thread."""
        with self._progress:
            return self._progress.wait_for(
                lambda: self.written >= count or not self.is_alive(), timeout_s
            ) and (self.written >= count)

    def _is_done(self) -> bool:
        if not self._is_closing:
            return False
        with self._lock:
            return self._gives_up or (
                self._has_begun and self._is_connected and self._pending.is_empty()
            )

    def _rest(self) -> None:
        """Wait until there is something to do, and others have had their turn."""
        if self._has_failed:
            pause_s = RETRY_S if self._is_closing else self._retry_s
        elif self._is_closing or not self._has_begun:
            return
        elif self._steps is not None:
            pause_s = 0.0 if self._is_urgent() else min(self._worked_s, _LONGEST_REST_S)
        else:
            with self._lock:
                is_empty = self._pending.is_empty()
            if is_empty:
                self._pending.wait(self._until_look_s())
            pause_s = max(_LEAST_S, BATCH_S - self._took_s)
        self._hurry.wait(pause_s)
        self._hurry.clear()

    def _is_urgent(self) -> bool:
        return self._log_bytes > 2 * log_limit(self._head)

    def _until_look_s(self) -> float | None:
        if self._looked_at == self._end:
            return None
        return max(0.0, self._looks_from - monotonic())

    def _turn(self) -> None:
        """Write what waits, then a step of a compaction."""
        if not self._has_begun:
            self._begin()
        batch = self._take()
        if batch.rows:
            self._write(batch)
        if self._steps is None:
            return
        until = monotonic() + (_URGENT_STEPS_S if self._is_urgent() else _STEPS_S)
        try:
            while self._steps is not None:
                self._step(self._steps)
                if monotonic() >= until:
                    break
        except (sqlite3.Error, OSError, SfActorsError, RuntimeError) as fault:
            self._steps = None
            if not self._is_connected:
                raise
            # the log goes on
            self._compacts_from = monotonic() + COMPACTION_RETRY_S
            self._tell(fault)

    def _begin(self) -> None:
        """Take over the file from the last run."""
        head = self._head
        # what is not connected to the value; counts go on from there
        self._connection.execute("DELETE FROM log WHERE series <> ?", (head.chain,))
        self._write_head(msgspec.structs.replace(head, required=self._contents.required))
        self._has_begun = True

    def _write_head(self, head: Head) -> None:
        head = msgspec.structs.replace(head, epoch=self.epoch)
        write_head(self._connection, head)
        self._head = head

    def _take(self) -> Batch:
        """Return the updates to write; begin a compaction if one is due."""
        file_bytes = self._file_bytes_to_look_at()
        with self._lock:
            batch = self._pending.take()
            large = batch.large
            if self._steps is not None:
                if large is not None:
                    # one after the other: then the value of that time is written whole
                    self._pending.leave_out()
                    batch.rows.clear()
                return batch
            is_disconnected = large is not None or batch.has_left_out
            if not (is_disconnected or self._is_due(file_bytes)):
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
            self._end = whole.last
            self._is_connected = False
        self._later_bytes = 0
        self._steps = compacting(self._connection, lambda: self._head, whole, self._chain)
        return batch

    def _whole_of_now(self, last: int) -> Whole:
        """Take the value as of now; with the lock held."""
        number, value = self._current()
        self._pending.take_whole()
        pieces = pieces_of(self._contents.packing(value), value)
        return Whole(last, number, items_of(value), pieces)

    def _is_due(self, file_bytes: int | None) -> bool:
        if self._is_closing or monotonic() < self._compacts_from:
            return False
        head = self._head
        if self._log_bytes > log_limit(head):
            return True
        if file_bytes is None or not head.items:
            return False
        estimated = head.size * items_of(self._current()[1]) / head.items
        return file_bytes > file_limit(estimated)

    def _file_bytes_to_look_at(self) -> int | None:
        """Return the size of the file now and then, to be compared with the value."""
        if self._looked_at == self._end or monotonic() < self._looks_from:
            return None
        self._looks_from = monotonic() + LOOK_S
        self._looked_at = self._end
        return pages(self._connection)[0] * PAGE_BYTES

    def _write(self, batch: Batch) -> None:
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
        """The chain of further updates."""
        return self._head.chain + (not self._is_connected)

    def _step(self, steps: Iterator[Head | None]) -> None:
        """Take a step of the compaction."""
        found = next(steps, _DONE)
        if isinstance(found, Head):
            self._write_head(found)
            self._is_connected = True
            self._log_bytes = self._later_bytes
        elif found is _DONE:
            self._steps = None

    def _succeeded(self) -> None:
        self._has_failed = False
        if self._retry_s and self.written == self._pending.taken:
            self._retry_s = 0.0
            self._log.info("the store is written again", store=self._file.path)
        with self._progress:
            self._progress.notify_all()

    def _failed(self, fault: Exception) -> None:
        """Drop what was to be written: the value will be written whole."""
        with self._lock:
            self._pending.leave_out()
        self._steps = None
        self._end = self.written
        self._is_connected = True
        self._has_failed = True
        self._retry_s = min(max(2 * self._retry_s, RETRY_S), LONGEST_RETRY_S)
        self._tell(fault)

    def _tell(self, fault: Exception) -> None:
        self._on_failed()
        left_out = self._throttle.admit("store", monotonic())
        if left_out is not None:
            self._log.error(
                "the store cannot be written; the state goes on in memory",
                store=self._file.path,
                reason=str(fault),
                left_out=left_out,
            )


_DONE: Final = object()


def _whole_of(large: Large, cuts: list[Cut]) -> Whole:
    items = sum(cut.count for cut in cuts)
    return Whole(large.last, large.number, items, pieces_of_packed(large.content, cuts))
