"""The authenticator: it decides which peers may connect to a service with CURVE keys.

libzmq asks it about each connection to a bound socket, before any message passes, over
`inproc://zeromq.zap.01` of the service's own context (ZAP, ZeroMQ's RFC 27). It admits only the
keys that are in `authorized/` at that moment, and denies requests that it cannot decode or check.
Without an authenticator (before the start, after the stop, between its death and its restart)
libzmq itself denies, since the sockets enforce a domain.

It assigns a routing id to each admitted peer in place of the one that the peer claims. A claimed id
could replace another peer or, if a ROUTER is about to assign the same one, abort the process.
"""

from __future__ import annotations

import itertools
import os
import struct
import threading
from functools import cache
from time import monotonic, sleep, thread_time
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import zmq
from zmq.utils import z85

from sf_actors.actors.inbox import SocketInbox, SocketSource, WaitFailed
from sf_actors.actors.pykka_actor import Actor
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

#: The share of time for reading `authorized/`: strangers can cause reads, and each one delays the
#: rest of the process. The pause between reads is limited, even with thousands of files.
_LOOKING = 0.1
_LONGEST_PAUSE_S = 0.1

#: Longest text in a log line, in characters.
_SHOWN = 300

#: The numbers of routing ids: they start at random, and none repeats.
_numbers = itertools.count(int.from_bytes(os.urandom(8)))


class Verdict(NamedTuple):
    """The decision about a connection, its key if known, and the reason of a refusal."""

    is_admitted: bool
    key: bytes
    reason: str


class ZapReply(NamedTuple):
    """The reply to libzmq."""

    is_admitted: bool
    frames: list[bytes]


class Authenticator(Actor):
    """Answers libzmq's questions; all hooks run in its own thread.

    It starts before any other socket is bound and ends after all are closed. A fault in a decision
    denies one connection; a fault of its socket or wait ends it, and the supervisor restarts it.

    :param keys: the folder with `authorized/`, read after the requests that it decides, so that a
        change counts from the next connection on
    """

    inbox_type = SocketInbox

    def __init__(self, run_context: RunContext, keys: Keys) -> None:
        super().__init__()
        self.name = "authenticator"
        self.thread: threading.Thread | None = None
        self.counters = Counters()
        #: the arguments of `start` for a restart
        self.restart_arguments = (run_context, keys)
        self._run_context = run_context
        self._keys = keys
        self._inbox = cast("SocketInbox", self.actor_inbox)
        self._source: SocketSource | None = None
        self._fence: Fence | None = None
        self._next_look = 0.0
        self._throttle = Throttle()
        run_context.supervisor.created(self)

    def not_started(self, error: RuntimeError) -> None:
        """Report that the system has no thread left; the actor ends like one that cannot open."""
        self._run_context.supervisor.opened(self, error)

    def on_start(self) -> None:
        """Open the socket and begin at once: other sockets are bound only after this one."""
        self.thread = threading.current_thread()
        self.thread.name = f"{self._run_context.name}/{self.name}"
        self._run_context.scope.adopt()
        try:
            self._source = SocketSource(self._run_context.transport.questions())
            self._fence = Fence(self._run_context.transport.context)
            self._inbox.watch(self._source)
        except BaseException as error:  # noqa: BLE001 - passed to the waiting start
            self.stop()
            self._run_context.supervisor.opened(self, error)
        else:
            self._run_context.supervisor.opened(self, None)

    def on_receive(self, message: Any) -> None:
        """Read requests until there is none, or a batch is done."""
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
            self._run_context.supervisor.died(self, error)

    def on_stop(self) -> None:
        """Close the socket; from now on libzmq denies all connections."""
        self._close()
        self._inbox.close()

    def _close(self) -> None:
        fence, self._fence = self._fence, None
        if fence is not None:
            fence.close()
        source, self._source = self._source, None
        if source is not None:
            self._inbox.forget(source)
            self._run_context.transport.close_questions(source.socket)

    def _read(self, source: SocketSource) -> None:
        # before reading: requests that arrive during the pause share one read of the folder
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
            # Right after a request libzmq's thread checks once for an early answer; the id that the
            # peer claims then replaces ours. A later answer replaces the claimed id.
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
    ) -> ZapReply | None:
        try:
            start = frames.index(b"", 1) + 1
            question = frames[start:]
            request_id = question[1]
        except (ValueError, IndexError):
            # without these no answer is possible; libzmq gives up the connection by itself
            self._warn("a question without an empty frame and an id", b"")
            return None
        try:
            verdict = judge(question, authorized)
        except Exception as error:  # noqa: BLE001 - any fault denies
            verdict = Verdict(
                is_admitted=False, key=b"", reason=f"it could not be judged: {error!r}"
            )
        if verdict.is_admitted:
            answer = [b"200", b"OK", verdict.key, metadata(Identity=new_routing_id())]
        else:
            self._warn(verdict.reason, verdict.key, question)
            answer = [b"400", b"not authorized", b"", b""]
        return ZapReply(verdict.is_admitted, [*frames[:start], _VERSION, request_id, *answer])

    def _warn(self, reason: str, key: bytes, question: Sequence[bytes] = ()) -> None:
        """Log a refusal at a limited rate: strangers can cause any number of them."""
        left_out = self._throttle.admit("refused", monotonic())
        if left_out is None:
            return
        address = question[3].decode("ascii", "backslashreplace") if len(question) > 3 else ""
        self._run_context.log.warning(
            "connection refused",
            reason=cut(reason, _SHOWN),
            address=cut(address, _SHOWN),
            key=cut(key.decode("ascii", "backslashreplace"), _SHOWN),
            keys=str(self._keys.folder),
            left_out=left_out,
        )


def new_routing_id() -> bytes:
    """Return a routing id that no peer had before; any thread.

    It never begins with a zero byte, as a ROUTER's own ids do.
    """
    return b"\x01" + (next(_numbers) % 2**64).to_bytes(8)


def metadata(**properties: bytes) -> bytes:
    """Return properties in the form of ZAP and ZMTP: names and values after their lengths."""
    return b"".join(
        struct.pack(f"!B{len(name)}sI", len(name), name.encode(), len(value)) + value
        for name, value in properties.items()
    )


def judge(question: Sequence[bytes], authorized: Callable[[], frozenset[bytes]]) -> Verdict:
    """Return the decision about a connection.

    :param question: version, request id, domain, address, identity, mechanism, credentials (RFC 27)
    :param authorized: returns the keys that are admitted, Z85
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
