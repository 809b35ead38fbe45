"""CURVE keys: pyzmq's certificate files in a folder.

::

    DIR/own.key_secret          the service's own pair; readable by its owner alone
    DIR/authorized/*.key        public keys of peers that may connect
    DIR/servers/<model>.key     public key of the server that the model connects to; of a name that
                                a connection and a state have, connections.<model>.key and
                                states.<model>.key come before it; else
    DIR/servers/default.key

Every key is 40 characters of Z85 (ZeroMQ's RFC 32). Folders and files must belong to us or to root
and be writable for nobody else, since write access to a key means the power to admit peers.
"""

from __future__ import annotations

import codecs
import os
import re
import shlex
import stat
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from zmq import curve_public
from zmq.auth import create_certificates

from sf_actors.errors import KeysError
from sf_actors.folders import make_folder
from sf_actors.log import package_logger
from sf_actors.wording import reason_of

LOG = package_logger()

#: Kinds of models, which may precede a model's name.
KINDS: Final = ("connections", "states")

#: Largest key file, in bytes; pyzmq's files have some 400.
MAX_FILE_BYTES = 16_384

#: Age of a file's last change from which on its key is cached, in nanoseconds. Two changes within
#: one tick of the file system's clock leave the same times, so a second change soon after the first
#: would go unnoticed. Clocks of network file systems tick every second or two.
SETTLED_NS = 3_000_000_000

#: How long a fault that has gone is remembered, so as not to be logged again, in seconds.
LOGGED_AGAIN_S = 5.0

