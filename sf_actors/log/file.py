"""A log file, rotated hourly; services of the process that name the same path share it.

Neither other users of the machine nor our other processes can interfere with it (see `HourlyFile`).
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from sf_actors.errors import UsageError
from sf_actors.folders import make_folder
from sf_actors.log.hourly_file import HourlyFile
from sf_actors.log.trusted import FOLDER_MODE, resolved
from sf_actors.sync.locks import new_rlock
from sf_actors.wording import reason_of

_open_files: dict[str, LogFile] = {}
_lock = new_rlock()


class LogFile:
    """One open log file, shared by all that opened it; any thread may write."""

    def __init__(self, path: str, backup_count: int) -> None:
        #: its path, with links resolved
        self.path = path
        self._handler = HourlyFile(path, backup_count)
        self._users = 0

    @classmethod
    def open(cls, path: str | os.PathLike[str], backup_count: int) -> LogFile:
        """Open the file at `path` for appending, and create its folder; pair with `close`.

        :param backup_count: rotated files to keep; 0 keeps all, as in `logging`. If several
            services share the file, the largest number counts.
        :raises UsageError: it cannot be opened, is neither a file nor a character device, or its
            path has a symlink of another user, or another process writes to it
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

    def leave_to_parent(self) -> None:
        """Stop writing, in the child of a fork."""
        self._handler.leave_to_parent()

    def close(self) -> None:
        """End one `open`; the last one closes the descriptor."""
        with _lock:
            self._users -= 1
            if self._users == 0:
                _open_files.pop(self.path, None)
                # each line was flushed when written, and errors were reported then
                with suppress(OSError):
                    self._handler.finish()


def _leave_to_parent() -> None:
    global _lock  # noqa: PLW0603 - another thread may have held it when the process forked
    _lock = new_rlock()
    for file in _open_files.values():
        file.leave_to_parent()
    _open_files.clear()


os.register_at_fork(after_in_child=_leave_to_parent)
