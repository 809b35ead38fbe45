"""The replyer: answers requests with the handler's reply or with an error."""

from __future__ import annotations

from functools import partial
from math import isfinite
from time import monotonic
from typing import TYPE_CHECKING, Any

import zmq

from sf_actors.actors.deliveries import ResumeReading, deliveries_of
from sf_actors.actors.injected import InjectedMessage, InjectedRequests
from sf_actors.actors.socket_actor import SocketActor
from sf_actors.connections.known_requesters import KnownRequesters
from sf_actors.connections.reply_cache import Repetition, ReplyCache, key_of
from sf_actors.connections.request_call import RequestCall
from sf_actors.connections.waiting_requests import StatesChanged, WaitingRequests
from sf_actors.errors import InvalidMessage, MessageError, OversizedMessage
from sf_actors.schema.one_pass import request_decoder
from sf_actors.sockets.error_details import sends_texts
from sf_actors.sockets.frames import (
    receive_frames,
    send_answer,
    split_request,
)
from sf_actors.wire.envelope import (
    decode_request,
    encode_failure,
    seconds_left,
    with_workflow_id,
)
from sf_actors.wording import over_limit

if TYPE_CHECKING:
    from collections.abc import Callable


#: A handler is quick if it takes less than this, in seconds: while it runs in the socket's thread,
#: requests lie unread for as long, and their expiry counts only from the reading.
QUICK_S = 0.005

#: Number of quick calls in a row after which the handler runs in the socket's thread.
QUICK_CALLS = 20

#: How long the socket must be quiet before it is closed, in seconds: requests that were sent before
#: their requesters heard of the stop arrive within this time.
QUIET_S = 0.05

#: If the end of the quiet time is noticed later than this, in seconds, the machine is busy and
#: requests may be as late: the quiet time begins anew.
LATE_S = 0.01

#: Longest time spent on the socket on behalf of a thread that is stuck, in seconds.
LONGEST_LOOK_S = 1.0


