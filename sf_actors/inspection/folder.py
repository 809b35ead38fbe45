"""The folder in which the inspectors of a user's processes have their sockets.

The folder is the access: who may enter it may ask and stop everything that has a socket there, so
one that others may enter, or that is not ours, is refused by who answers as by who asks.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import socket
import stat
from contextlib import suppress
from pathlib import Path
from time import time
from typing import Final, NamedTuple

from sf_actors.errors import UsageError
from sf_actors.wording import shown

VARIABLE: Final = "SF_ACTORS_RUNTIME_DIR"

#: What the names of the inspectors' sockets end with, and those of streams.
SUFFIX: Final = ".sock"
STREAM_SUFFIX: Final = ".tap"

#: How long a socket may refuse connections before it counts as left over, in seconds: between its
#: two steps of coming into being it refuses them as well.
STALE_AFTER_S: Final = 2.0

_OTHERS: Final = 0o077
#: sockaddr_un.sun_path holds 108 bytes, the last of them NUL (unix(7)).
_MAX_PATH_BYTES: Final = 107
_LONGEST_NAME: Final = 32
_UNUSUAL: Final = re.compile(r"[^A-Za-z0-9_.-]")
_BACKLOG: Final = 128


class Spot(NamedTuple):
    """A socket of an inspector.

    :ivar pid: the process, as its name says
    :ivar name: its first service, as far as a file's name can hold it
    """

    path: Path
    pid: int
    name: str

    @property
    def address(self) -> str:
        """The address to connect to."""
        return f"ipc://{self.path}"


def folder() -> Path:
    """Return where the folder is or is to be."""
    given = os.environ.get(VARIABLE)
    return Path(given).absolute() if given else Path(f"/tmp/sf_actors-{os.getuid()}")  # noqa: S108


def require_ours(path: Path) -> None:
    """Refuse a folder that is not ours alone.

    :raises UsageError: what is wrong with it, and what to do
    :raises FileNotFoundError: it is not there
    """
    try:
        found = path.lstat()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UsageError(
            f"the folder {str(path)!r} cannot be looked at: {error.strerror}; set {VARIABLE} to "
            "another one"
        ) from None
    if not stat.S_ISDIR(found.st_mode):
        raise UsageError(
            f"expected a folder for the inspectors' sockets, {str(path)!r} is none; remove it, or "
            f"set {VARIABLE} to another one"
        )
    if found.st_uid != os.getuid():
        raise UsageError(
            f"the folder {str(path)!r} belongs to user {found.st_uid}, and not to {os.getuid()}; "
            f"set {VARIABLE} to another one"
        )
    if found.st_mode & _OTHERS:
        mode = stat.S_IMODE(found.st_mode)
        raise UsageError(
            f"others may enter the folder {str(path)!r} (mode {mode:o}), and so use what runs: "
            f"chmod 700 {path}"
        )


def prepared() -> Path:
    """Return the folder, which is made if it is not there.

    :raises UsageError: it cannot be made, or is not ours alone
    """
    path = folder()
    with suppress(FileExistsError):
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            raise
        except OSError as error:
            raise UsageError(
                f"the folder {str(path)!r} cannot be made: {error.strerror}; set {VARIABLE} to "
                "another one"
            ) from None
    require_ours(path)
    return path


def plain_name(name: str) -> str:
    """Return the name of a service as the name of a socket holds it."""
    return _UNUSUAL.sub("_", name)[:_LONGEST_NAME]


def new_path(where: Path, name: str, suffix: str = SUFFIX) -> Path:
    """Return a path for a socket of this process.

    :param name: what the socket is called after
    :raises UsageError: it is too long for a socket
    """
    plain = plain_name(name)
    path = where / f"{os.getpid()}-{secrets.token_hex(2)}-{plain}{suffix}"
    size = len(os.fsencode(path))
    if size > _MAX_PATH_BYTES:
        raise UsageError(
            f"the folder {shown(str(where))} is too long for a socket's path: expected "
            f"{_MAX_PATH_BYTES} bytes at most, got {size}; set {VARIABLE} to a shorter one"
        )
    return path


def listening(path: Path) -> socket.socket:
    """Return a socket that listens at a path.

    :raises UsageError: it cannot be there
    """
    listener = None
    try:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(path))
        try:
            listener.listen(_BACKLOG)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    except BaseException as error:
        if listener is not None:
            listener.close()
        if isinstance(error, OSError):
            raise UsageError(f"no socket can be made at {str(path)!r}: {error.strerror}") from None
        raise
    return listener


def spots(where: Path) -> list[Spot]:
    """Return the sockets of inspectors in a folder, by process; dead ones too.

    :raises OSError: the folder cannot be read
    """
    found = []
    for path in where.iterdir():
        pid, _, rest = path.name.partition("-")
        name = rest.partition("-")[2]
        if path.suffix == SUFFIX and pid.isdecimal() and name:
            found.append(Spot(path, int(pid), name.removesuffix(SUFFIX)))
    return sorted(found, key=lambda spot: (spot.pid, spot.path.name))


def is_refused(path: Path) -> bool:
    """Return whether nobody listens at a socket any more; one that is silent is there."""
    trying = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    with trying:
        code = trying.connect_ex(str(path))
    return code in {errno.ECONNREFUSED, errno.ENOENT}


def remove_if_stale(path: Path) -> bool:
    """Remove a socket at which nobody listens any more, and those of its process's streams.

    :returns: whether nobody listens: False if it listens, or may be just coming into being
    """
    try:
        age_s = time() - path.lstat().st_mtime
        if not is_refused(path):
            return False
        if age_s <= STALE_AFTER_S:
            return False
        path.unlink()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    if path.suffix == SUFFIX:
        pid = path.name.partition("-")[0]
        for stream in path.parent.glob(f"{pid}-*{STREAM_SUFFIX}"):
            remove_if_stale(stream)
    return True
