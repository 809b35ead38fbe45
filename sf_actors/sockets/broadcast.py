"""Sends to all subscribers, and counts messages that a full queue loses.

A publishing socket has XPUB_NODROP set, so that a full queue fails a send instead of losing the
message silently.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import zmq

from sf_actors.sockets.frames import NOBLOCK

if TYPE_CHECKING:
    from sf_actors.counters import Counters
    from sf_actors.sockets.frames import Socket

_NODROP: Final = int(zmq.XPUB_NODROP)


def send_to_who_has_room(socket: Socket, frame: bytes, counters: Counters) -> None:
    """Send a frame that a full queue has refused; if it is still full, count it and skip the queue.

    Runs in the thread that may use the socket. libzmq skips a full queue until it has room again,
    so this counts only the first message that a subscriber loses.
    """
    # a queue may have room again: reading EVENTS makes libzmq notice it now
    socket.getsockopt(zmq.EVENTS)
    try:
        socket.send(frame, NOBLOCK)
    except zmq.Again:
        counters.drop("queue_full")
        socket.setsockopt(_NODROP, 0)
        try:
            socket.send(frame, NOBLOCK)
        finally:
            socket.setsockopt(_NODROP, 1)
