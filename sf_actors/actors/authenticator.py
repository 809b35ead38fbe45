"""The authenticator: says who may connect to the sockets of a service with CURVE keys.

libzmq asks it for each connection to a bound socket, before anything else passes, over
`inproc://zeromq.zap.01` of the service's own context (ZAP, ZeroMQ's RFC 27). It admits the keys
that `authorized/` holds at that moment and nobody else. What it cannot understand or look up it
denies. Where it is not there (before the start, after the stop, between its death and its
successor) libzmq denies by itself, since the sockets name a domain and enforce it.
"""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import pykka
import zmq
from zmq.utils import z85

from sf_actors.actors.base import BATCH, WARNING_INTERVAL_S
from sf_actors.actors.inbox import Broken, SocketInbox, Source
from sf_actors.actors.transport import ZAP_DOMAIN
from sf_actors.counters import Counters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sf_actors.actors.transport import Socket
    from sf_actors.actors.world import World
    from sf_actors.keys import Keys

_VERSION = b"1.0"
_CURVE = b"CURVE"
_KEY_BYTES = 32


class Verdict(NamedTuple):
    """Whether a connection is let in, and why not; the key is who it is, as far as it is known."""

    is_admitted: bool
    key: bytes
    reason: str


class Authenticator(pykka.ThreadingActor):
    """Answers libzmq's questions; all hooks run in its own thread.

    It starts before any other socket is bound and ends after all of them are closed. A fault costs
    one connection; one of its socket or of its wait ends it, and the world starts another.

    :param keys: the folder that says who is authorized; it is read for each connection, since what
        tells that it changed (the time of its last change) may come too late
    """

    use_daemon_thread = True

    def __init__(self, world: World, keys: Keys) -> None:
        super().__init__()
        self.name = "authenticator"
        self.thread: threading.Thread | None = None
        self.counters = Counters()
        #: what `start` takes to make a successor
        self.construction = (world, keys)
        self._world = world
        self._keys = keys
        self._inbox = cast("SocketInbox", self.actor_inbox)
        self._source: Source | None = None
        self._last_warning = -WARNING_INTERVAL_S
        self._left_out = 0
        world.authenticator = self

    @staticmethod
    def _create_actor_inbox() -> SocketInbox:
        return SocketInbox()

    def on_start(self) -> None:
        """Open the socket and begin at once: others bind theirs when this one is there."""
        self.thread = threading.current_thread()
        self.thread.name = f"{self._world.name}/{self.name}"
        self._world.scope.adopt()
        try:
            self._source = Source(self._world.transport.questions())
            self._inbox.watch(self._source)
        except BaseException as error:  # noqa: BLE001 - told to who waits
            self.stop()
            self._world.supervisor.opened(self, error)
        else:
            self._world.supervisor.opened(self, None)

    def on_receive(self, message: Any) -> None:
        """Read questions until there is none, or a batch is done."""
        if self._source is None:
            return
        try:
            if type(message) is Source:
                self._read(message)
            elif type(message) is Broken:
                raise message.error
        except BaseException as error:  # noqa: BLE001 - pykka would stop the actors of all services
            self._close()
            self.stop()
            self._world.supervisor.died(self, error)

    def on_stop(self) -> None:
        """Close the socket; from now on libzmq denies."""
        self._close()
        self._inbox.close()

    def _close(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            self._inbox.forget(source)
            self._world.transport.close_questions(source.socket)

    def _read(self, source: Source) -> None:
        for _ in range(BATCH):
            try:
                frames = source.socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                source.drained()
                return
            self._answer(source.socket, frames)

    def _answer(self, socket: Socket, frames: list[bytes]) -> None:
        try:
            start = frames.index(b"", 1) + 1
            question = frames[start:]
            request_id = question[1]
        except (ValueError, IndexError):
            # without these nobody can be answered; libzmq gives up on the connection by itself
            self._warn("a question without an empty frame and an id", b"")
            return
        verdict = self._judge(question)
        status, text = (b"200", b"OK") if verdict.is_admitted else (b"400", b"not authorized")
        user_id = verdict.key if verdict.is_admitted else b""
        if not verdict.is_admitted:
            self._warn(verdict.reason, verdict.key, question)
        reply = [_VERSION, request_id, status, text, user_id, b""]
        socket.send_multipart([*frames[:start], *reply], zmq.NOBLOCK)

    def _judge(self, question: Sequence[bytes]) -> Verdict:
        try:
            return judge(question, self._keys)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong, nobody gets in by it
            return Verdict(is_admitted=False, key=b"", reason=f"it could not be judged: {error!r}")

    def _warn(self, reason: str, key: bytes, question: Sequence[bytes] = ()) -> None:
        """Log a refusal, but once in a while: strangers can cause as many as they like."""
        now = monotonic()
        if now - self._last_warning < WARNING_INTERVAL_S:
            self._left_out += 1
            return
        address = question[3].decode("ascii", "backslashreplace") if len(question) > 3 else ""
        self._world.log.warning(
            "connection refused",
            reason=reason,
            address=address,
            key=key.decode(),
            left_out=self._left_out,
        )
        self._last_warning, self._left_out = now, 0


def judge(question: Sequence[bytes], keys: Keys) -> Verdict:
    """Return whether a connection may be let in.

    :param question: version, request id, domain, address, identity, mechanism, credentials (RFC 27)
    """
    version, _, domain, _, _, mechanism, *credentials = question
    refusal = ""
    key = b""
    if version != _VERSION:
        refusal = f"expected ZAP 1.0, got {version!r}"
    elif domain != ZAP_DOMAIN:
        refusal = f"expected the domain {ZAP_DOMAIN!r}, got {domain!r}"
    elif mechanism != _CURVE:
        refusal = f"expected CURVE, got {mechanism!r}"
    elif len(credentials) != 1 or len(credentials[0]) != _KEY_BYTES:
        refusal = f"expected one key of {_KEY_BYTES} bytes"
    else:
        key = z85.encode(credentials[0])
        if key not in keys.authorized():
            refusal = f"its key is not in {keys.folder / 'authorized'}"
    return Verdict(is_admitted=not refusal, key=key, reason=refusal)
