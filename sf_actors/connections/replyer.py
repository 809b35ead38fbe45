"""The replyer: answers requests, by the handler or by an error."""

from __future__ import annotations

from functools import partial
from math import isfinite
from time import monotonic
from typing import Any

import zmq

from sf_actors.actors.deliveries import Deliveries, ResumeReading
from sf_actors.actors.socket_actor import SocketActor
from sf_actors.connections.reply_cache import Repetition, ReplyCache, key_of
from sf_actors.counters import summary
from sf_actors.errors import InvalidArguments, MessageError, OversizedMessage
from sf_actors.schema.one_pass import request_decoder
from sf_actors.sockets.error_details import tells_texts
from sf_actors.sockets.frames import (
    MAX_ROUTING_ID,
    receive_frames,
    require_short_id,
    send_answer,
    split_address,
)
from sf_actors.user_code.handler_lock import Call
from sf_actors.wire.envelope import (
    decode_request,
    encode_failure,
    encode_reply,
    seconds_left,
    with_workflow_id,
)
from sf_actors.wording import over_limit


#: A handler is quick if it takes less than this, in seconds: as long may a request lie unread in
#: the socket, before its caller's time is counted, while the handler runs in the socket's thread.
QUICK_S = 0.005

#: So many calls in a row must have been quick before the handler runs in the socket's thread.
QUICK_CALLS = 20


class RequestCall(Call):
    """One request on its way through the handler.

    :param address: the frames that lead back to who asked, up to the empty one
    :param key: what a repetition of it is known by, where replies are kept
    :ivar expires_at: when its caller waits no longer, in seconds of `time.monotonic`; None: never
    """

    __slots__ = ("address", "expires_at", "frame", "has_expired", "key", "replyer")

    def __init__(
        self,
        replyer: Replyer,
        args: dict[str, Any],
        address: list[bytes],
        workflow_id: object,
        key: bytes | None,
    ) -> None:
        self.handler = replyer.serving
        self.args = args
        self.label = replyer.label
        self.counters = replyer.counters
        self.workflow_id = workflow_id
        self.pinned = None
        self.replyer = replyer
        self.address = address
        self.key = key
        self.frame = b""
        self.expires_at: float | None = None
        self.has_expired = False

    def is_worth_it(self) -> bool:
        """Say whether its caller still waits."""
        self.has_expired = self.expires_at is not None and monotonic() >= self.expires_at
        return not self.has_expired

    def complete(self, result: Any, error: BaseException | None) -> None:
        """Encode the reply while nobody can change what the handler returned."""
        replyer = self.replyer
        if error is None:
            try:
                frame = encode_reply(replyer.checked_reply(result), self.workflow_id)
                if len(frame) <= replyer.max_bytes:
                    self.frame = frame
                    return
                problem = over_limit(f"{self.label}: the reply", len(frame), replyer.max_bytes)
                error = InvalidArguments(problem)
            except InvalidArguments as invalid:
                error = invalid
            replyer.note_invalid(error)
        text = summary(error).partition(": ")[2] if replyer.tells_texts else ""
        self.frame = encode_failure(type(error).__name__, text, self.workflow_id)

    def settle(self) -> None:
        """Bring the answer to the thread that owns the socket."""
        if not self.frame and not self.has_expired:
            self.frame = encode_failure(
                "ServiceFailed", "the service lost the call by a fault of its own", self.workflow_id
            )
        if not self.replyer.tell(self):
            self.replyer.on_late(self)

    def cancel(self) -> None:
        """Answer that the service stopped before the handler was called."""
        self._give_up("the service stopped before it came to this request")

    def leave_behind(self) -> None:
        """Answer that the service stopped before the handler returned."""
        self._give_up("the service stopped before its handler came to an end")

    def _give_up(self, problem: str) -> None:
        self.frame = encode_failure("ServiceStopped", problem, self.workflow_id)
        self.counters.drop("stopped")
        self.settle()