class Replyer(SocketActor):
    """Owns a ROUTER socket, which serves plain REQ sockets as well as our requesters."""

    # with more than 30 attributes in its dict, each replyer would have a table of names of its own
    __slots__ = (
        "_arguments", "_cache", "_decoded_at_once", "_deliveries", "_injected", "_noticed_at",
        "_quick_calls", "_requesters", "_socket", "_unanswered", "_used_at", "checked_reply",
        "max_bytes", "sends_texts", "serving", "states",
    )  # fmt: skip

    counted = (
        "received",
        "sent",
        "handled",
        "failed",
        "refused",
        "dropped",
        "in_flight",
        "queued",
        "deduplicated",
        "behind",
        "unknown_fields",
        "restarts",
        "last_error",
        "handler_s",
    )

    replies = True
    #: None if no request can wait for a state
    _waiting: WaitingRequests | None = None
    #: called once the socket has been quiet long enough
    _on_quiet: Callable[[], None] | None = None

    def open(self) -> None:
        """Bind the socket."""
        creation = self.model.creation
        if self.handler is None:
            raise TypeError(f"{self.model.where}: a replyer without a handler")
        self.serving = self.handler
        self._injected = InjectedRequests()  # before the bind: `close` needs it if that fails
        self._socket = self.bind(zmq.ROUTER, "replyer")
        # a reply to a client that is gone fails instead of vanishing, so that it can be counted
        self._socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self.sends_texts = sends_texts(
            self.run_context.error_details,
            self._socket,
            is_secured=self.run_context.transport.is_secured,
        )
        self.max_bytes: int = creation["max_message_bytes"]
        self.states = self.run_context.states
        self._arguments = self.incoming(self.model.arguments)
        self._decoded_at_once = request_decoder(self.model.arguments)
        if creation["deduplicate"]:
            # the packed arguments tell a repeated request from another one under its id
            self._decoded_at_once = lambda _frame: None
        self.checked_reply = self.model.return_arguments.checked
        self._cache = ReplyCache() if creation["deduplicate"] else None
        # requests that a predecessor had not answered are lost with its socket
        self.counters.in_flight = 0
        self._deliveries = deliveries_of(self)
        #: requests that wait until the service has seen the states that their callers have seen
        self._waiting = None
        #: how many of the last calls in a row were quick
        self._quick_calls = 0
        self._requesters = KnownRequesters(self._socket)
        #: requests that are not answered yet and may be repeated
        self._unanswered: dict[RequestCall, None] = {}
        self._used_at = 0.0
        self._on_quiet = None
        #: when the end of the quiet time should be noticed
        self._noticed_at: float | None = None

    def on_begin(self) -> None:
        """Start reading."""
        if self.model.creation["catch_up_s"] and self.states.has_inbound:
            self._waiting = WaitingRequests(self, self._deliveries)
        receive = partial(receive_frames, self._socket, 1)
        self._deliveries.source = self.watch(self._socket, receive=receive, take=self._take)
        for request in self._injected.begun():
            self._take(self._injected.enter(request))

    def on_message(self, message: Any) -> None:
        """Send an answer that comes from the router's thread, or resume reading."""
        if isinstance(message, RequestCall):
            self._deliveries.finish(message.size)
            self._answer(message)
        elif isinstance(message, ResumeReading):
            self._deliveries.resume()
        elif isinstance(message, InjectedMessage):
            if not self._injected.keeps(message):
                self._take(self._injected.enter(message))
        elif isinstance(message, StatesChanged) and self._waiting is not None:
            self._waiting.on_change()

    def on_step(self) -> None:
        """Check which requests need not wait for states any longer."""
        if self._waiting is not None:
            self._waiting.on_step()

    def on_drain(self) -> None:
        """Handle nothing new from now on, tell requesters so, and answer what still arrives."""
        if self.is_draining:
            return
        self.is_draining = True
        self._used_at = monotonic()
        self._decoded_at_once = lambda _frame: None
        if self._cache is None:
            # a repetition of a request that was read gets the same answer
            self._cache = ReplyCache()
        for request in self._unanswered:
            self._note_running(request, self._cache)
        waiting, self._waiting = self._waiting, None
        for request in waiting.close() if waiting is not None else ():
            request.give_up()
            self._deliveries.give_up(request.size)
            self._answer(request)
        notice = encode_failure("ServiceStopped", "the service stops", None, unhandled=True)
        self._requesters.tell_stop(notice)
        if self._deliveries.source is not None:
            self.inbox.resume(self._deliveries.source)

    def on_last_look(self, arrive: Callable[[], None]) -> None:
        """Go on answering until the socket has been quiet for a while, if it has a peer.

        With ROUTER_MANDATORY a ROUTER is ready to send only if there is one that takes replies.
        """
        self._on_quiet, self._noticed_at = arrive, None
        events = int(self._socket.getsockopt(zmq.EVENTS))
        if not events & (zmq.POLLIN | zmq.POLLOUT):
            self._used_at -= QUIET_S
        self.on_tick()

    def on_tick(self) -> None:
        """Take up requests that have waited long enough; check whether the socket is quiet."""
        if self._waiting is not None:
            self._waiting.take_up_ready()
        if self._on_quiet is None:
            return
        now = monotonic()
        if self._noticed_at is not None and now > self._noticed_at + LATE_S:
            self._used_at = now
        quiet_at = self._used_at + QUIET_S
        if now >= quiet_at:
            self._on_quiet()
            self._on_quiet = None
        else:
            self.inbox.deadline = self._noticed_at = quiet_at

    def on_taken_over(self) -> None:
        """Answer unread requests, until none has come for a while."""
        self.is_draining = False
        self.on_drain()
        until = monotonic() + LONGEST_LOOK_S
        while monotonic() < until and self._socket.poll(int(QUIET_S * 1000)):
            try:
                self._take(receive_frames(self._socket, 1))
            except MessageError as error:
                self.refuse(error)

    def close(self) -> None:
        """Release all that wait for the socket to be quiet, and stop listening to states."""
        for request in self._injected.begun():
            request.refuse()
        if self._waiting is not None:
            self._waiting.close()
        if self._on_quiet is not None:
            self._on_quiet()

    def on_late(self, message: Any) -> None:
        """Count an answer that came after the socket was closed."""
        if isinstance(message, RequestCall):
            self.counters.drop("peer_gone")
        elif isinstance(message, InjectedMessage):
            message.refuse()
        else:
            super().on_late(message)

    def note_invalid(self, error: BaseException) -> None:
        """Count and log that a handler's result fails its model; in the thread that ran it."""
        with self._deliveries.counting:
            self.counters.handled -= 1
            self.counters.fail(error)
        # throttled, since a peer can cause it as often as it likes
        left_out = self.throttle.admit("reply fails its model", monotonic())
        if left_out is not None:
            self.run_context.log.error(
                "reply fails its model",
                model=self.model.where,
                error=str(error),
                left_out=left_out,
            )

    def _take(self, frames: list[bytes]) -> None:
        self.counters.received += 1
        address: list[bytes] = []
        workflow_id: object = None
        try:
            address, payload = split_request(frames)
            if len(payload) > self.max_bytes:
                raise OversizedMessage(over_limit("the request", len(payload), self.max_bytes))
            usual = self._decoded_at_once(payload)
            envelope = usual or decode_request(payload)
            expires_in_s = usual.expires_in_s if usual else seconds_left(envelope)
            workflow_id = envelope.workflow_id
            args: Any = usual.args if usual else self._arguments.decoded(envelope.args)
        except MessageError as error:
            self.refuse(error)
            if address:
                failure = encode_failure(
                    type(error).__name__, self._text_for_peers(error), workflow_id
                )
                self._send(address, failure)
            return
        if len(address) > 2 or self.is_draining:
            self._note_peer(address)
        expires_at = None
        if expires_in_s is not None and isfinite(expires_in_s):
            if expires_in_s <= 0:
                self.counters.drop("expired")
                return
            expires_at = monotonic() + expires_in_s
        request = RequestCall(self, args, address, workflow_id, len(payload))
        request.expires_at = expires_at
        may_be_known = self.is_draining or envelope.request_id is not None
        if may_be_known and self._is_answered_elsewhere(request, envelope, payload):
            return
        if workflow_id is None:
            request.workflow_id = self.run_context.new_workflow_id()
        self.counters.in_flight += 1
        if self.taps or self.tracing is not None:
            self._watch(request, payload, envelope)
        if self._waiting is not None and self._waiting.keep(request, envelope.seen):
            return
        if self._quick_calls < QUICK_CALLS:
            self._deliveries.queue(request, request.size)
        elif self._deliveries.run_or_queue(request, request.size):
            self._answer(request)

    def _watch(self, request: RequestCall, payload: bytes, envelope: Any) -> None:
        """Copy a request to the taps, and have its handler run within a span."""
        for tap in self.taps:
            tap.begin(request, payload, monotonic())
        if self.tracing is not None:
            id_, parent = request.workflow_id, envelope.traceparent
            request.handler = self.tracing.handler(request.handler, self.model, id_, parent)

    def _note_peer(self, address: list[bytes]) -> None:
        """Note a peer to tell of a stop; during one, that a peer has not heard of it yet."""
        if self.is_draining:
            self._used_at = monotonic()
        else:
            self._requesters.note(address)

    def _is_answered_elsewhere(self, request: RequestCall, envelope: Any, packed: bytes) -> bool:
        """Answer a repetition like its first request; while the service stops, refuse a new one."""
        if self._cache is not None and envelope.request_id is not None:
            key = key_of(envelope.request_id, envelope.args)
            if self._is_repeated(self._cache, key, request.as_repetition()):
                return True
            if not self.is_draining:
                request.key = key
                self._cache.begin(key, request)
        if self.is_draining:
            self.counters.drop("stopped")
            problem = "the service stops"
            failure = encode_failure("ServiceStopped", problem, request.workflow_id, unhandled=True)
            self._send(request.address, failure)
            return True
        request.packed = packed
        self._unanswered[request] = None
        return False

    def _text_for_peers(self, error: MessageError) -> str:
        is_of_user_code = isinstance(error, InvalidMessage) and error.is_of_user_code
        return "" if is_of_user_code and not self.sends_texts else str(error)

    def _answer(self, request: RequestCall) -> None:
        """Send a reply; HOT."""
        counters = self.counters
        counters.in_flight -= 1
        if request.packed is not None:
            del self._unanswered[request]
        for tap in self.taps:
            tap.end(request, request.frame, monotonic())
        if request.is_moot:
            self._forget(request)
            return
        if counters.handler_s.last < QUICK_S:
            self._quick_calls += 1
        else:
            self._quick_calls = 0
        if self._cache is not None and request.key is not None:
            for repetition in self._cache.finish(request.key, request.frame):
                self._repeat(repetition, request.frame)
        if self._injected.by_address and self._injected.answers(
            request.address, request.frame, counters
        ):
            return
        send_answer(self._socket, request.address, request.frame, counters)
        if len(request.address) > 2 and not self.is_draining:
            self._requesters.greet(request.address)

    def _forget(self, request: RequestCall) -> None:
        """Drop a request that needs no answer."""
        if self._cache is not None and request.key is not None:
            self._cache.give_up(request.key)

    def _note_running(self, request: RequestCall, cache: ReplyCache) -> None:
        """Make a request and its repetitions share one answer."""
        if request.key is not None or request.packed is None:
            return
        envelope = decode_request(request.packed)
        if envelope.request_id is None:
            return
        key = key_of(envelope.request_id, envelope.args)
        if cache.is_running(key, request.as_repetition()):
            request.is_moot = True
        else:
            request.key = key
            cache.begin(key, request)

    def _is_repeated(self, cache: ReplyCache, key: bytes, repetition: Repetition) -> bool:
        """Answer a repetition without calling the handler again, now or when it is done."""
        reply = cache.reply_to(key)
        if reply is None and not cache.is_running(key, repetition):
            return False
        self.counters.deduplicated += 1
        if reply is not None:
            self._repeat(repetition, reply)
        return True

    def _repeat(self, repetition: Repetition, reply: bytes) -> None:
        """Send a reply again, with the workflow id of the repetition, if it has one."""
        if repetition.workflow_id is not None:
            reply = with_workflow_id(reply, repetition.workflow_id)
        self._send(repetition.address, reply)

    def _send(self, address: list[bytes], frame: bytes) -> None:
        self._used_at = monotonic()
        if self._injected.by_address and self._injected.answers(address, frame, self.counters):
            return
        send_answer(self._socket, address, frame, self.counters)
