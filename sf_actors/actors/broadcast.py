"""Sending to whoever subscribes, with what is lost by a full queue counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import zmq

from sf_actors.actors.frames import NOBLOCK, send_frame

if TYPE_CHECKING:
    from sf_actors.actors.transport import Socket
    from sf_actors.counters import Counters

_NODROP: Final = int(zmq.XPUB_NODROP)


def broadcast(socket: Socket, frame: bytes, counters: Counters) -> None:
    """Send through an XPUB socket with XPUB_NODROP set; in the thread that may use it.

    A full queue fails such a send, instead of losing the message without a word.
    """
    try:
        send_frame(socket, frame, NOBLOCK)
    except zmq.Again:
        send_to_who_has_room(socket, frame, counters)


def send_to_who_has_room(socket: Socket, frame: bytes, counters: Counters) -> None:
    """Send what a full queue has refused, and count it if one is still full.

    libzmq asks no full queue again before it has room, so this counts the first message that one
    lacks.
    """
    # a queue may have been emptied: libzmq takes such news in once in a while, or when asked
    socket.getsockopt(zmq.EVENTS)
    try:
        socket.send(frame, NOBLOCK)
    except zmq.Again:
        counters.drop("queue_full")
        socket.setsockopt(_NODROP, 0)
        socket.send(frame, NOBLOCK)
        socket.setsockopt(_NODROP, 1)
