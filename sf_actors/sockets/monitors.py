"""Monitors: sockets on which libzmq reports events of another socket's connections."""

from __future__ import annotations

import itertools
import os
import socket
import struct
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import zmq

from sf_actors.sync.seconds import LONGEST_POLL_MS

if TYPE_CHECKING:
    from collections.abc import Callable

    from sf_actors.sockets.frames import Socket

#: libzmq's pause before it reconnects, for a requester, which reconnects itself: never.
NEVER_MS = 2**31 - 1

#: How long a host may take to accept a monitored connection, in milliseconds.
CONNECT_TIMEOUT_MS = 3_000

#: The events that a requester gets of its connection.
CONNECTION_EVENTS = (
    zmq.EVENT_CONNECTED
    | zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_DISCONNECTED
    | zmq.EVENT_CLOSED
)

#: The events of a connection that libzmq makes again itself, unless it has closed it itself.
RETRY_EVENTS = (
    zmq.EVENT_CONNECTED
    | zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_CONNECT_RETRIED
    | zmq.EVENT_DISCONNECTED
)

#: The first frame of an event: which one, and its value.
_EVENT = struct.Struct("=HI")
_CONNECTED = int(zmq.EVENT_CONNECTED)

#: SO_LINGER: a close ends the connection with a reset
_RESET = struct.pack("ii", 1, 0)

#: Numbers the monitors. pyzmq names a monitor after its socket's descriptor. In libzmq 4.3.5
#: another socket may get that descriptor before the first monitor is gone, and would then get no
#: monitor to wait for.
_numbers = itertools.count()


def opened(monitored: Socket, purpose: str, mask: int) -> Socket:
    """Open the socket on which a socket's events are read; in the thread that owns it.

    It is open before the first event: without a reader libzmq's thread would wait for one.

    :param purpose: a word for the address, which no other monitor has
    :raises ZMQError: no descriptor is left
    """
    address = f"inproc://{purpose}-{next(_numbers)}"
    # made by hand: pyzmq would keep its own monitor socket with the monitored one
    events: Socket = zmq.Socket(monitored.context, zmq.PAIR)
    # unbounded, so that libzmq's thread never waits for a reader; each connection causes only a
    # handful of events
    events.setsockopt(zmq.RCVHWM, 0)
    events.setsockopt(zmq.LINGER, 0)
    try:
        events.connect(address)
        monitored.monitor(address, mask)
    except BaseException:
        events.close()
        raise
    return events


def read(frame: bytes) -> tuple[int, bool]:
    """Return which event a monitor reports, and whether the socket has connected to itself.

    If nobody listens on a port, TCP may give it to the connecting socket and connect that to
    itself: on Linux the ports of outgoing connections are tried one after the other, so this only
    takes some thousand tries. A DEALER would greet itself and hold the port, which the server could
    no longer bind: its caller must disconnect it. The kernel then frees the port at once.

    :param frame: the event's first one
    """
    number, value = _EVENT.unpack(frame)
    return number, number == _CONNECTED and _is_to_itself(value)


def _is_to_itself(descriptor: int) -> bool:
    # libzmq may have closed the descriptor and the kernel reused it; a duplicate cannot change
    copy = -1
    try:
        copy = os.dup(descriptor)
        with socket.socket(fileno=copy) as connection:
            copy = -1
            if connection.family == socket.AF_UNIX:
                return False
            is_own = bool(connection.getsockname() == connection.getpeername())
            if is_own:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            return is_own
    except OSError:
        return False
    finally:
        if copy >= 0:
            os.close(copy)


def stop(monitored: Socket) -> None:
    """Stop monitoring a socket; in the thread that owns it, before the events are closed.

    Without a reader, libzmq's thread would wait for one for ever at the next event, and with it all
    other connections of the process: a peer that leaves just then is enough.
    """
    if not monitored.closed:
        monitored.monitor(None, 0)


def closed(monitored: Socket, close: Callable[[], object], event: int, wait_ms: int) -> None:
    """Close a socket, and wait for the event of libzmq's thread that it is done.

    :param event: any other one will do, since the monitor has ended then
    :param wait_ms: how long to wait; if that is not enough, the events are closed later
    :raises ZMQError: no descriptor is left for the events; the socket is still open
    """
    events = opened(monitored, "closed", event)
    events.rcvtimeo = min(wait_ms, LONGEST_POLL_MS)
    try:
        close()
        events.recv()
    except BaseException as error:
        # if it were closed now, libzmq's thread would wait for a reader for ever: see `stop`
        _close_after_event(events)
        if not isinstance(error, zmq.Again):
            raise
    else:
        events.close()


def _close_after_event(events: Socket) -> None:
    def wait() -> None:
        events.rcvtimeo = -1
        with suppress(zmq.ZMQError):
            events.recv()
        events.close()

    with suppress(RuntimeError):
        # if no thread can be started, the events stay open
        threading.Thread(target=wait, name="monitor", daemon=True).start()
