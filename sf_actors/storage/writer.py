"""The thread that writes a state's updates in the background, and tries again after failures."""

from __future__ import annotations

import threading
from time import monotonic, thread_time
from typing import TYPE_CHECKING, Any, Final

from sf_actors.log.throttle import Throttle
from sf_actors.sync.event import LightEvent

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from sf_actors.log import PackageLogger
    from sf_actors.storage.file import StoreFile
    from sf_actors.storage.pending import Pending
    from sf_actors.storage.recorder import Recorder

BATCH_S: Final = 0.025
"""Seconds for which updates are collected; writing them may need as long again, not longer."""

_LEAST_S: Final = 0.002
"""The least of that, when writing takes long since other threads compute without a pause."""

RETRY_S: Final = 0.1
LONGEST_RETRY_S: Final = 2.0
"""First and longest pause in seconds after a failure; each is twice as long as the one before."""

#: Longest rest after steps of a compaction, in seconds, for other threads to run.
_LONGEST_REST_S: Final = 0.02


class Writer(threading.Thread):
    """Writes the updates of one state until it is closed.

    :param connection: the connection to the file, which this thread closes
    :param lock: the lock of the state
    :param on_failed: called for each failure, in this thread
    """

    def __init__(  # noqa: PLR0917 - only `Store` calls it
        self,
        file: StoreFile,
        connection: sqlite3.Connection,
        recorder: Recorder,
        pending: Pending,
        lock: AbstractContextManager[Any],
        log: PackageLogger,
        on_failed: Callable[[], None],
    ) -> None:
        super().__init__(name=f"store {file.path}", daemon=True)
        self._file = file
        self._connection = connection
        self.recorder = recorder
        self._pending = pending
        self._lock = lock
        self._log = log
        self._on_failed = on_failed
        #: duration and processor time of the last turn
        self._took_s = self._worked_s = 0.0
        #: whether the last turn failed; the pause after it, 0 again once all is written
        self._has_failed = False
        self._retry_s = 0.0
        self._throttle = Throttle()
        self._is_closing = False
        self._gives_up = False
        self._hurry = LightEvent()
        self._progress = threading.Condition()

    def run(self) -> None:
        """Write until `finish` was called and all is written, or until `give_up`."""
        # in the child of a fork this frame is never freed, so the connection is not closed there,
        # which would change the file
        connection = self._connection
        try:
            while not self._is_done():
                self._rest()
                began, worked = monotonic(), thread_time()
                self._turn()
                self._took_s, self._worked_s = monotonic() - began, thread_time() - worked
        finally:
            with self._lock:
                self._pending.leave_out()
            self._file.close()
            with self._progress:
                self._progress.notify_all()
            del connection

    @property
    def has_written_all(self) -> bool:
        """Whether every update is in the file; any thread."""
        return self.recorder.written == self._pending.count

    def finish(self) -> None:
        """Let the thread end once all is written; any thread."""
        self._is_closing = True
        self.hurry()

    def give_up(self) -> None:
        """Let the thread end without writing the rest; any thread."""
        self._gives_up = True
        self.finish()

    def hurry(self) -> None:
        """Make the thread write now; any thread."""
        self._hurry.set()
        self._pending.wake()

    def wait_for(self, count: int, timeout_s: float) -> bool:
        """Wait until an update is in the file; any thread."""
        recorder = self.recorder
        with self._progress:
            self._progress.wait_for(
                lambda: recorder.written >= count or not self.is_alive(), timeout_s
            )
        return recorder.written >= count

    def _is_done(self) -> bool:
        if not self._is_closing:
            return False
        with self._lock:
            return self._gives_up or (self.recorder.is_settled and self._pending.is_empty())

    def _rest(self) -> None:
        """Wait until there is something to do and other threads have had time to run."""
        recorder = self.recorder
        if self._has_failed:
            pause_s = RETRY_S if self._is_closing else self._retry_s
        elif self._is_closing:
            return
        elif recorder.is_compacting:
            pause_s = 0.0 if recorder.is_urgent else min(self._worked_s, _LONGEST_REST_S)
        elif recorder.is_settled:
            with self._lock:
                is_empty = self._pending.is_empty()
            if is_empty:
                self._pending.wait(recorder.until_look_s())
            pause_s = max(_LEAST_S, BATCH_S - self._took_s)
        else:
            return
        self._hurry.wait(pause_s)
        self._hurry.clear()

    def _turn(self) -> None:
        """Write the waiting updates, then take some steps of a compaction."""
        recorder = self.recorder
        try:
            recorder.write(is_closing=self._is_closing)
        except Exception as fault:  # noqa: BLE001 - the state goes on; writing is tried again
            self._failed(fault)
            return
        try:
            recorder.compact()
        except Exception as fault:  # noqa: BLE001 - likewise
            if recorder.give_up_compaction():
                self._report(fault)
            else:
                self._failed(fault)
            return
        self._has_failed = False
        if self._retry_s and recorder.written == self._pending.taken:
            self._retry_s = 0.0
            self._log.info("the store is written again", store=self._file.path)
        with self._progress:
            self._progress.notify_all()

    def _failed(self, fault: Exception) -> None:
        self.recorder.start_anew()
        self._has_failed = True
        self._retry_s = min(max(2 * self._retry_s, RETRY_S), LONGEST_RETRY_S)
        self._report(fault)

    def _report(self, fault: Exception) -> None:
        self._on_failed()
        left_out = self._throttle.admit("store", monotonic())
        if left_out is not None:
            self._log.error(
                "the store cannot be written; the state goes on in memory",
                store=self._file.path,
                reason=str(fault) or type(fault).__name__,
                left_out=left_out,
            )
