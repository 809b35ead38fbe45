"""The files of the sockets that an inspector listens at."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from sf_actors.inspection.folder import listening
from sf_actors.sync.forks import FORKS

if TYPE_CHECKING:
    from pathlib import Path


class Door:
    """The file of a socket that listens, and its descriptor until ZeroMQ has it.

    In the child of a fork the descriptor is closed: else a socket of a parent that was killed would
    go on taking connections that nobody answers.

    :param path: where it listens
    :raises UsageError: it cannot
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fd = listening(path).detach()
        #: set once a socket of ZeroMQ closes the descriptor
        self.is_taken = False
        self._inode = os.fstat(self.fd).st_ino
        self._forks = FORKS.count
        _open.add(self)

    def forget(self) -> None:
        """Close the copy of the descriptor, in the child of a fork."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            found = os.fstat(fd)
            if stat.S_ISSOCK(found.st_mode) and found.st_ino == self._inode:
                os.close(fd)

    def close(self) -> None:
        """Take the file away, unless it is a parent's, and the descriptor, unless it is taken."""
        fd, self.fd = self.fd, -1
        if FORKS.count == self._forks:
            self.path.unlink(missing_ok=True)
            if fd >= 0 and not self.is_taken:
                os.close(fd)


_open: Final[WeakSet[Door]] = WeakSet()


def _forget() -> None:
    """Close the copies of all descriptors, in the child of a fork."""
    for door in list(_open):
        door.forget()
    _open.clear()


os.register_at_fork(after_in_child=_forget)
