"""A call with a deadline, written by hand on bare sockets, with nothing that is not needed for it.

What a call of ours has beside a bare REQ and REP socket: the caller waits no longer than its
deadline and may go on after it, so calls have ids and late replies are left out; it may be made in
any thread; the replyer has many callers, checks what came, answers an exception of the handler, and
can be woken while it waits.
"""

from __future__ import annotations

import os
import threading
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING, Any

import msgspec
import zmq

from benchmarks.raw import raw_socket
from benchmarks.timing import measured

if TYPE_CHECKING:
    from benchmarks.link import Link

TIMEOUT_S = 5.0


class Echo(msgspec.Struct):
    """The message in both directions."""

    n: int


class Replyer:
    """A ROUTER socket and the handler of an echo."""

    def __init__(self) -> None:
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(Echo).decode
        self._socket = raw_socket(zmq.ROUTER)
        self.port = self._socket.bind_to_random_port("tcp://127.0.0.1")
        self._wakeup = os.eventfd(0)

    def run(self) -> None:
        """Answer until woken."""
        events: Any = [(self._socket, zmq.POLLIN), (self._wakeup, zmq.POLLIN)]
        while (self._wakeup, zmq.POLLIN) not in zmq.zmq_poll(events):
            self._answer(*self._socket.recv_multipart(zmq.NOBLOCK))

    def _answer(self, peer: bytes, request: bytes, _empty: bytes, payload: bytes) -> None:
        try:
            reply = self._encode(self._handle(self._decode(payload)))
        except Exception as error:  # noqa: BLE001 - the caller's
            reply = self._encode({"error": str(error)})
        self._socket.send_multipart((peer, request, b"", reply), zmq.NOBLOCK)

    def _handle(self, message: Echo) -> Echo:
        return message


class Requester:
    """A DEALER socket, used by one thread at a time."""

    def __init__(self, port: int) -> None:
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(Echo).decode
        self._socket = raw_socket(zmq.DEALER)
        self._socket.connect(f"tcp://127.0.0.1:{port}")
        self._events = [(self._socket, zmq.POLLIN)]
        self._ids = count()
        self._lock = threading.Lock()

    def call(self, message: Echo) -> Echo:
        """Return the reply.

        :raises TimeoutError: none came in time
        """
        deadline = monotonic() + TIMEOUT_S
        payload = self._encode(message)
        with self._lock:
            wanted = b"%d" % next(self._ids)
            self._socket.send_multipart((wanted, b"", payload), zmq.NOBLOCK)
            return self._decode(self._reply(wanted, deadline))

    def _reply(self, wanted: bytes, deadline: float) -> bytes:
        while (left_s := deadline - monotonic()) > 0:
            if zmq.zmq_poll(self._events, int(left_s * 1000)):
                request, _, payload = self._socket.recv_multipart(zmq.NOBLOCK)
                if request == wanted:
                    return payload
        raise TimeoutError


def serve(link: Link) -> None:
    """Answer echoes."""
    replyer = Replyer()
    link.ready(port=replyer.port)
    replyer.run()


def ask(link: Link, port: int) -> None:
    """Call, one call after the other."""
    requester = Requester(port)

    def call() -> Any:
        return requester.call(Echo(1))

    for command in link.commands():
        link.answer(**measured(call, command))
