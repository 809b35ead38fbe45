"""Free ports, for servers that cannot choose one themselves."""

from __future__ import annotations

import socket
from typing import Final

#: Bound until the process ends, but not listening: the kernel gives these ports to nobody else, but
#: a bind with SO_REUSEADDR, as by libzmq, succeeds.
_holding: Final[list[socket.socket]] = []


def free_port() -> int:
    """Return a port on the loopback interface that the kernel gives to nobody else."""
    holding = socket.socket()
    holding.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holding.bind(("127.0.0.1", 0))
    _holding.append(holding)
    port: int = holding.getsockname()[1]
    return port
