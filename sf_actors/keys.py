"""CURVE keys: pyzmq's certificate files in a folder.

::

    DIR/own.key_secret          who we are; readable by its owner alone
    DIR/authorized/*.key        who may connect to us
    DIR/servers/<model>.key     whom the model connects to, else
    DIR/servers/default.key

Every key is 40 characters of Z85, the form of ZeroMQ's RFC 32.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from zmq import curve_public
from zmq.auth import create_certificates, load_certificate

from sf_actors.errors import KeysError
from sf_actors.log import get_logger

LOG = get_logger()

_KEY = re.compile(rb"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")


def new_pair(name: str, folder: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Write a new pair of keys, NAME.key and NAME.key_secret, and return their paths.

    The secret half has mode 0600 from the first moment on.

    :param folder: where to; it is made if it is not there
    :raises KeysError: the name cannot be one, a file is there already, or cannot be written
    """
    if not isinstance(name, str) or name.strip() != name or not name or name.startswith("."):
        raise KeysError(f"keys new: expected a name such as 'own', got {name!r}")
    if any(not character.isprintable() or character in r"\/:" for character in name):
        raise KeysError(f"keys new: expected a name without a path, got {name!r}; use --dir for it")
    target = Path(folder)
    pair = (target / f"{name}.key", target / f"{name}.key_secret")
    try:
        target.mkdir(parents=True, exist_ok=True)
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
        raise KeysError(f"keys new: cannot write {pair[1]}: {_reason(fault)}") from fault
    return pair


def _create(path: Path, content: bytes, mode: int) -> None:
    # The mode is given with the creation: a chmod after it would come too late.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one service, read from its folder.

    :param own_public: our public key, Z85
    :param own_secret: our secret key, Z85
    """

    folder: Path
    own_public: bytes
    own_secret: bytes = field(repr=False)
    _told: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    def authorized(self) -> frozenset[bytes]:
        """Return the public keys of those who may connect to us, as the folder has them now.

        What cannot be read admits nobody; a WARNING tells it once, since strangers can cause calls
        of this as often as they like.
        """
        folder = self.folder / "authorized"
        admitted, trouble = set(), {}
        try:
            for path in sorted(path for path in folder.iterdir() if path.suffix == ".key"):
                try:
                    admitted.add(_read(path)[0])
                except KeysError as fault:
                    trouble[str(path)] = str(fault)
        except OSError as fault:
            trouble[str(folder)] = (
                f"keys: cannot read {folder}, nobody may connect: {_reason(fault)}"
            )
        for place, reason in trouble.items():
            if self._told.get(place) != reason:
                LOG.warning("keys left out", path=place, reason=reason)
        self._told.clear()
        self._told.update(trouble)
        return frozenset(admitted)

    def server_key(self, model_name: str) -> bytes:
        """Return the public key of the server that a model connects to, Z85.

        :raises KeysError: the folder has no key for it, or one that cannot be read
        """
        servers = self.folder / "servers"
        own, default = servers / f"{model_name}.key", servers / "default.key"
        for path in (own, default) if own.parent == servers else (default,):
            try:
                path.stat()
            except FileNotFoundError:
                continue
            except OSError as fault:
                raise KeysError(f"keys: cannot read {path}: {_reason(fault)}") from fault
            return _read(path)[0]
        raise KeysError(
            f"keys: {model_name!r} connects to a server, whose key is neither {own} nor {default};"
            " copy the server's public .key file there"
        )


def load(folder: str | os.PathLike[str]) -> Keys:
    """Return the keys of a folder.

    :raises KeysError: the folder or its own.key_secret is missing, cannot be used, or can be read
        by others than its owner
    """
    root = Path(folder)
    if not root.is_dir():
        raise KeysError(f"keys: expected a folder, there is none at {root}")
    path = root / "own.key_secret"
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as fault:
        raise KeysError(
            f"keys: {path} is missing; make it with: python -m sf_actors keys new own --dir {root}"
        ) from fault
    except OSError as fault:
        raise KeysError(f"keys: cannot read {path}: {_reason(fault)}") from fault
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise KeysError(
            f"keys: {path} has mode {stat.S_IMODE(mode):04o}, so that others than its owner can use"
            f" it; run: chmod 600 {path}"
        )
    public, secret = _read(path)
    if secret is None:
        raise KeysError(f"keys: {path} has no secret key; it seems to be a public .key file")
    if curve_public(secret) != public:
        raise KeysError(f"keys: the two keys in {path} are not a pair; make a new file")
    return Keys(root, public, secret)


def _read(path: Path) -> tuple[bytes, bytes | None]:
    try:
        public, secret = load_certificate(path)
    except (OSError, ValueError, IndexError) as fault:
        raise KeysError(f"keys: cannot read {path}: {_reason(fault)}") from fault
    for key in (public, secret):
        if key is not None and not _KEY.fullmatch(key):
            raise KeysError(f"keys: {path} has a key that is not 40 characters of Z85")
    return public, secret


def _reason(fault: Exception) -> str:
    return str(getattr(fault, "strerror", None) or fault)
