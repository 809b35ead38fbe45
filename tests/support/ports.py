"""Ports for those who must be told one: the kernel gives them, and nobody else gets them."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def held_port() -> Iterator[int]:
    """Give a port of the loopback interface that is one's own until the block ends.

    A socket of ours is bound to it but does not listen: who connects is refused, the kernel gives
    the port to nobody, and who binds that very one with SO_REUSEADDR, as libzmq does, gets it.
    """
    with socket.socket() as holding:
        holding.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holding.bind(("127.0.0.1", 0))
        port: int = holding.getsockname()[1]
        yield port
