"""A log file: rotated hourly, shared by those in this process who name the same path."""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from contextlib import suppress
from logging.handlers import TimedRotatingFileHandler
from pathlib import Path

from sf_actors.errors import UsageError

_STAMP = re.compile(r"\d{4}-\d{2}-\d{2}_\d{2}", re.ASCII)
_NO_RECORD = logging.makeLogRecord({})

_open_files: dict[str, LogFile] = {}
_lock = threading.RLock()


class LogFile:
    """One file that is being written, by as many as opened it; any thread may write."""

    def __init__(self, path: str, backup_count: int) -> None:
        self._path = path
        self._handler = _HourlyFile(path, backup_count)
        self._users = 0

    @classmethod
    def open(cls, path: str | os.PathLike[str], backup_count: int) -> LogFile:
        """Open the file at `path` to append to it, its folder made; pair it with `close`.

        :param backup_count: how many rotated files are kept; 0 keeps all, as in `logging`. Of those
            who share a file, the one who wants most gets it.
        :raises UsageError: it cannot be opened
        """
        try:
            real = os.path.realpath(path)
            with _lock:
                file = _open_files.get(real)
                if file is None:
                    Path(real).parent.mkdir(parents=True, exist_ok=True)
                    file = _open_files[real] = cls(real, backup_count)
                file._add_user(backup_count)
        except (OSError, ValueError, TypeError) as fault:
            reason = getattr(fault, "strerror", None) or fault
            raise UsageError(
                f"log_path: expected a file that can be written, got {str(path)!r}: {reason}"
            ) from fault
        return file

    def _add_user(self, backup_count: int) -> None:
        self._users += 1
        kept = self._handler.backupCount
        self._handler.backupCount = 0 if 0 in (kept, backup_count) else max(kept, backup_count)

    def write(self, line: str) -> OSError | None:
        """Append one line, and return what went wrong if something did."""
        return self._handler.append(line)

    def close(self) -> None:
        """Give up one `open`; the last one closes the descriptor."""
        with _lock:
            self._users -= 1
            if self._users == 0:
                del _open_files[self._path]
                # Every line was flushed; what could not be written was told then.
                with suppress(OSError):
                    self._handler.finish()


class _HourlyFile(TimedRotatingFileHandler):
    """The standard library's rotating file, written to directly: no logger knows of it."""

    def __init__(self, path: str, backup_count: int) -> None:
        super().__init__(path, when="h", utc=True, backupCount=backup_count, encoding="utf-8")
        self._finished = False

    def finish(self) -> None:
        self.acquire()
        try:
            # A line that comes too late must not open the file again.
            self._finished = True
            self.close()
        finally:
            self.release()

    def append(self, line: str) -> OSError | None:
        # One lock for the check, the rotation and the write; it is renewed after a fork.
        self.acquire()
        try:
            if self._finished:
                return None
            trouble = self._rotate_when_due()
            if self.stream is None:
                # Closed by a rotation that failed, or by logging.config, which closes all handlers.
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
            # Go on in the same file for another hour rather than try again at each line.
            self.rolloverAt = self.computeRollover(int(time.time()))
            return fault
        return None

    def getFilesToDelete(self) -> list[str]:  # noqa: N802 - the name is the standard library's
        # The standard library's own takes a neighbour's too: for `svc` those of `svc.err`.
        own = Path(self.baseFilename)
        prefix = f"{own.name}."
        rotated = sorted(
            str(path)
            for path in own.parent.iterdir()
            if path.name.startswith(prefix) and _STAMP.fullmatch(path.name[len(prefix) :])
        )
        return rotated[: max(0, len(rotated) - self.backupCount)]
