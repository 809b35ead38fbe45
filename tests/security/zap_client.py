"""Questions of libzmq to the authenticator, asked by a test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import zmq
from zmq.utils import z85

from sf_actors.sockets.transport import ZAP_ADDRESS
from tests.security.keyrings import PATIENCE_MS

if TYPE_CHECKING:
    from sf_actors.service import Service


class Asker:
    """Asks as libzmq does, over a socket of the service's own context."""

    def __init__(self, service: Service) -> None:
        context = service._run.state.run_context.transport.context  # type: ignore[union-attr]
        self._socket = context.socket(zmq.DEALER)
        self._socket.linger = 0
        self._socket.connect(ZAP_ADDRESS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._socket.close()

    def tell(self, *frames: bytes) -> None:
        self._socket.send_multipart(frames)

    def ask(self, *frames: bytes) -> list[bytes]:
        """Return the answer to frames that follow the empty one."""
        self.tell(b"", *frames)
        return self.answer()

    def answer(self) -> list[bytes]:
        """Return the next answer."""
        assert self._socket.poll(PATIENCE_MS)
        return self._socket.recv_multipart()


def question(key: bytes, **other: bytes) -> list[bytes]:
    parts = {
        "version": b"1.0",
        "request_id": b"7",
        "domain": b"sf_actors",
        "address": b"127.0.0.1",
        "identity": b"",
        "mechanism": b"CURVE",
        "credentials": z85.decode(key),
    }
    return list((parts | other).values())
