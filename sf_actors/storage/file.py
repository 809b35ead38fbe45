"""The file of a store: creates and locks it, and checks that it is a store.

It is locked for the run with flock(2), on a separate descriptor. SQLite's own locks are of another
kind (fcntl(2)): a process loses them when it closes any descriptor of the file, so a file that is
in use in this process is recognised before it is opened again. A file that is refused is not
changed: it is checked through a connection that cannot write.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote
from weakref import WeakSet

from sf_actors.errors import StoreError
from sf_actors.file_locks import holder_of, try_lock
from sf_actors.folders import make_folder
from sf_actors.log.trusted import FOLDER_MODE, is_foreign, resolved
from sf_actors.storage.layout import APPLICATION_ID, FORMAT, PAGE_BYTES, Head, create_tables
from sf_actors.sync.locks import new_rlock
from sf_actors.wording import cut, reason_of

#: Other users may not read a state.
FILE_MODE: Final = 0o600

_MAGIC: Final = b"SQLite format 3\0"
_FLAGS: Final = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC

#: How long to wait for another program that is reading the file, in seconds.
_BUSY_S: Final = 1.0

#: Number of pages in the write-ahead log at which they are copied into the file.
_WAL_PAGES: Final = 256

AWAY: Final = "move it away to begin with an empty state"
LOOK_AT_DISK: Final = "see whether its disk is full or fails, and whether we may write beside it"

_guard = new_rlock()
#: the models of the files in use, by device and inode
_held: dict[tuple[int, int], str] = {}
_files: WeakSet[StoreFile] = WeakSet()


def refused(where: str, path: object, expected: str, got: object, advice: str) -> StoreError:
    """Return the error for a file that cannot be used."""
    return StoreError(f"{where}: store {str(path)!r}: expected {expected}, got {got}; {advice}")


def described(fault: Exception) -> str:
    """Return the text of an error of SQLite, with its name, which says more."""
    name = getattr(fault, "sqlite_errorname", None)
    return f"{cut(str(fault), 200)} ({name})" if name else cut(str(fault), 200)


class StoreFile:
    """A file that we lock until `close`.

    :param path: the path of the file, which is created with its folder if there is none
    :param where: the model, for messages
    :raises StoreError: another state or process has it, or it is not a store
    """

    def __init__(self, path: str | os.PathLike[str], where: str) -> None:
        self.path = os.fspath(path)
        self._where = where
        self._descriptor = -1
        self._connection: sqlite3.Connection | None = None
        try:
            self._real = resolved(path)
            make_folder(self._real.parent, FOLDER_MODE)
            with _guard:
                self._key = self._lock()
                _held[self._key] = where
                _files.add(self)
            try:
                self._require_ours()
            except BaseException:
                self.close()
                raise
        except (OSError, ValueError, TypeError, sqlite3.Error) as fault:
            raise self.refused(
                "a file that can be written", reason_of(fault), "name another one"
            ) from fault

    def refused(self, expected: str, got: object, advice: str = AWAY) -> StoreError:
        """Return the error for this file."""
        return refused(self._where, self.path, expected, got, advice)

    def reading(self) -> sqlite3.Connection:
        """Return a connection that cannot change the file; close it with `read`.

        :raises sqlite3.Error: it cannot be read
        """
        # without a write-ahead log the file is complete, and SQLite must create no file beside it
        mode = "mode=ro" if self._beside("-wal").exists() else "immutable=1"
        self._connection = sqlite3.connect(
            self._uri(mode), uri=True, isolation_level=None, timeout=_BUSY_S
        )
        return self._connection

    def read(self) -> None:
        """End `reading`."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
            # the index of the write-ahead log, which an exclusive writer keeps in memory
            self._beside("-shm").unlink(missing_ok=True)

    def writing(self) -> sqlite3.Connection:
        """Return a connection that can write, for one thread at a time.

        :raises StoreError: another program uses the file
        """
        try:
            connection = sqlite3.connect(
                self._uri("mode=rw"),
                uri=True,
                isolation_level=None,
                check_same_thread=False,
                timeout=_BUSY_S,
            )
            self._connection = connection
            # exclusive, so without shared memory, whose pages a full disk could not provide
            connection.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}").fetchall()
            connection.execute(f"PRAGMA journal_size_limit = {_WAL_PAGES * PAGE_BYTES}").fetchall()
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("COMMIT")
        except sqlite3.Error as fault:
            advice = "end that program" if "lock" in str(fault) else LOOK_AT_DISK
            raise self.refused("a file that can be written", described(fault), advice) from fault
        return connection

    def close(self) -> None:
        """Close the connection, then release the lock; any thread; may be called twice."""
        with _guard:
            connection, self._connection = self._connection, None
            try:
                if connection is not None:
                    with suppress(sqlite3.Error):
                        # closing does this too, but holds the GIL meanwhile
                        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                    with suppress(sqlite3.Error):
                        connection.close()
            finally:
                if self._descriptor >= 0:
                    os.close(self._descriptor)
                    self._descriptor = -1
                    _held.pop(self._key, None)

    def leave_to_parent(self) -> None:
        """Close the descriptor in a fork's child, but keep the lock, which is the parent's.

        The connection stays open: closing it would change the file.
        """
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        _left_alone.append(self._connection)
        self._connection = None

    def _lock(self) -> tuple[int, int]:
        """Open and lock the file, creating it if there is none; return its device and inode."""
        try:
            status = self._real.stat()
        except FileNotFoundError:
            self._refuse_remains()
            self._create()
            status = self._real.stat()
        kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
        if not stat.S_ISREG(status.st_mode):
            kind = kinds.get(stat.S_IFMT(status.st_mode), "a device")
            raise self.refused("a file", kind, "name another one")
        key = status.st_dev, status.st_ino
        if key in _held:
            raise self.refused(
                "a file that no other state has",
                f"that of {_held[key]}, in this process",
                "give each a file of its own",
            )
        descriptor = os.open(self._real, _FLAGS)
        try:
            status = os.fstat(descriptor)
            if is_foreign(status) and self._real.parent.stat().st_mode & stat.S_IWOTH:
                raise PermissionError(
                    errno.EPERM,
                    f"another user (uid {status.st_uid}) put a file there, where anyone may write",
                )
            if not try_lock(descriptor):
                raise self.refused(
                    "a file that no other process has",
                    f"that of {holder_of(status)}",
                    "end that one, or name another file",
                )
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return status.st_dev, status.st_ino

    def _refuse_remains(self) -> None:
        """Refuse to create a store beside the journal of one that was moved away or removed.

        SQLite would write what the journal holds into the new file.
        """
        for ending in ("-wal", "-journal"):
            journal = self._beside(ending)
            with suppress(FileNotFoundError):
                # its size first: another process may be creating the store and its journal
                if journal.stat().st_size and not self._real.exists():
                    raise self.refused(
                        "a store, or nothing of one",
                        f"its journal {journal.name!r} alone",
                        "move that away too to begin with an empty state",
                    )

    def _create(self) -> None:
        """Create an empty store beside the path and link it there, so that it is never partial."""
        new = self._real.with_name(f".{self._real.name}.{os.getpid()}.new")
        descriptor = os.open(new, _FLAGS | os.O_CREAT | os.O_TRUNC, FILE_MODE)
        os.close(descriptor)
        try:
            connection = sqlite3.connect(
                f"file:{quote(str(new))}?mode=rw", uri=True, isolation_level=None
            )
            try:
                create_tables(connection, Head())
            finally:
                connection.close()
            with suppress(FileExistsError):
                # unlike a rename, a link replaces nothing
                os.link(new, self._real)
        finally:
            for ending in ("", "-journal", "-wal", "-shm"):
                Path(f"{new}{ending}").unlink(missing_ok=True)

    def _require_ours(self) -> None:
        start = os.pread(self._descriptor, 100, 0)
        if not start:
            raise self.refused("a store", "an empty file", AWAY)
        if len(start) < 100 or not start.startswith(_MAGIC):
            raise self.refused("a store", "a file that is no database of SQLite, or damaged", AWAY)
        if int.from_bytes(start[68:72], "big") != APPLICATION_ID:
            raise self.refused("a store", "another database of SQLite", "name another file")
        version = int.from_bytes(start[60:64], "big")
        if version != FORMAT:
            raise self.refused(f"a store of format {FORMAT}", f"one of format {version}", AWAY)

    def _beside(self, ending: str) -> Path:
        return Path(f"{self._real}{ending}")

    def _uri(self, options: str) -> str:
        return f"file:{quote(str(self._real))}?{options}"


#: In the child of a fork, the parent's connections, which must not be closed.
_left_alone: list[sqlite3.Connection | None] = []


def _leave_to_parent() -> None:
    global _guard  # noqa: PLW0603 - the copied lock may be held
    _guard = new_rlock()
    _held.clear()
    for file in list(_files):
        file.leave_to_parent()


os.register_at_fork(after_in_child=_leave_to_parent)
