"""Resolves paths of files that we write, so that other users cannot redirect them."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

#: Mode of new folders, further restricted by the umask.
FOLDER_MODE = 0o750

#: The most symlinks in one path, as in Linux.
MAX_LINKS = 40


def resolved(path: str | os.PathLike[str]) -> Path:
    """Return the path with symlinks resolved; parts that do not exist yet stay as they are.

    :raises OSError: a symlink belongs to another user, or there are too many
    """
    real, links = Path("/"), 0
    ahead = [*reversed(Path(Path.cwd(), os.fspath(path)).parts)]
    while ahead:
        part = ahead.pop()
        if part == "..":
            real = real.parent
            continue
        place = real / part
        try:
            status = place.lstat()
        except FileNotFoundError:
            real = place
            continue
        if not stat.S_ISLNK(status.st_mode):
            real = place
            continue
        if is_foreign(status):
            raise PermissionError(
                errno.EPERM,
                f"{place} is a symlink of another user (uid {status.st_uid});"
                " name a path that does not lead through it",
            )
        links += 1
        if links > MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        ahead += reversed(place.readlink().parts)
    return real


def is_foreign(status: os.stat_result) -> bool:
    """Return True for a file of another user than us and root."""
    return status.st_uid not in (0, os.geteuid())
