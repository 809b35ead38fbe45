"""Keeps the value of an out-state in a file: opened at the start, written in the background."""

from __future__ import annotations

import os
from time import monotonic
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from sf_actors.storage.contents import Contents
from sf_actors.storage.file import StoreFile
from sf_actors.storage.pending import Pending
from sf_actors.storage.reading import read
from sf_actors.storage.recorder import Recorder
from sf_actors.storage.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from sf_actors.log import PackageLogger
    from sf_actors.schema.schema import Schema
    from sf_actors.storage.reading import Position, StoredValue

#: How long `close` waits for the thread once it has given up, in seconds.
_GIVING_UP_S = 1.0

_stores: WeakSet[Store] = WeakSet()


class Store:
    """The store of one state; made by `open`.

    There is no thread before `begin`. In the child of a fork it does nothing.

    :ivar append: adds an update to write, see `Pending.append`; HOT, called with the lock that was
        given to `begin` held
    """

    def __init__(self, file: StoreFile, contents: Contents, position: Position, where: str) -> None:
        self._file = file
        self._contents = contents
        self._position = position
        self._where = where
        self._pending = Pending(position.last)
        self.append = self._pending.append
        self._writer: Writer | None = None
        self._log: PackageLogger | None = None
        self._is_of_parent = False
        _stores.add(self)

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        arguments: Schema,
        *,
        is_single: bool = False,
        where: str,
    ) -> tuple[Store, StoredValue]:
        """Open and lock the file, creating it if there is none, and read its content.

        Runs in the thread that starts the service; other threads can run meanwhile.

        :param arguments: the fields of the state
        :param is_single: the model's only field is `state`
        :param where: the model, for messages
        :raises StoreError: the file is damaged, in use, not a store, or does not fit the model; it
            stays unchanged
        """
        contents = Contents(arguments, is_single=is_single)
        file = StoreFile(path, where)
        try:
            kept, position = read(file, contents, arguments.shape)
        except BaseException:
            file.close()
            raise
        return cls(file, contents, position, where), kept

    @property
    def count(self) -> int:
        """The number of updates of all runs."""
        return self._pending.count

    def begin(
        self,
        epoch: int,
        lock: AbstractContextManager[Any],
        current: Callable[[], tuple[int, Any]],
        *,
        log: PackageLogger,
        on_failed: Callable[[], None],
    ) -> None:
        """Start the writing thread, whose log lines belong to the service that calls this.

        :param epoch: the epoch of this run
        :param lock: held by callers of `append`
        :param current: returns the number and the value after the last `append`; called with
            `lock` held, in the writing thread
        :param on_failed: called in that thread for each failure
        :raises StoreError: another program uses the file
        """
        connection = self._file.writing()
        recorder = Recorder(
            connection, self._contents, self._position, self._pending, lock, current
        )
        recorder.epoch = epoch
        self._log = log
        self._writer = Writer(self._file, connection, recorder, self._pending, lock, log, on_failed)
        self._writer.start()

    def renew(self, epoch: int) -> None:
        """Write another epoch from now on; any thread."""
        if self._writer is not None:
            self._writer.recorder.epoch = epoch

    def flush(self, timeout_s: float) -> bool:
        """Write all appended updates; return False if that took too long; any thread."""
        if self._writer is None or self._is_of_parent:
            return False
        self._writer.hurry()
        return self._writer.wait_for(self._pending.count, timeout_s)

    def close(self, timeout_s: float) -> bool:
        """Write all appended updates, close the file and release its lock; any thread.

        :param timeout_s: how long writing may take
        :returns: False if some updates could not be written in that time
        """
        if self._is_of_parent:
            return True
        writer = self._writer
        if writer is None:
            self._file.close()
            return True
        deadline = monotonic() + timeout_s
        writer.finish()
        writer.join(timeout_s)
        if writer.is_alive():
            writer.give_up()
            writer.join(max(_GIVING_UP_S, deadline - monotonic()))
        is_written = writer.has_written_all
        if not is_written and self._log is not None:
            self._log.error(
                "the store was not written in full",
                model=self._where,
                store=self._file.path,
                updates=self._pending.count - writer.recorder.written,
            )
        return is_written

    def leave_to_parent(self) -> None:
        """Do nothing from now on, in the child of a fork."""
        self._is_of_parent = True
        self._pending.leave_out()


def _leave_to_parent() -> None:
    for store in list(_stores):
        store.leave_to_parent()


os.register_at_fork(after_in_child=_leave_to_parent)
