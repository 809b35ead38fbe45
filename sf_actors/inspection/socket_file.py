"""The sockets that an inspector listens at, and their files."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from sf_actors.inspection.folder import listening
from sf_actors.sync.forks import FORKS

if TYPE_CHECKING:
    from pathlib import Path


class SocketFile:
    """A listening socket's file, and its descriptor until ZeroMQ owns it.

    The child of a fork closes its copy of the descriptor. Otherwise the socket of a killed parent
    would go on accepting connections that nobody answers.

    :param path: where it listens
    :raises UsageError: it cannot listen there
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fd = listening(path).detach()
        #: set when a ZeroMQ socket has taken over the descriptor
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
        """Remove the file unless it is a parent's; close the descriptor unless ZeroMQ owns it."""
        fd, self.fd = self.fd, -1
        if FORKS.count == self._forks:
            self.path.unlink(missing_ok=True)
            if fd >= 0 and not self.is_taken:
                os.close(fd)


_open: Final[WeakSet[SocketFile]] = WeakSet()


def _forget() -> None:
    """Close the copies of all descriptors, in the child of a fork."""
    for file in list(_open):
        file.forget()
    _open.clear()


os.register_at_fork(after_in_child=_forget)
