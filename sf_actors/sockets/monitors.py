"""Monitors: the sockets on which libzmq tells what becomes of another socket's connections."""

from __future__ import annotations

import itertools
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import zmq

if TYPE_CHECKING:
    from collections.abc import Callable

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


def opened(monitored: Socket, purpose: str, mask: int) -> Socket:
    """Open the socket on which a socket's events are read; in the thread that owns it.

    It is there before libzmq tells of anything: without a reader its thread would wait for one.

    :param purpose: a word for the address, which no other monitor has
    :raises ZMQError: no descriptor is left
    """
    address = f"inproc://{purpose}-{next(_numbers)}"
    # a bare one: pyzmq would keep its own with the socket
    events: Socket = zmq.Socket(monitored.context, zmq.PAIR)
    # without a bound, so that libzmq's thread never waits for it to be read; each connection that
    # is made tells a handful of events
    events.setsockopt(zmq.RCVHWM, 0)
    events.setsockopt(zmq.LINGER, 0)
    try:
        events.connect(address)
        monitored.monitor(address, mask)
    except BaseException:
        events.close()
        raise
    return events


def stop(monitored: Socket) -> None:
    """Tell of a socket no longer; in the thread that owns it, before the events are closed.

    Without a reader libzmq's thread would wait for one for ever with the next event, and all other
    connections of the process with it: a peer that leaves just then is enough.
    """
    if not monitored.closed:
        monitored.monitor(None, 0)


def await_closed(events: Socket, close: Callable[[], object], wait_ms: int) -> None:
    """Close the socket that events tell of, and wait until libzmq's thread has done so.

    :param events: as opened for `EVENT_CLOSED`; any will do: it is closed, or the monitor has ended
    :param wait_ms: how long to wait; the events are closed later where that is not enough
    """
    events.rcvtimeo = wait_ms
    try:
        close()
        events.recv()
    except BaseException as error:
        # closed now, it would have libzmq's thread wait for a reader for ever: see `stop`
        _close_when_told(events)
        if not isinstance(error, zmq.Again):
            raise
    else:
        events.close()


def _close_when_told(events: Socket) -> None:
    def wait() -> None:
        events.rcvtimeo = -1
        with suppress(zmq.ZMQError):
            events.recv()
        events.close()

    with suppress(RuntimeError):
        # without a thread to be had it stays
        threading.Thread(target=wait, name="monitor", daemon=True).start()
