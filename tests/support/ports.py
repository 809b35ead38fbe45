"""Free ports for servers that cannot choose one themselves, reserved until they are used."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def held_port() -> Iterator[int]:
    """Yield a port that is reserved until the block ends, on all interfaces.

    A socket of ours is bound to it but does not listen. So connections are refused, the kernel
    gives the port to nobody else, and a bind with SO_REUSEADDR, as by libzmq, succeeds.
    """
    with socket.socket() as holding:
        holding.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # service_framework listens on all of them, where another socket may have the port of one
        holding.bind(("", 0))
        port: int = holding.getsockname()[1]
        yield port