class Replyer(SocketActor):
    """Owns a ROUTER socket, which plain REQ sockets talk to as well as ours."""

    counted = (
        "received",
        "sent",
        "handled",
        "failed",
        "dropped",
        "in_flight",
        "queued",
        "deduplicated",
        "restarts",
        "last_error",
        "handler_s",
    )

    def open(self) -> None:
        """Bind the socket."""
        creation = self.model.creation
        if self.handler is None:
            raise TypeError(f"{self.model.where}: a replyer without a handler")
        self.serving = self.handler
        self._socket = self.bind(zmq.ROUTER, "replyer")
        # a reply to a client that is gone fails instead of vanishing, so that it can be counted
        self._socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self.tells_texts = tells_texts(
            self.run_context.error_details,
            self._socket,
            is_secured=self.run_context.transport.is_secured,
        )
        self.max_bytes: int = creation["max_message_bytes"]
        self._arguments = self.model.arguments
        self._decoded_at_once = request_decoder(self.model.arguments)
        if creation["deduplicate"]:
            # the packed arguments tell a repeated request from another one under its id
            self._decoded_at_once = lambda _frame: None
        self.checked_reply = self.model.return_arguments.checked
        self._cache = ReplyCache() if creation["deduplicate"] else None
        # what a predecessor had not answered is lost with its socket
        self.counters.in_flight = 0
        self._deliveries = Deliveries(self)
        #: how many of the last calls in a row were quick
        self._quick_calls = 0

    def on_begin(self) -> None:
        """Start reading."""
        receive = partial(receive_frames, self._socket, 1)
        self._deliveries.source = self.watch(self._socket, receive=receive, take=self._take)

    def on_message(self, message: Any) -> None:
        """Send an answer that the router's thread brought, or read on when there is room."""
        if isinstance(message, RequestCall):
            self._deliveries.finish()
            self._answer(message)
        elif isinstance(message, ResumeReading):
            self._deliveries.resume()

    def on_late(self, message: Any) -> None:
        """Count an answer that came when the socket was closed already."""
        if isinstance(message, RequestCall):
            self.counters.drop("peer_gone")
        else:
            super().on_late(message)

    def note_invalid(self, error: BaseException) -> None:
        """Count and log that what a handler returned is no reply; runs under the handler lock."""
        self.counters.handled -= 1
        self.counters.fail(error)
        # whoever asks can bring it about as often as he likes
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
            if len(frames[0]) > MAX_ROUTING_ID:
                require_short_id(frames[0])
            if len(frames) == 3 and not frames[1]:
                payload = frames.pop()
                address = frames
            else:
                address, payload = split_address(frames)
            if len(payload) > self.max_bytes:
                raise OversizedMessage(over_limit("the request", len(payload), self.max_bytes))
            usual = self._decoded_at_once(payload)
            if usual:
                envelope, expires_in_s = usual, usual.expires_in_s
            else:
                envelope = decode_request(payload)
                expires_in_s = seconds_left(envelope)
            workflow_id = envelope.workflow_id
            args: dict[str, Any] = usual.args if usual else self._arguments.decoded(envelope.args)
        except MessageError as error:
            self.refuse(error)
            if address:
                failure = encode_failure(type(error).__name__, str(error), workflow_id)
                self._send(address, failure)
            return
        expires_at = None
        if expires_in_s is not None and isfinite(expires_in_s):
            if expires_in_s <= 0:
                self.counters.drop("expired")
                return
            expires_at = monotonic() + expires_in_s
        key: bytes | None = None
        if self._cache is not None and envelope.request_id is not None:
            key = key_of(envelope.request_id, envelope.args)
            if self._is_repeated(self._cache, key, Repetition(address, workflow_id)):
                return
            self._cache.begin(key)
        if workflow_id is None:
            workflow_id = self.run_context.new_workflow_id()
        request = RequestCall(self, args, address, workflow_id, key)
        request.expires_at = expires_at
        self.counters.in_flight += 1
        if self._quick_calls < QUICK_CALLS:
            self._deliveries.queue(request)
        elif self._deliveries.run_or_queue(request):
            self._answer(request)

    def _answer(self, request: RequestCall) -> None:
        """Send a reply; HOT."""
        counters = self.counters
        counters.in_flight -= 1
        if request.has_expired:
            self._forget(request)
            return
        if counters.handler_s.last < QUICK_S:
            self._quick_calls += 1
        else:
            self._quick_calls = 0
        if self._cache is not None and request.key is not None:
            for repetition in self._cache.finish(request.key, request.frame):
                self._repeat(repetition, request.frame)
        counters.sent += send_answer(self._socket, request.address, request.frame, counters)

    def _forget(self, request: RequestCall) -> None:
        """Drop a request whose caller waits no longer, without an answer."""
        self.counters.drop("expired")
        if self._cache is not None and request.key is not None:
            self._cache.give_up(request.key)

    def _is_repeated(self, cache: ReplyCache, key: bytes, repetition: Repetition) -> bool:
        """Answer a request that came before without the handler, now or when it is done."""
        reply = cache.reply_to(key)
        if reply is None and not cache.is_running(key, repetition):
            return False
        self.counters.deduplicated += 1
        if reply is not None:
            self._repeat(repetition, reply)
        return True

    def _repeat(self, repetition: Repetition, reply: bytes) -> None:
        """Send a reply again, under the workflow id of who asks now, if he has one."""
        if repetition.workflow_id is not None:
            reply = with_workflow_id(reply, repetition.workflow_id)
        self._send(repetition.address, reply)

    def _send(self, address: list[bytes], frame: bytes) -> None:
        self.counters.sent += send_answer(self._socket, address, frame, self.counters)
