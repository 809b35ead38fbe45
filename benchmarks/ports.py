"""Free ports, for those who cannot be told to take one."""

from __future__ import annotations

import random
import socket

#: Ports below those that systems give to who asks for any: nobody gets one by chance while it waits
#: to be bound.
RANGE = range(15_000, 32_000)


def free_port() -> int:
    """Return a port of the loopback interface that was free a moment ago."""
    drawn = random.SystemRandom()
    while True:
        port = drawn.choice(RANGE)
        try:
            socket.create_server(("127.0.0.1", port), reuse_port=False).close()
        except OSError:
            continue
        return port
