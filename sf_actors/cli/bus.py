"""A bus: forwards messages from the publishers at one socket to the subscribers at another."""

from __future__ import annotations

import os
from time import monotonic
from typing import TYPE_CHECKING, Any

import zmq

from sf_actors.cli.signalled import signalled
from sf_actors.sockets.endpoint import parse
from sf_actors.sockets.transport import Transport
from sf_actors.sync.wakeup import Wakeup

if TYPE_CHECKING:
    from sf_actors.sockets.keys import Keys

    Socket = zmq.Socket[bytes]

#: How many messages are forwarded in one direction before the other gets its turn.
BATCH = 200

#: The creation arguments of its sockets, as in a model; a bus takes all topics.
_CREATION = {
    "high_water_mark": 1_000,
    "max_message_bytes": 64 * 1024 * 1024,
    "topic": None,
    # like a publisher at a bus: subscribers may ask for any topic of any publisher
    "is_x_pub": True,
}


class Bus:
    """An XSUB and an XPUB socket, and the loop that forwards between them.

    One thread creates, runs and closes it; any thread may call `stats` and `stop_service`.

    :param name: the name that `ps` and other verbs show
    :param keys: admit only peers whose keys are authorized
    :raises AddressError: an address is not valid
    :raises BindError: an address is taken
    """

    def __init__(self, xsub: str, xpub: str, keys: Keys | None, *, name: str = "bus") -> None:
        self._began = monotonic()
        self._name = name
        self._keys = keys
        self._transport = Transport(keys, name=name)
        self._wakeup = Wakeup()
        self._is_stopping = False
        self._passed = self._asked = 0
        self._sockets: list[Socket] = []
        self._questions: Socket | None = None
        #: where publishers connect to (`xsub`) and subscribers (`xpub`)
        self.bound: dict[str, str] = {}
        self.failure: BaseException | None = None
        try:
            if keys is not None:
                self._questions = self._opened(self._transport.questions())
            self._inward = self._bound(zmq.XSUB, xsub, "xsub")
            self._outward = self._bound(zmq.XPUB, xpub, "xpub")
        except BaseException:
            self.close()
            raise

    def run(self) -> None:
        """Forward messages and subscriptions until the stop, or a signal in the main thread."""
        with signalled() as signal_fd:
            self._pass_on_until_stop(signal_fd)

    def _pass_on_until_stop(self, signal_fd: int) -> None:
        poller = zmq.Poller()
        for one in (*self._sockets, self._wakeup.fd, signal_fd):
            poller.register(one, zmq.POLLIN)
        while not self._is_stopping:
            ready = dict(poller.poll())
            if signal_fd in ready:
                os.read(signal_fd, 1_024)
            questions, keys = self._questions, self._keys
            if questions is not None and keys is not None and questions in ready:
                _admit(questions, keys)
            if self._inward in ready:
                self._passed += _pass_on(self._inward, self._outward)
            if self._outward in ready:
                self._asked += _pass_on(self._outward, self._inward)

    def close(self) -> None:
        """Close the sockets."""
        for socket in self._sockets:
            if socket is self._questions:
                self._transport.close_questions(socket)
            else:
                self._transport.unbind(socket, linger_ms=0)
        self._sockets.clear()
        self._transport.shut(lambda: None)
        self._wakeup.close()

    @property
    def addresses(self) -> dict[str, Any]:
        """Its addresses, in the form of a service's."""
        return {"connections": {"in": dict(self.bound), "out": {}}, "states": {"in": {}, "out": {}}}

    def stats(self) -> dict[str, Any]:
        """Return its counters, in the form of a service's."""
        passed = self._passed
        phase = "STOPPING" if self._is_stopping else "READY"
        return {
            "service": self._name,
            "phase": phase,
            "uptime_s": monotonic() - self._began,
            "router": {"queued": 0, "handled": passed, "failed": 0, "restarts": 0},
            "connections": {
                "in": {"xsub": {"received": passed}, "xpub": {"received": self._asked}},
                "out": {"xpub": {"sent": passed}},
            },
            "states": {"in": {}, "out": {}},
        }

    def stop_service(self) -> None:
        """Make `run` return; does not wait, since a bus has nothing to drain."""
        self._is_stopping = True
        self._wakeup.set()

    def _bound(self, kind: int, address: str, name: str) -> Socket:
        where = f"bus: --{name}"
        endpoint = parse(address, where=where)
        socket, self.bound[name] = self._transport.bound(kind, endpoint, _CREATION, where=where)
        return self._opened(socket)

    def _opened(self, socket: Socket) -> Socket:
        self._sockets.append(socket)
        return socket


def _pass_on(source: Socket, target: Socket) -> int:
    """Forward up to one batch of waiting messages; returns how many."""
    for count in range(BATCH):
        try:
            frames = source.recv_multipart(zmq.NOBLOCK, copy=False)
        except zmq.Again:
            return count
        target.send_multipart(frames, copy=False)
    return BATCH


def _admit(questions: Socket, keys: Keys) -> None:
    """Answer libzmq's questions whether a peer may connect (ZeroMQ RFC 27, ZAP)."""
    from sf_actors.actors.authenticator import judge, metadata, new_routing_id  # noqa: PLC0415 - with keys alone

    frames = questions.recv_multipart()
    try:
        start = frames.index(b"", 1) + 1
        question = frames[start:]
        request_id = question[1]
        is_admitted, key, _ = judge(question, keys.authorized)
    except (ValueError, IndexError):
        # without an answer libzmq drops the connection
        return
    answer = [b"400", b"not authorized", b"", b""]
    if is_admitted:
        answer = [b"200", b"OK", key, metadata(Identity=new_routing_id())]
    questions.send_multipart([*frames[:start], b"1.0", request_id, *answer])
