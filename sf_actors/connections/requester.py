"""The requester: sends a request and waits for its reply."""

from __future__ import annotations

import secrets
import threading
from time import monotonic
from typing import TYPE_CHECKING, Any

import zmq
from msgspec import UnsetType

from sf_actors.connections.shared_connection import SharedConnection
from sf_actors.counters import Counters
from sf_actors.errors import (
    InvalidArguments,
    MessageError,
    MessageTooLarge,
    OversizedMessage,
    RemoteError,
    RequestTimeout,
    ServiceStopped,
)
from sf_actors.schema.one_pass import reply_decoder
from sf_actors.sockets.frames import NOBLOCK, POLLIN, receive_frame, receive_frames, send_frame
from sf_actors.wire.envelope import decode_reply, encode_request
from sf_actors.wire.messages import Failure
from sf_actors.wording import over_limit

if TYPE_CHECKING:
    from sf_actors.actors.run_context import RunContext
    from sf_actors.definition.models import Model
    from sf_actors.sockets.endpoint import Endpoint
    from sf_actors.sockets.frames import Socket

#: Idle sockets that are kept for the next calls: to connect anew costs more than to keep one.
MAX_IDLE = 64

#: So many calls at once have a socket each; further ones share a connection.
MAX_PRIVATE_SOCKETS = 8

#: One poll; a longer deadline takes several, since libzmq counts in 32 bits.
LONGEST_POLL_MS = 3_600_000


#: Why a socket of an earlier call cannot send: over inproc a replyer that stopped takes the
#: connection with it for good, or the reply to that call had frames that nobody has read.
UNUSABLE_ERRNOS = frozenset({zmq.EAGAIN, zmq.EFSM})

if TYPE_CHECKING:
    Channel = Socket | SharedConnection


