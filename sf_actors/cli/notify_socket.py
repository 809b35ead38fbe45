"""Reports to systemd as a unit of `Type=notify`, over `NOTIFY_SOCKET` (see sd_notify(3))."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import Final

from sf_actors.lifecycle.residents import RESIDENTS

VARIABLE: Final = "NOTIFY_SOCKET"

#: How long systemd may take to make room for a message, in seconds.
PATIENCE_S: Final = 1.0


def notify(message: str) -> None:
    """Send a message if `NOTIFY_SOCKET` is set; any thread, never raises."""
    address = os.environ.get(VARIABLE, "")
    if not address.startswith(("/", "@")):
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.settimeout(PATIENCE_S)
        client.connect(address)
        client.send(message.encode())


def notify_systemd() -> None:
    """Notify systemd when the service of this process is READY, and when its stop begins."""
    before = RESIDENTS.on_ready

    def on_ready(name: str) -> None:
        notify("READY=1")
        if before is not None:
            before(name)

    RESIDENTS.on_ready = on_ready
    RESIDENTS.on_stopping = lambda: notify("STOPPING=1")
