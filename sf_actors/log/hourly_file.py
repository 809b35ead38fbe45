"""A log file that is opened safely, locked, and rotated each hour.

The lock keeps other processes out. At a rotation, the new file is locked before it gets the name,
so that the name is ours at every moment. Symlinks of other users are not followed, and files we
create are writable only for us and readable only for us and our group.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import stat
import time
from contextlib import suppress
from datetime import datetime
from logging.handlers import TimedRotatingFileHandler
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from sf_actors.file_locks import holder_of, try_lock
from sf_actors.log.trusted import is_foreign, resolved

if TYPE_CHECKING:
    from io import TextIOWrapper

#: Mode of new files, further restricted by the umask.
FILE_MODE = 0o640

_STAMP = re.compile(r"\d{4}-\d{2}-\d{2}_\d{2}", re.ASCII)
_NO_RECORD = logging.makeLogRecord({})

#: The timestamp at the beginning of our lines.
_TIMESTAMP = re.compile(rb'"timestamp": "([^"]{1,40})"')
FIRST_BYTES = 4096

#: How often to check that the file still has its name, in seconds.
LOOKING_S = 1.0

#: The errors of file systems without locks, and of those without links.
_WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP)
_WITHOUT_LINKS = (errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EMLINK)


class HourlyFile(TimedRotatingFileHandler):
    """The standard library's rotating file handler, used directly, without a logger.

    :param path: in a folder that exists
    :raises OSError: it cannot be opened, or another process writes to it
    """

    def __init__(self, path: str, backup_count: int) -> None:
        #: the descriptor that holds the lock; -1 for a device
        self._locked = -1
        super().__init__(path, when="h", utc=True, backupCount=backup_count, encoding="utf-8")
        self._finished = False
        self._look_at = monotonic() + LOOKING_S
        began = _began(path)
        if began is not None:
            # by its first line, not its last: a service that restarts each half hour would never
            # rotate it
            self.rolloverAt = min(self.rolloverAt, int(began) + self.interval)

    def _open(self) -> TextIOWrapper:
        while True:
            stream: TextIOWrapper = self._builtin_open(  # type: ignore[attr-defined]
                self.baseFilename, "a", encoding=self.encoding, opener=_opened
            )
            try:
                if self._has_locked(stream.fileno()):
                    return stream
            except BaseException:
                stream.close()
                raise
            # its previous owner has meanwhile rotated it away
            stream.close()

    def _has_locked(self, descriptor: int) -> bool:
        """Lock an opened file, unless we have; returns False if it has lost its name meanwhile.

        :raises OSError: another process writes to it
        """
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or self._is_locked(status):
            return True
        try:
            is_ours = try_lock(descriptor)
        except OSError as fault:
            if fault.errno not in _WITHOUT_LOCKS:
                raise
            return True
        if not is_ours:
            raise BlockingIOError(
                errno.EWOULDBLOCK,
                f"{holder_of(status)} writes to it; name another one, or one with {{pid}} or "
                "{name} in its path",
            )
        with suppress(FileNotFoundError):
            if os.path.samestat(Path(self.baseFilename).stat(), status):
                self._let_go()
                # the lock must outlast the stream, which a rotation closes first
                self._locked = os.dup(descriptor)
                return True
        return False

    def _is_locked(self, status: os.stat_result) -> bool:
        return self._locked >= 0 and os.path.samestat(os.fstat(self._locked), status)

    def _let_go(self) -> None:
        locked, self._locked = self._locked, -1
        if locked >= 0:
            os.close(locked)

    def rotate(self, source: str, dest: str) -> None:
        """Rename the file, and atomically put a locked successor in its place."""
        path = Path(source)
        if self._locked < 0:
            super().rotate(source, dest)
            return
        if not path.exists() or not self._is_locked(path.stat()):
            # somebody has moved it: the file that has the name now, if any, will be opened
            return
        new = path.with_name(f".{path.name}.{os.getpid()}.new")
        new.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(new, flags, FILE_MODE)
        try:
            try_lock(descriptor)
            try:
                os.link(source, dest)
            except OSError as fault:
                if fault.errno not in _WITHOUT_LINKS:
                    raise
                path.rename(dest)
            new.replace(path)
        except BaseException:
            os.close(descriptor)
            new.unlink(missing_ok=True)
            raise
        self._let_go()
        self._locked = descriptor

    def finish(self) -> None:
        """Close the file for good; any thread."""
        self.acquire()
        try:
            # a late line must not reopen the file
            self._finished = True
            self.close()
        finally:
            self._let_go()
            self.release()

    def leave_to_parent(self) -> None:
        """Stop writing, and release the descriptors but not the lock, in the child of a fork."""
        self._finished = True
        self._let_go()
        if self.stream is not None:
            # the parent writes what is left in the buffer
            nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
            os.dup2(nowhere, self.stream.fileno(), inheritable=False)
            os.close(nowhere)

    def append(self, line: str) -> OSError | None:
        """Append one line; return the error, or None. Any thread."""
        # one lock for the check, the rotation and the write; `logging` renews it after a fork
        self.acquire()
        try:
            if self._finished:
                return None
            self._follow_its_name()
            trouble = self._rotate_when_due()
            if self.stream is None:
                # closed by a failed rotation, or by logging.config, which closes all handlers
                self.stream = self._open()
            self.stream.write(line + "\n")
            self.stream.flush()
        except OSError as fault:
            trouble = fault
        finally:
            self.release()
        return trouble

    def _follow_its_name(self) -> None:
        """Close the file, to be reopened, if it has lost its name: a tool may have moved it."""
        now = monotonic()
        if now < self._look_at:
            return
        self._look_at = now + LOOKING_S
        if self.stream is None:
            return
        written = os.fstat(self.stream.fileno())
        if not stat.S_ISREG(written.st_mode):
            return
        with suppress(FileNotFoundError):
            if os.path.samestat(Path(self.baseFilename).stat(), written):
                return
        stream, self.stream = self.stream, None
        stream.close()

    def _rotate_when_due(self) -> OSError | None:
        if not self.shouldRollover(_NO_RECORD):
            return None
        try:
            self.doRollover()
        except OSError as fault:
            # stay with the same file for another hour rather than retry at each line
            self.rolloverAt = self.computeRollover(int(time.time()))
            return fault
        return None

    def getFilesToDelete(self) -> list[str]:  # noqa: N802 - the name is the standard library's
        """Return the rotated files to delete.

        The standard library's method would also match those of `svc.err` for `svc`.
        """
        own = Path(self.baseFilename)
        prefix = f"{own.name}."
        rotated = sorted(
            str(path)
            for path in own.parent.iterdir()
            if path.name.startswith(prefix) and _STAMP.fullmatch(path.name[len(prefix) :])
        )
        return rotated[: max(0, len(rotated) - self.backupCount)]


def _began(path: str) -> float | None:
    """Return when the first line of a log file was written; None if that is not one of ours."""
    try:
        with Path(path).open("rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return None
            found = _TIMESTAMP.search(file.read(FIRST_BYTES).partition(b"\n")[0])
        return datetime.fromisoformat(found[1].decode()).timestamp() if found else None
    except (OSError, ValueError):
        return None


def _opened(path: str, flags: int) -> int:
    """Open a log file and return its descriptor, without blocking or following foreign symlinks.

    :raises OSError: it is not a regular file or character device, or another user's in a public
        folder
    """
    real = resolved(path)
    # without O_NONBLOCK, opening a named pipe that has no reader would block forever
    flags |= os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY
    with suppress(FileNotFoundError):
        _require_file(real.stat())
    descriptor = os.open(real, flags, FILE_MODE)
    try:
        status = os.fstat(descriptor)
        _require_file(status)
        if is_foreign(status) and real.parent.stat().st_mode & stat.S_IWOTH:
            raise PermissionError(
                errno.EPERM,
                f"another user (uid {status.st_uid}) put a file there, where all may write",
            )
        # blocking writes lose no line on a terminal
        os.set_blocking(descriptor, True)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _require_file(status: os.stat_result) -> None:
    mode = status.st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not (stat.S_ISREG(mode) or stat.S_ISCHR(mode)):
        kinds = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket", stat.S_IFBLK: "a disk"}
        raise OSError(errno.EINVAL, f"it is {kinds.get(stat.S_IFMT(mode), 'no regular file')}")
