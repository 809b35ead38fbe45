"""Folders of CURVE keys, and raw sockets that try to connect with them."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

import zmq
from zmq.auth import load_certificate
from zmq.utils.monitor import recv_monitor_message

from sf_actors.sockets.keys import new_pair

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: How long an attempt may take until its end is known, in milliseconds; far more than it takes.
PATIENCE_MS = 20_000

_FAILED = (
    zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_DISCONNECTED
    | zmq.EVENT_CONNECT_RETRIED
)


class Keyring:
    """A folder as `--keys` takes it, with a pair of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        new_pair("own", folder)
        (folder / "authorized").mkdir(0o700)
        (folder / "servers").mkdir(0o700)

    @property
    def public(self) -> bytes:
        return load_certificate(self.folder / "own.key")[0]

    @property
    def secret(self) -> bytes:
        return load_certificate(self.folder / "own.key_secret")[1] or b""

    def authorize(self, other: Keyring) -> None:
        """Let another connect to us."""
        shutil.copy(other.folder / "own.key", self._authorized(other))

    def banish(self, other: Keyring) -> None:
        """Let another connect no more."""
        self._authorized(other).unlink()

    def trust(self, server: Keyring, model: str = "default") -> None:
        """Take a server for the one that a model connects to."""
        shutil.copy(server.folder / "own.key", self.folder / "servers" / f"{model}.key")

    def _authorized(self, other: Keyring) -> Path:
        return self.folder / "authorized" / f"{other.folder.name}.key"


class Knocker:
    """Raw sockets that connect and tell whether they got in."""

    def __init__(self) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()

    def close(self) -> None:
        self._context.destroy(linger=0)

    def socket(
        self, kind: int, *, own: Keyring | None = None, server: Keyring | None = None
    ) -> zmq.Socket[bytes]:
        """Open a socket: CURVE with two keyrings, NULL with none."""
        opened = self._context.socket(kind)
        opened.linger = 0
        if own is not None and server is not None:
            opened.curve_publickey, opened.curve_secretkey = own.public, own.secret
            opened.curve_serverkey = server.public
        return opened

    def gets_in(self, knocking: zmq.Socket[bytes], address: str) -> bool:
        """Return whether the first attempt of a socket to connect succeeds; closes it."""
        with watched(knocking, zmq.EVENT_HANDSHAKE_SUCCEEDED | _FAILED) as monitor:
            knocking.connect(address)
            assert monitor.poll(PATIENCE_MS), "nothing happened"
            return bool(recv_monitor_message(monitor)["event"] == zmq.EVENT_HANDSHAKE_SUCCEEDED)

    def gets_in_at_last(self, knocking: zmq.Socket[bytes], address: str) -> bool:
        """Return whether a socket gets in sooner or later, trying again and again; closes it."""
        with watched(knocking, zmq.EVENT_HANDSHAKE_SUCCEEDED) as monitor:
            knocking.connect(address)
            return bool(monitor.poll(PATIENCE_MS))


@contextmanager
def watched(socket: zmq.Socket[bytes], events: int) -> Iterator[zmq.Socket[bytes]]:
    """Give the monitor of a socket, and close both."""
    monitor = socket.get_monitor_socket(events)
    try:
        yield monitor
    finally:
        socket.disable_monitor()
        monitor.close()
        socket.close()
