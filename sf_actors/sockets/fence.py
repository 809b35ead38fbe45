"""A fence: waits until libzmq's own thread has finished its current work."""

from __future__ import annotations

import zmq

from sf_actors.sockets.contexts import require_descriptors

#: An impossible path: connecting to it fails at once.
_NOWHERE = "ipc:///dev/null/nowhere"

#: Pause before libzmq repeats a failed attempt, in milliseconds: longer than any fence lasts.
_REPEAT_MS = 3_600_000

#: How long libzmq's thread may take, in seconds; far longer than it needs.
TIMEOUT_S = 10

_DESCRIPTORS = 8


class Fence:
    """Makes the calling thread wait for a context's only I/O thread.

    The I/O thread works through its commands in order. The fence gives it one that fails, an
    attempt to connect: its failure proves that all earlier commands are done. No descriptor stays
    open, and no peer is involved.

    :param context: one with a single I/O thread
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
        """Wait until libzmq's thread has finished all work it had before this call.

        :raises TimeoutError: it takes too long; the fence can no longer be used
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
