"""The authenticator: says who may connect to the sockets of a service with CURVE keys.

libzmq asks it for each connection to a bound socket, before anything else passes, over
`inproc://zeromq.zap.01` of the service's own context (ZAP, ZeroMQ's RFC 27). It admits the keys
that `authorized/` holds at that moment and nobody else. What it cannot understand or look up it
denies. Where it is not there (before the start, after the stop, between its death and its
successor) libzmq denies by itself, since the sockets name a domain and enforce it.

Whom it admits it gives a routing id, in place of the one that the peer claims: by a claimed one a
peer could take another's place, or, with one that a ROUTER is about to give, end the process.
"""

from __future__ import annotations

import itertools
import os
import struct
import threading
from functools import cache
from time import monotonic, sleep, thread_time
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import pykka
import zmq
from zmq.utils import z85

from sf_actors.actors.inbox import SocketInbox, SocketSource, WaitFailed
from sf_actors.counters import Counters
from sf_actors.log.throttle import Throttle
from sf_actors.sockets.fence import Fence
from sf_actors.sockets.frames import BATCH
from sf_actors.sockets.transport import ZAP_DOMAIN
from sf_actors.wording import cut

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sf_actors.actors.run_context import RunContext
    from sf_actors.sockets.keys import Keys

_VERSION = b"1.0"
_CURVE = b"CURVE"
_KEY_BYTES = 32

#: The part of the time that looks at `authorized/` may take: strangers cause them, and each of them
#: holds up the rest of the process. But nobody waits long, be there thousands of files.
_LOOKING = 0.1
_LONGEST_PAUSE_S = 0.1

#: Of what a line shows, in characters.
_SHOWN = 300

#: The numbers of routing ids: they begin where nobody can know, and none comes twice.
_numbers = itertools.count(int.from_bytes(os.urandom(8)))


class Verdict(NamedTuple):
    """Whether a connection is let in, and why not; the key is who it is, as far as it is known."""

    is_admitted: bool
    key: bytes
    reason: str


class Answer(NamedTuple):
    """What libzmq is told."""

    is_admitted: bool
    frames: list[bytes]


