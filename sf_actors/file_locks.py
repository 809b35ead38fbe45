"""Locks that keep other processes away from a file, with flock(2).

A lock lasts until the last descriptor of the open file is closed, even if the file is renamed.
"""

from __future__ import annotations

import fcntl
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator


def try_lock(descriptor: int) -> bool:
    """Lock an open file; return False if another process has locked it.

    :raises OSError: it cannot be locked at all
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def holder_of(status: os.stat_result) -> str:
    """Return a description of the process that has locked a file: ``process 123``."""
    suffix = f":{status.st_ino}"
    with suppress(OSError, ValueError):
        for fields in _locks():
            # 1: FLOCK ADVISORY WRITE pid device:inode start end
            if "FLOCK" in fields and fields[-3].endswith(suffix) and int(fields[-4]) > 0:
                return f"process {int(fields[-4])}"
    return "another process"


def _locks() -> Iterator[list[str]]:
    with Path("/proc/locks").open(encoding="ascii") as lines:
        for line in lines:
            yield line.split()
