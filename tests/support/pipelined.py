"""A socket that sends requests without waiting for earlier replies."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import zmq

from tests.support.bare_sockets import bare, packed, unpacked
from tests.support.models import endpoint_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sf_actors import Service
    from tests.support.bare_sockets import Socket


@contextmanager
def dealer(served: Service, name: str = "it") -> Iterator[Socket]:
    """Open such a socket, connected to a replyer of a service."""
    with bare(zmq.DEALER, connect=endpoint_of(served, name)) as socket:
        yield socket


def send(socket: Socket, **args: Any) -> None:
    socket.send_multipart([b"", packed({"args": args})])


def answer(socket: Socket) -> Any:
    return unpacked(socket.recv_multipart()[-1])