class Authenticator(pykka.ThreadingActor):
    """Answers libzmq's questions; all hooks run in its own thread.

    It starts before any other socket is bound and ends after all of them are closed. A fault costs
    one connection; one of its socket or of its wait ends it, and the supervisor starts another.

    :param keys: the folder that says who is authorized; it is looked at after the questions were
        read that it answers, so that a change counts from the next connection on
    """

    use_daemon_thread = True

    def __init__(self, world: RunContext, keys: Keys) -> None:
        super().__init__()
        self.name = "authenticator"
        self.thread: threading.Thread | None = None
        self.counters = Counters()
        #: what `start` takes to make a successor
        self.restart_arguments = (world, keys)
        self._world = world
        self._keys = keys
        self._inbox = cast("SocketInbox", self.actor_inbox)
        self._source: SocketSource | None = None
        self._fence: Fence | None = None
        self._next_look = 0.0
        self._throttle = Throttle()
        world.supervisor.created(self)

    @staticmethod
    def _create_actor_inbox() -> SocketInbox:
        return SocketInbox()

    def _start_actor_loop(self) -> None:
        try:
            super()._start_actor_loop()
        except RuntimeError as error:
            # the system has no thread left: the actor ends as one that cannot open
            self._stop()
            self._world.supervisor.opened(self, error)

    def on_start(self) -> None:
        """Open the socket and begin at once: others bind theirs when this one is there."""
        self.thread = threading.current_thread()
        self.thread.name = f"{self._world.name}/{self.name}"
        self._world.scope.adopt()
        try:
            self._source = SocketSource(self._world.transport.questions())
            self._fence = Fence(self._world.transport.context)
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
            if type(message) is SocketSource:
                self._read(message)
            elif type(message) is WaitFailed:
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
        fence, self._fence = self._fence, None
        if fence is not None:
            fence.close()
        source, self._source = self._source, None
        if source is not None:
            self._inbox.forget(source)
            self._world.transport.close_questions(source.socket)

    def _read(self, source: SocketSource) -> None:
        # Before the read: what comes meanwhile is answered by the same look.
        pause = self._next_look - monotonic()
        if pause > 0:
            sleep(pause)
        questions = []
        for _ in range(BATCH):
            try:
                questions.append(source.socket.recv_multipart(zmq.NOBLOCK))
            except zmq.Again:
                source.drained()
                break
        authorized = cache(self._look)
        admitted = []
        for frames in questions:
            answer = self._answer(frames, authorized)
            if answer is None:
                continue
            if answer.is_admitted:
                admitted.append(answer.frames)
            else:
                source.socket.send_multipart(answer.frames, zmq.NOBLOCK)
        if admitted and self._fence is not None:
            # After a question libzmq's thread looks once whether the answer is there already, and
            # if so, the id that the peer claims replaces ours. Later it is the other way round.
            self._fence.wait()
            for frames in admitted:
                source.socket.send_multipart(frames, zmq.NOBLOCK)

    def _look(self) -> frozenset[bytes]:
        began = thread_time()
        try:
            return self._keys.authorized()
        finally:
            taken = thread_time() - began
            pause = min(taken * (1 / _LOOKING - 1), _LONGEST_PAUSE_S)
            self._next_look = monotonic() + pause

    def _answer(
        self, frames: list[bytes], authorized: Callable[[], frozenset[bytes]]
    ) -> Answer | None:
        try:
            start = frames.index(b"", 1) + 1
            question = frames[start:]
            request_id = question[1]
        except (ValueError, IndexError):
            # without these nobody can be answered; libzmq gives up on the connection by itself
            self._warn("a question without an empty frame and an id", b"")
            return None
        try:
            verdict = judge(question, authorized)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong, nobody gets in by it
            verdict = Verdict(
                is_admitted=False, key=b"", reason=f"it could not be judged: {error!r}"
            )
        if verdict.is_admitted:
            answer = [b"200", b"OK", verdict.key, metadata(Identity=new_routing_id())]
        else:
            self._warn(verdict.reason, verdict.key, question)
            answer = [b"400", b"not authorized", b"", b""]
        return Answer(verdict.is_admitted, [*frames[:start], _VERSION, request_id, *answer])

    def _warn(self, reason: str, key: bytes, question: Sequence[bytes] = ()) -> None:
        """Log a refusal, but once in a while: strangers can cause as many as they like."""
        left_out = self._throttle.admit("refused", monotonic())
        if left_out is None:
            return
        address = question[3].decode("ascii", "backslashreplace") if len(question) > 3 else ""
        self._world.log.warning(
            "connection refused",
            reason=cut(reason, _SHOWN),
            address=cut(address, _SHOWN),
            key=cut(key.decode("ascii", "backslashreplace"), _SHOWN),
            keys=str(self._keys.folder),
            left_out=left_out,
        )


def new_routing_id() -> bytes:
    """Return a routing id that no peer had before; any thread.

    It never begins with a zero byte, as those that a ROUTER gives do.
    """
    return b"\x01" + (next(_numbers) % 2**64).to_bytes(8)


def metadata(**properties: bytes) -> bytes:
    """Return properties as ZAP and ZMTP write them: each a name and a value after their lengths."""
    return b"".join(
        struct.pack(f"!B{len(name)}sI", len(name), name.encode(), len(value)) + value
        for name, value in properties.items()
    )


def judge(question: Sequence[bytes], authorized: Callable[[], frozenset[bytes]]) -> Verdict:
    """Return whether a connection may be let in.

    :param question: version, request id, domain, address, identity, mechanism, credentials (RFC 27)
    :param authorized: gives the keys that may, Z85
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
        if key not in authorized():
            refusal = "its key is not in authorized/"
    return Verdict(is_admitted=not refusal, key=key, reason=refusal)
