"""Monitors: the sockets on which libzmq tells what becomes of another socket's connections."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import zmq

if TYPE_CHECKING:
    from sf_actors.sockets.frames import Socket

#: The pause of libzmq before it reconnects where a requester does it itself: for ever.
NEVER_MS = 2**31 - 1

#: How long a host may take to accept a connection that is monitored, in milliseconds.
CONNECT_TIMEOUT_MS = 3_000

#: What a requester is told of its connection.
CONNECTION_EVENTS = (
    zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_DISCONNECTED
    | zmq.EVENT_CLOSED
)

#: What is told of a connection that libzmq makes anew itself.
RETRY_EVENTS = zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_CONNECT_RETRIED

#: Numbers the monitors. pyzmq names a monitor after its socket's descriptor. In libzmq 4.3.5
#: another socket may get that descriptor before the first monitor is gone, and would then get no
#: monitor to wait for.
_numbers = itertools.count()


def new_address(purpose: str) -> str:
    """Return an address for a monitor that no other has."""
    return f"inproc://{purpose}-{next(_numbers)}"


def opened(monitored: Socket, address: str) -> Socket:
    """Open the socket on which the events at an address are read.

    :raises ZMQError: no descriptor is left
    """
    # a bare one: pyzmq would keep its own with the socket
    events: Socket = zmq.Socket(monitored.context, zmq.PAIR)
    # without a bound, so that libzmq's thread never waits for a reader; each connection that is
    # made tells a handful of events
    events.setsockopt(zmq.RCVHWM, 0)
    events.setsockopt(zmq.LINGER, 0)
    events.connect(address)
    return events


def stop(monitored: Socket) -> None:
    """Tell of a socket no longer; in the thread that owns it, before the events are closed.

    Without a reader libzmq's thread would wait for one for ever with the next event, and all other
    connections of the process with it: a peer that leaves just then is enough.
    """
    if not monitored.closed:
        monitored.monitor(None, 0)
