"""The folder of the inspectors' sockets, for the processes of one user.

The folder's permissions control the access: whoever can enter it can query and stop everything with
a socket there. So inspectors and clients both refuse a folder that is not ours, or open to others.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path
from time import time
from typing import Final, NamedTuple

from sf_actors.errors import UsageError
from sf_actors.wording import cut

VARIABLE: Final = "SF_ACTORS_RUNTIME_DIR"

#: The suffixes of the sockets of inspectors and of streams.
SUFFIX: Final = ".sock"
STREAM_SUFFIX: Final = ".tap"

#: The age from which a socket that refuses connections counts as stale, in seconds: a new one
#: refuses them as well, between bind and listen.
STALE_AFTER_S: Final = 2.0

_OTHERS: Final = 0o077
#: sockaddr_un.sun_path holds 108 bytes, the last of them NUL (unix(7)).
_MAX_PATH_BYTES: Final = 107
_LONGEST_NAME: Final = 32
_BACKLOG: Final = 128


class InspectorSocket(NamedTuple):
    """A socket of an inspector.

    :ivar pid: the process, from the file's name
    :ivar name: its first service, in the form that a file name can hold
    """

    path: Path
    pid: int
    name: str

    @property
    def address(self) -> str:
        """The address to connect to."""
        return f"ipc://{self.path}"


def folder() -> Path:
    """Return the path of the folder, which may not exist yet."""
    given = os.environ.get(VARIABLE)
    return Path(given).absolute() if given else Path(f"/tmp/sf_actors-{os.getuid()}")  # noqa: S108


def pin_folder() -> None:
    """Make a relative path in the environment absolute; main thread of a command.

    This process may change its working directory, and its children may have another one.
    """
    if os.environ.get(VARIABLE):
        os.environ[VARIABLE] = str(folder())


def require_ours(path: Path) -> None:
    """Refuse a folder that is not ours alone.

    :raises UsageError: it is not; the message says what to do
    :raises FileNotFoundError: it does not exist
    """
    try:
        found = path.lstat()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UsageError(
            f"the folder {str(path)!r} cannot be examined: {error.strerror}; set {VARIABLE} to "
            "another one"
        ) from None
    if not stat.S_ISDIR(found.st_mode):
        raise UsageError(
            f"expected a folder for the inspectors' sockets, got {str(path)!r}; remove it, or "
            f"set {VARIABLE} to another one"
        )
    if found.st_uid != os.getuid():
        raise UsageError(
            f"the folder {str(path)!r} belongs to user {found.st_uid}, and not to {os.getuid()}; "
            f"set {VARIABLE} to another one"
        )
    if found.st_mode & _OTHERS:
        from shlex import quote  # noqa: PLC0415 - with wrong permissions alone

        mode = stat.S_IMODE(found.st_mode)
        raise UsageError(
            f"others may enter the folder {str(path)!r} (mode {mode:o}), and so use what runs: "
            f"chmod 700 {quote(str(path))}"
        )


def prepared() -> Path:
    """Return the folder, after creating it if necessary.

    :raises UsageError: it cannot be created, or is not ours alone
    """
    path = folder()
    with suppress(FileExistsError):
        try:
            make(path)
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
    """Return the name of a service in the form that a socket's name has."""
    plain = (sign if (sign.isascii() and sign.isalnum()) or sign in "_.-" else "_" for sign in name)
    return "".join(plain)[:_LONGEST_NAME]


def new_path(where: Path, name: str, suffix: str = SUFFIX) -> Path:
    """Return a new path for a socket of this process.

    :param name: the name to include, of a service
    :raises UsageError: the path is too long for a socket
    """
    plain = plain_name(name)
    path = where / f"{os.getpid()}-{os.urandom(2).hex()}-{plain}{suffix}"
    require_short(path, where)
    return path


def make(path: Path) -> None:
    """Make a folder with mode 0700, whatever the umask takes away.

    :raises FileExistsError: there is something
    """
    path.mkdir(mode=0o700)
    # who had it before may remove it meanwhile
    with suppress(FileNotFoundError):
        path.chmod(0o700)


def require_short(path: Path, where: Path) -> None:
    """Refuse a path that is too long for a socket.

    :param where: the folder, for the message
    :raises UsageError: it is too long
    """
    size = len(os.fsencode(path))
    if size > _MAX_PATH_BYTES:
        raise UsageError(
            f"the folder '{cut(str(where))}' is too long for a socket's path: expected "
            f"{_MAX_PATH_BYTES} bytes at most, got {size}; set {VARIABLE} to a shorter one"
        )


def listening(path: Path) -> socket.socket:
    """Return a socket that listens at a path.

    :raises UsageError: it cannot be created there
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


def inspector_sockets(where: Path) -> list[InspectorSocket]:
    """Return the inspectors' sockets in a folder, sorted by process, including stale ones.

    :raises OSError: the folder cannot be read
    """
    found = []
    for path in where.iterdir():
        pid, _, rest = path.name.partition("-")
        name = rest.partition("-")[2]
        if path.suffix == SUFFIX and pid.isdecimal() and name:
            found.append(InspectorSocket(path, int(pid), name.removesuffix(SUFFIX)))
    return sorted(found, key=lambda one: (one.pid, one.path.name))


def is_refused(path: Path) -> bool:
    """Return True if nobody listens at a socket any more; a silent process still listens."""
    trying = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    with trying:
        code = trying.connect_ex(str(path))
    return code in {errno.ECONNREFUSED, errno.ENOENT}


def remove_if_stale(path: Path) -> bool:
    """Remove a socket at which nobody listens any more, and the sockets of its process's streams.

    :returns: True if it is gone; False if somebody listens, or if it may just have been created
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


def remove_of_ended(pid: int) -> None:
    """Remove the sockets that a process has left, which has just ended; errors are ignored.

    A process of that number may run in another container that shares the folder.
    """
    with suppress(OSError):
        for path in folder().glob(f"{pid}-*"):
            if path.suffix in {SUFFIX, STREAM_SUFFIX} and is_refused(path):
                path.unlink(missing_ok=True)