_KEY = re.compile(rb"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")
#: Z85 writes four bytes as five of these digits (rfc.zeromq.org/spec/32): 85**5 exceeds 2**32.
_DIGITS = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
_IN_ORDER = bytes.maketrans(_DIGITS, bytes(range(85)))
_MOST = b"%nSc0".translate(_IN_ORDER)
_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_FOR_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def new_pair(name: str, folder: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Write a new pair of keys, NAME.key and NAME.key_secret, and return their paths.

    The secret file is created with mode 0600.

    :param folder: the target; it is made with mode 0700 if it does not exist
    :raises KeysError: the name is invalid, or a file exists already or cannot be written
    """
    if not isinstance(name, str) or name.strip() != name or not name or name.startswith("."):
        raise KeysError(f"keys new: expected a name such as 'own', got {name!r}")
    if any(not character.isprintable() or character in r"\/:" for character in name):
        raise KeysError(f"keys new: expected a name without a path, got {name!r}; use --dir for it")
    target = Path(folder)
    pair = (target / f"{name}.key", target / f"{name}.key_secret")
    try:
        # no key would be accepted from a folder that others may write to
        make_folder(target, 0o700)
        # pyzmq writes with the umask's mode; into this folder (0700) nobody else can look.
        with TemporaryDirectory(prefix=".new-", dir=target) as private:
            made = [Path(path).read_bytes() for path in create_certificates(private, name)]
        _create(pair[1], made[1], 0o600)
        try:
            _create(pair[0], made[0], 0o644)
        except BaseException:
            pair[1].unlink(missing_ok=True)
            raise
    except FileExistsError as fault:
        raise KeysError(
            f"keys new: {fault.filename} is there already and is not overwritten;"
            " choose another name or remove it"
        ) from fault
    except (OSError, ValueError) as fault:
        raise KeysError(f"keys new: cannot write {pair[1]}: {reason_of(fault)}") from fault
    return pair


def _create(path: Path, content: bytes, mode: int) -> None:
    # the mode is set on creation, since a later chmod would leave the file readable for a moment
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


class _Seen(NamedTuple):
    """The content of a file: a public key, or why it has none."""

    #: attributes of which one changes when the file is changed or replaced
    version: tuple[int, ...]
    key: bytes
    fault: str


class Authorized:
    """The public keys of peers that may connect; files are parsed again only when changed.

    Each call checks every file's own status, since a folder's mtime may lag behind its content. One
    thread at a time may use it.

    :param root: the folder of all keys, the parent of the one that is read
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = root / "authorized"
        self._seen: dict[str, _Seen] = {}
        #: by path: the fault that was logged, and when it was last there
        self._logged: dict[str, tuple[str, float]] = {}

    def keys(self) -> frozenset[bytes]:
        """Return the public keys that the folder has now, Z85.

        Files that are unreadable, or that others can change, admit nobody. One WARNING is logged
        for each, since strangers can cause any number of calls.
        """
        trouble: dict[str, str] = {}
        try:
            _require_ours(self._root, self._root.stat())
            found = self._look(trouble)
        except (OSError, KeysError) as fault:
            found = {}
            reason = _unread(self._folder, fault) if isinstance(fault, OSError) else str(fault)
            trouble[str(self._folder)] = f"{reason}; until then nobody may connect"
        self._log_trouble(trouble)
        return frozenset(found.values())

    def _look(self, trouble: dict[str, str]) -> dict[str, bytes]:
        """Return the keys by file name; faults are added to `trouble` by path."""
        found: dict[str, bytes] = {}
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            _require_ours(self._folder, os.fstat(folder))
            before, self._seen = self._seen, {}
            # by descriptor, so that the listed folder is the checked one; look-ups are faster too
            with os.scandir(folder) as entries:
                for entry in entries:
                    if not entry.name.endswith(".key"):
                        continue
                    try:
                        found[entry.name] = self._key_of(entry, before.get(entry.name))
                    except FileNotFoundError as fault:
                        if entry.is_symlink():  # else it was removed since
                            trouble[entry.name] = _unread(self._folder / entry.name, fault)
                    except OSError as fault:
                        trouble[entry.name] = _unread(self._folder / entry.name, fault)
                    except KeysError as fault:
                        trouble[entry.name] = str(fault)
        finally:
            os.close(folder)
        return found

    def _key_of(self, entry: os.DirEntry[str], seen: _Seen | None) -> bytes:
        now = time.time_ns()
        status = entry.stat()
        version = (
            *(status.st_dev, status.st_ino, status.st_size, status.st_mode, status.st_uid),
            *(status.st_mtime_ns, status.st_ctime_ns),
        )
        if seen is None or seen.version != version:
            seen = self._parsed(self._folder / entry.name, version)
            is_settled = status.st_ctime_ns < now - SETTLED_NS
        else:
            is_settled = True
        if is_settled:
            self._seen[entry.name] = seen
        if seen.fault:
            raise KeysError(seen.fault)
        return seen.key

    @staticmethod
    def _parsed(path: Path, version: tuple[int, ...]) -> _Seen:
        try:
            return _Seen(version, _read(path)[0], "")
        except KeysError as fault:
            if isinstance(fault.__cause__, OSError):  # may pass without a change of the file
                raise
            return _Seen(version, b"", str(fault))

    def _log_trouble(self, trouble: dict[str, str]) -> None:
        if not trouble and not self._logged:
            return
        now = time.monotonic()
        for place, reason in trouble.items():
            if self._logged.get(place, ("", 0.0))[0] != reason:
                LOG.warning("keys left out", reason=reason)
            self._logged[place] = (reason, now)
        # kept for a while: a flood that takes all descriptors makes faults come and go
        for place, (_, last) in list(self._logged.items()):
            if place not in trouble and now - last > LOGGED_AGAIN_S:
                del self._logged[place]


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one service, read from its folder.

    :param own_public: our public key, Z85
    :param own_secret: our secret key, Z85
    """

    folder: Path
    own_public: bytes
    own_secret: bytes = field(repr=False)
    _authorized: Authorized = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_authorized", Authorized(self.folder))

    def authorized(self) -> frozenset[bytes]:
        """Return the public keys of peers that may connect, as the folder has them now.

        Files that are unreadable, or that others can change, admit nobody and cause one WARNING.
        One thread at a time may call it.
        """
        return self._authorized.keys()

    def server_key(self, model_name: str) -> bytes:
        """Return the public key of the server that a model connects to, Z85.

        :param model_name: with or without its kind: 'orders', 'connections/orders', 'states/orders'
        :raises KeysError: the folder has no key for it, or one that is unreadable or that others
            can change
        """
        servers = self.folder / "servers"
        kind, _, name = model_name.partition("/")
        if kind not in KINDS:
            kind, name = "", model_name
        own, default = servers / f"{name}.key", servers / "default.key"
        of_kind = servers / f"{kind}.{name}.key"
        paths = (of_kind, own, default) if kind else (own, default)
        for path in paths if own.parent == servers else (default,):
            if _is_there(path):
                _require_folder(self.folder)
                _require_folder(servers)
                return _read(path)[0]
        raise KeysError(
            f"keys: {name!r} connects to a server, but its key is neither {own} nor {default};"
            " copy the server's public .key file there"
        )


def load(folder: str | os.PathLike[str]) -> Keys:
    """Return the keys of a folder.

    :raises KeysError: the folder or its own.key_secret is missing or unusable, own.key_secret is
        readable for others, or one of the folders and files is writable for others
    """
    root = Path(folder)
    path = root / "own.key_secret"
    if not (_is_there(root) and root.is_dir()):
        raise KeysError(f"keys: expected a folder, there is none at {_named(root)}")
    _require_folder(root)
    if not _is_there(path):
        raise KeysError(
            f"keys: {_named(path)} is missing;"
            f" make it with: python -m sf_actors keys new own --dir {_named(root)}"
        )
    public, secret = _read(path, is_secret=True)
    if secret is None:
        raise KeysError(
            f"keys: {_named(path)} has no secret key; it seems to be a public .key file"
        )
    if curve_public(secret) != public:
        raise KeysError(f"keys: the two keys in {_named(path)} are not a pair; make a new file")
    for place in (root / "authorized", root / "servers"):
        if place.exists():
            _require_content(place)
    return Keys(root, public, secret)


def _require_content(folder: Path) -> None:
    """Raise KeysError if others can change the folder or a key file in it."""
    _require_folder(folder)
    try:
        for path in sorted(folder.iterdir()):
            if path.suffix == ".key":
                # a missing key is reported when a model needs it
                with suppress(FileNotFoundError):
                    _require_ours(path, path.stat())
    except OSError as fault:
        raise KeysError(_unread(folder, fault)) from fault


def _require_folder(folder: Path) -> None:
    try:
        _require_ours(folder, folder.stat())
    except OSError as fault:
        raise KeysError(_unread(folder, fault)) from fault


def _require_ours(path: Path, status: os.stat_result) -> None:
    """Raise KeysError if anyone but us and root can change the file with this status."""
    mode = status.st_mode
    if status.st_uid not in (0, os.geteuid()):
        raise KeysError(
            f"keys: {_named(path)} belongs to another user (uid {status.st_uid}), who can change"
            f" it; run: chown {os.geteuid()} {_named(path)}"
        )
    if mode & _BY_OTHERS:
        raise KeysError(
            f"keys: {_named(path)} has mode {stat.S_IMODE(mode):04o}, so that others"
            f" can change it; run: chmod go-w {_named(path)}"
        )


def _is_there(path: Path) -> bool:
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    except (OSError, ValueError) as fault:
        raise KeysError(_unread(path, fault)) from fault
    return True


def _read(path: Path, *, is_secret: bool = False) -> tuple[bytes, bytes | None]:
    """Return the public key of a file, and its secret key or None.

    :raises KeysError: it is unreadable, is not a key file, or others can change it
    """
    try:
        # without O_NONBLOCK, opening a named pipe that has no writer would block for ever
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise KeysError(f"keys: {_named(path)} is no regular file; expected a key file")
            if is_secret and status.st_mode & _FOR_OTHERS:
                raise KeysError(
                    f"keys: {_named(path)} has mode {stat.S_IMODE(status.st_mode):04o}, so that"
                    f" others can use it; run: chmod 600 {_named(path)}"
                )
            _require_ours(path, status)
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                content = file.read(MAX_FILE_BYTES + 1)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as fault:
        raise KeysError(_unread(path, fault)) from fault
    if len(content) > MAX_FILE_BYTES:
        raise KeysError(
            f"keys: {_named(path)} has more than {MAX_FILE_BYTES} bytes; expected a key file"
        )
    return _parse(path, content)


def _parse(path: Path, content: bytes) -> tuple[bytes, bytes | None]:
    found: dict[bytes, bytes] = {}
    for line in content.removeprefix(codecs.BOM_UTF8).splitlines():
        name, _, value = line.partition(b"=")
        if (half := name.strip()) in (b"public-key", b"secret-key"):
            if half in found:
                raise KeysError(f"keys: {_named(path)} has two lines with a {half.decode()}")
            found[half] = value.strip(b" \t'\"")
    if b"public-key" not in found:
        raise KeysError(f"keys: {_named(path)} has no line with a public-key; expected a key file")
    if not all(map(_is_key, found.values())):
        raise KeysError(f"keys: {_named(path)} has a key that is not 40 characters of Z85")
    return found[b"public-key"], found.get(b"secret-key")


def _is_key(text: bytes) -> bool:
    if not _KEY.fullmatch(text):
        return False
    digits = text.translate(_IN_ORDER)
    return all(digits[at : at + 5] <= _MOST for at in range(0, 40, 5))


def _unread(path: Path, fault: Exception) -> str:
    return f"keys: cannot read {_named(path)}: {reason_of(fault)}"


def _named(path: Path) -> str:
    """Return a path on one line, quoted where a shell needs it."""
    text = str(path)
    return shlex.quote(text) if text.isprintable() else repr(text)