class Requester:
    """A pool of REQ sockets, one for each call under way, and a connection that many calls share.

    Concurrent calls do not wait for each other. A call that timed out closes its socket, so that
    a late reply can never be taken for another's; the shared connection knows replies by their
    ids, and is left by further calls.

    :param endpoint: the replyer; it need not be there yet
    """

    def __init__(self, run_context: RunContext, model: Model, endpoint: Endpoint) -> None:
        self.model = model
        self.counters = Counters(
            "sent", "received", "in_flight", "timeouts", "retries", "dropped", "last_error"
        )
        self._run_context = run_context
        self._endpoint = endpoint
        self._arguments = model.arguments
        self._return_arguments = model.return_arguments
        self._decoded_at_once = reply_decoder(model.return_arguments)
        self._timeout_s: float = model.creation["timeout_s"]
        self._attempts: int = 1 + model.creation["retries"]
        self._max_bytes: int = model.creation["max_message_bytes"]
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._idle: list[Socket] = []
        self._in_use = 0
        # over inproc there is no connection that could be saved, nor one that could be lost
        self._can_share = endpoint.scheme != "inproc"
        self._shared: SharedConnection | None = None
        self._is_closed = False
        self._closing_fd = run_context.closing.fd
        # a first socket now: a wrong address or a missing key fails the start, not the first call
        self._idle.append(self._connect())

    def send(self, args: Any, workflow_id: object) -> dict[str, Any]:
        """Check, encode, send, and wait for the reply's arguments; any thread.

        :raises InvalidArguments: the arguments or the reply fail the model
        :raises RequestTimeout: no reply came within `timeout_s`, `1 + retries` times
        :raises RemoteError: the replyer answered with an error
        :raises ServiceStopped: our own service stops
        """
        checked = self._arguments.checked(args)
        request_id = secrets.token_hex(12) if self._attempts > 1 else None
        expires_in_s = self._attempts * self._timeout_s
        frame = encode_request(checked, workflow_id, request_id, expires_in_s)
        if len(frame) > self._max_bytes:
            raise MessageTooLarge(
                over_limit(f"{self.model.where}: the request", len(frame), self._max_bytes)
            )
        for attempt in range(self._attempts):
            reply = self._ask(frame, is_retry=attempt > 0)
            if reply is not None:
                return self._decoded(reply)
        raise self._timeout()

    def close(self, timeout_s: float) -> bool:
        """Close every socket that is idle and wait for those in use; any thread.

        :returns: False when a caller still holds one after `timeout_s`
        """
        with self._changed:
            self._is_closed = True
            for socket in self._idle:
                self._run_context.transport.close(socket, linger_ms=0)
            self._idle.clear()
            shared, self._shared = self._shared, None
            if shared is not None and not shared.users:
                self._close_shared(shared)
            return self._changed.wait_for(lambda: not self._in_use, timeout_s)

    def _ask(self, frame: bytes, *, is_retry: bool) -> bytes | None:
        """Send once and wait; None when the time is over."""
        reply: bytes | None = None
        channel = self._take()
        try:
            if isinstance(channel, SharedConnection):
                self._count(is_retry=is_retry)
                deadline = monotonic() + self._timeout_s
                try:
                    reply = channel.ask(frame, deadline)
                except zmq.Again:
                    # nobody is there, or reads: the request waits in a socket of its own
                    channel = self._sent_through_another(channel, frame)
                    if self._wait(channel, deadline):
                        reply = receive_frames(channel)[-1]
            else:
                try:
                    # not under the lock: libzmq lets other threads run, which would queue for it
                    send_frame(channel, frame, NOBLOCK)
                except zmq.ZMQError as error:
                    if error.errno not in UNUSABLE_ERRNOS:
                        raise
                    channel = self._sent_through_another(channel, frame)
                # only now: the other side is at work meanwhile
                self._count(is_retry=is_retry)
                if self._wait(channel, monotonic() + self._timeout_s):
                    # whether it has further frames, which nobody sends, shows when it is used again
                    reply = receive_frame(channel, NOBLOCK)
        finally:
            self._give_back(channel, is_clean=reply is not None)
        if reply is None:
            with self._changed:
                self.counters.timeouts += 1
        return reply

    def _wait(self, socket: Socket, deadline: float) -> bool:
        """Wait for a reply, the deadline, or the end of the service."""
        both: list[tuple[Any, int]] = [(socket, POLLIN), (self._closing_fd, POLLIN)]
        while (remaining_s := deadline - monotonic()) > 0:
            # rounded up: libzmq counts whole milliseconds, and zero would be a busy loop
            ready = zmq.zmq_poll(both, min(int(remaining_s * 1000) + 1, LONGEST_POLL_MS))
            for readable, _ in ready:
                if readable is socket:
                    return True
            if ready:
                raise ServiceStopped(
                    f"{self.model.where}: the service stops, its reply is not waited for"
                )
        return False

    def _decoded(self, frame: bytes) -> dict[str, Any]:
        if len(frame) <= self._max_bytes:
            fields = self._decoded_at_once(frame)
            if fields is not None:
                return fields
        where = self.model.where
        try:
            if len(frame) > self._max_bytes:
                raise OversizedMessage(
                    over_limit(f"{where}: the reply", len(frame), self._max_bytes)
                )
            reply = decode_reply(frame)
            if reply.error is not None or isinstance(reply.return_args, UnsetType):
                failure = reply.error or Failure()
                raise RemoteError(failure.type, failure.message, connection=where)
            return self._return_arguments.decoded(reply.return_args)
        except MessageError as error:
            with self._changed:
                self.counters.drop(error.reason)
            raise InvalidArguments(f"the reply fails its model: {error}") from None

    def _timeout(self) -> RequestTimeout:
        tried = f", tried {self._attempts} times" if self._attempts > 1 else ""
        running = self._run_context.handler_lock.user_code
        suspicion = ""
        if running.runs_here():
            suspicion = (
                f"; the call came from within {running.label}: if the other side waits for this "
                "service meanwhile, neither can answer"
            )
        return RequestTimeout(
            f"{self.model.where}: no reply from {self._endpoint} within "
            f"{self._timeout_s:g} s{tried}{suspicion}"
        )

    def _take(self) -> Channel:
        """Return what the request is to be sent through, until it is given back."""
        with self._lock:
            if self._is_closed:
                raise ServiceStopped(f"{self.model.where}: the service has stopped")
            if self._in_use < MAX_PRIVATE_SOCKETS or not self._can_share:
                channel: Channel = self._idle.pop() if self._idle else self._connect()
            else:
                if self._shared is None:
                    self._shared = self._connect_shared()
                channel = self._shared
                channel.users += 1
            self._in_use += 1
            return channel

    def _count(self, *, is_retry: bool) -> None:
        with self._lock:
            self.counters.in_flight = self._in_use
            self.counters.sent += 1
            self.counters.retries += is_retry

    def _sent_through_another(self, refusing: Channel, frame: bytes) -> Socket:
        """Return a socket that has sent what another channel could not."""
        with self._lock:
            if not isinstance(refusing, SharedConnection):
                self._run_context.transport.close(refusing, linger_ms=0)
            while self._idle:
                socket = self._idle.pop()
                try:
                    send_frame(socket, frame, NOBLOCK)
                except zmq.ZMQError as error:
                    self._run_context.transport.close(socket, linger_ms=0)
                    if error.errno not in UNUSABLE_ERRNOS:
                        raise
                else:
                    break
            else:
                socket = self._connect()
                socket.send(frame, zmq.NOBLOCK)
            if isinstance(refusing, SharedConnection):
                self._leave(refusing)
            return socket

    def _give_back(self, channel: Channel, *, is_clean: bool) -> None:
        with self._lock:
            self.counters.received += is_clean
            if isinstance(channel, SharedConnection):
                if not is_clean and self._shared is channel:
                    # its peer may be gone without a word, and what it has not sent is to be dropped
                    self._shared = None
                self._leave(channel)
            elif is_clean and not self._is_closed and len(self._idle) < MAX_IDLE:
                self._idle.append(channel)
            else:
                self._run_context.transport.close(channel, linger_ms=0)
            self._in_use -= 1
            self.counters.in_flight = self._in_use
            if self._is_closed:
                self._changed.notify_all()

    def _leave(self, shared: SharedConnection) -> None:
        shared.users -= 1
        if not shared.users and self._shared is not shared:
            self._close_shared(shared)

    def _close_shared(self, shared: SharedConnection) -> None:
        self._run_context.transport.close(shared.socket, linger_ms=0)
        shared.close()

    def _connect_shared(self) -> SharedConnection:
        # no request is to be carried out when its time has long been over
        socket = self._connect(zmq.DEALER, is_immediate=True)
        try:
            return SharedConnection(socket, self._closing_fd, where=self.model.where)
        except BaseException:
            self._run_context.transport.close(socket, linger_ms=0)
            raise

    def _connect(self, kind: int = zmq.REQ, *, is_immediate: bool = False) -> Socket:
        return self._run_context.transport.connected(
            kind,
            self._endpoint,
            self.model.creation,
            where=self.model.where,
            server=self.model.name,
            is_immediate=is_immediate,
        )
