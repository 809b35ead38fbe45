"""The run folder of a fleet: where it runs on this machine, below DIR, locked by its processes.

`up` opens the locked descriptor and its children inherit it, so that the lock lasts until the last
of them has ended, however `up` itself ended.
"""

from __future__ import annotations

import os
import shutil
import socket
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Self

from sf_actors.errors import FolderError, UsageError
from sf_actors.file_locks import try_lock
from sf_actors.inspection.folder import folder, make, prepared, require_short

if TYPE_CHECKING:
    from pathlib import Path

#: The socket of `up` in its folder.
SOCKET: Final = "up"
_BACKLOG: Final = 16


class RunFolder:
    """The run folder of one fleet.

    :param mark: identifies the fleet on this machine
    """

    def __init__(self, mark: str) -> None:
        self.path: Path = folder() / mark
        self._held = -1
        self._listener: socket.socket | None = None

    @classmethod
    def of(cls, path: Path) -> Self:
        """Return the run folder of the fleet of a file, which need not exist any more."""
        return cls(sha256(os.fsencode(path.resolve())).hexdigest()[:8])

    @property
    def held(self) -> int:
        """The descriptor that holds the lock; -1 if we do not have it."""
        return self._held

    def take(self) -> bool:
        """Take the folder, and empty it; returns False if another fleet process has it.

        :raises FolderError: the folder cannot be made, or is not ours alone
        """
        try:
            prepared()
            while True:
                # not `exist_ok`, which fails if the folder is removed meanwhile
                with suppress(FileExistsError):
                    make(self.path)
                try:
                    descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
                except FileNotFoundError:
                    # its last owner has removed it just now
                    continue
                if not try_lock(descriptor):
                    os.close(descriptor)
                    return False
                with suppress(FileNotFoundError):
                    if os.path.samestat(self.path.stat(), os.fstat(descriptor)):
                        break
                # its last owner has removed it meanwhile
                os.close(descriptor)
        except UsageError as error:
            raise FolderError(str(error)) from None
        except OSError as error:
            raise FolderError(f"{self.path}: {error.strerror}") from None
        self._held = descriptor
        for path in self.path.iterdir():
            path.unlink()
        return True

    def listen(self) -> socket.socket:
        """Return the socket on which other verbs connect to us; the folder must be taken.

        :raises FolderError: the socket cannot be created
        """
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            require_short(self.path / SOCKET, self.path.parent)
            listener.bind(str(self.path / SOCKET))
            listener.listen(_BACKLOG)
        except UsageError as error:
            listener.close()
            raise FolderError(str(error)) from None
        except OSError as error:
            listener.close()
            raise FolderError(f"{self.path / SOCKET}: {error.strerror}") from None
        self._listener = listener
        return listener

    def connect(self, *, waits: bool = True) -> socket.socket | None:
        """Return a connection to the running `up`; None if there is none.

        :param waits: wait for an `up` that has not accepted what connected before
        :raises TimeoutError: there is such an `up`, and `waits` is False
        """
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.setblocking(waits)
        try:
            connection.connect(str(self.path / SOCKET))
        except BlockingIOError:
            connection.close()
            raise TimeoutError from None
        except OSError:
            connection.close()
            return None
        return connection

    def leave(self) -> None:
        """Remove the folder, and give it up."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        if self._held >= 0:
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(self._held)
            self._held = -1
