"""A fence: proof that libzmq's own thread has ended what it was doing."""

from __future__ import annotations

import zmq

from sf_actors.sockets.contexts import require_descriptors

#: A place that nobody can be at: to connect to it fails at once.
_NOWHERE = "ipc:///dev/null/nowhere"

#: How long a failed attempt is not repeated, in milliseconds: longer than any fence takes.
_REPEAT_MS = 3_600_000

#: How long libzmq's thread may take, in seconds; far longer than it takes.
TIMEOUT_S = 10

_DESCRIPTORS = 8


class Fence:
    """Makes one thread wait for another, the only one of a context that serves connections.

    That thread does one thing after the other. What it is given to do here, an attempt to connect
    that fails, is therefore done after all that it had begun before. It needs no descriptor that
    stays, and no peer takes part in it.

    :param context: one with a single thread for its connections
    :raises BindError: no descriptor is left
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        require_descriptors(_DESCRIPTORS, where="the authenticator")
        self._socket = context.socket(zmq.PUSH)
        try:
            self._socket.linger = 0
            self._socket.immediate = True
            self._socket.reconnect_ivl = _REPEAT_MS
            self._events = self._socket.get_monitor_socket(zmq.EVENT_CONNECT_RETRIED)
        except BaseException:
            self._socket.close()
            raise

    def wait(self) -> None:
        """Return when libzmq's thread has ended what it was doing when this was called.

        :raises TimeoutError: it takes too long; the fence cannot be used any more
        """
        self._socket.connect(_NOWHERE)
        if not self._events.poll(TIMEOUT_S * 1_000):
            raise TimeoutError(f"libzmq's thread did nothing for {TIMEOUT_S} s")
        self._events.recv_multipart()
        self._socket.disconnect(_NOWHERE)

    def close(self) -> None:
        """Close its sockets; may be called twice."""
        if not self._socket.closed:
            self._socket.disable_monitor()
            self._events.close(linger=0)
            self._socket.close(linger=0)
