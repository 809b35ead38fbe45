"""A log file, rotated hourly; services of the process that name the same path share it.

Other users of the machine have no influence on it: their symlinks are not followed, and files we
create are writable for nobody else and readable only for our group.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import stat
import threading
import time
from contextlib import suppress
from logging.handlers import TimedRotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING

from sf_actors.errors import UsageError
from sf_actors.folders import make_folder
from sf_actors.log.trusted import FOLDER_MODE, is_foreign, resolved
from sf_actors.wording import reason_of

if TYPE_CHECKING:
    from io import TextIOWrapper

#: Mode of new files, further restricted by the umask.
FILE_MODE = 0o640

_STAMP = re.compile(r"\d{4}-\d{2}-\d{2}_\d{2}", re.ASCII)
_NO_RECORD = logging.makeLogRecord({})

_open_files: dict[str, LogFile] = {}
_lock = threading.RLock()


class LogFile:
    """One open log file, shared by all that opened it; any thread may write."""

    def __init__(self, path: str, backup_count: int) -> None:
        self._path = path
        self._handler = _HourlyFile(path, backup_count)
        self._users = 0

    @classmethod
    def open(cls, path: str | os.PathLike[str], backup_count: int) -> LogFile:
        """Open the file at `path` to append to it and make its folder; pair with `close`.

        :param backup_count: rotated files to keep; 0 keeps all, as in `logging`. The largest
            number of all services that share the file counts.
        :raises UsageError: it cannot be opened, is neither a file nor a character device, or its
            path has a symlink of another user
        """
        try:
            real = str(resolved(path))
            with _lock:
                file = _open_files.get(real)
                if file is None:
                    make_folder(Path(real).parent, FOLDER_MODE)
                    file = _open_files[real] = cls(real, backup_count)
                file._add_user(backup_count)
        except (OSError, ValueError, TypeError) as fault:
            raise UsageError(
                f"log_path: expected a file that can be written, got {str(path)!r}: "
                f"{reason_of(fault)}"
            ) from fault
        return file

    def _add_user(self, backup_count: int) -> None:
        self._users += 1
        kept = self._handler.backupCount
        self._handler.backupCount = 0 if 0 in (kept, backup_count) else max(kept, backup_count)

    def write(self, line: str) -> OSError | None:
        """Append one line; return the error, or None."""
        return self._handler.append(line)

    def close(self) -> None:
        """End one `open`; the last one closes the descriptor."""
        with _lock:
            self._users -= 1
            if self._users == 0:
                del _open_files[self._path]
                # Every line was flushed, and errors were reported at that time.
                with suppress(OSError):
                    self._handler.finish()


class _HourlyFile(TimedRotatingFileHandler):
    """The standard library's rotating file handler, written to directly, without a logger."""

    def __init__(self, path: str, backup_count: int) -> None:
        super().__init__(path, when="h", utc=True, backupCount=backup_count, encoding="utf-8")
        self._finished = False

    def _open(self) -> TextIOWrapper:
        return self._builtin_open(  # type: ignore[attr-defined,no-any-return]
            self.baseFilename, "a", encoding=self.encoding, opener=_opened
        )

    def finish(self) -> None:
        self.acquire()
        try:
            # A late line must not reopen the file.
            self._finished = True
            self.close()
        finally:
            self.release()

    def append(self, line: str) -> OSError | None:
        # One lock for the check, the rotation and the write; `logging` renews it after a fork.
        self.acquire()
        try:
            if self._finished:
                return None
            trouble = self._rotate_when_due()
            if self.stream is None:
                # Closed by a failed rotation, or by logging.config, which closes all handlers.
                self.stream = self._open()
            self.stream.write(line + "\n")
            self.stream.flush()
        except OSError as fault:
            trouble = fault
        finally:
            self.release()
        return trouble

    def _rotate_when_due(self) -> OSError | None:
        if not self.shouldRollover(_NO_RECORD):
            return None
        try:
            self.doRollover()
        except OSError as fault:
            # Stay with the same file for another hour rather than retry at each line.
            self.rolloverAt = self.computeRollover(int(time.time()))
            return fault
        return None

    def getFilesToDelete(self) -> list[str]:  # noqa: N802 - the name is the standard library's
        # The standard library's own would also match those of a neighbour: of `svc.err` for `svc`.
        own = Path(self.baseFilename)
        prefix = f"{own.name}."
        rotated = sorted(
            str(path)
            for path in own.parent.iterdir()
            if path.name.startswith(prefix) and _STAMP.fullmatch(path.name[len(prefix) :])
        )
        return rotated[: max(0, len(rotated) - self.backupCount)]


def _opened(path: str, flags: int) -> int:
    """Open a log file and return its descriptor, without blocking or following foreign symlinks.

    :raises OSError: it is no regular file or character device, or another user's in a public folder
    """
    real = resolved(path)
    # Without O_NONBLOCK, opening a named pipe that has no reader would block for ever.
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
        # for a terminal: blocking writes lose no line
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
