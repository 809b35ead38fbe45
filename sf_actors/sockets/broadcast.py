"""Sending to whoever subscribes, with what is lost by a full queue counted.

A publishing socket has XPUB_NODROP set: a full queue fails a send, instead of losing the message
without a word.
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
    """Send what a full queue has refused, and count it if one is still full.

    Runs in the thread that may use the socket. libzmq asks no full queue again before it has room,
    so this counts the first message that one lacks.
    """
    # a queue may have been emptied: libzmq takes such news in once in a while, or when asked
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
