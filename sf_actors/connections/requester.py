"""The requester: sends a request and waits for its reply."""

from __future__ import annotations

import os
import threading
from collections import deque
from contextlib import suppress
from time import monotonic, time_ns
from typing import TYPE_CHECKING, Any

from msgspec import UNSET, UnsetType

from sf_actors.actors.incoming import incoming
from sf_actors.actors.taps import RequestNote
from sf_actors.actors.tracing import TRACEPARENT
from sf_actors.connections.exchange import Exchange
from sf_actors.connections.link import Link
from sf_actors.connections.peer_key import peer_key
from sf_actors.connections.waiting_call import WaitingCall
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
from sf_actors.replication.missing_updates import missing_updates
from sf_actors.schema.one_pass import reply_decoder
from sf_actors.sockets.names import Unresolved
from sf_actors.sync.reentry import owned_lock, reentered
from sf_actors.wire.envelope import decode_reply, encode_request
from sf_actors.wire.messages import Failure
from sf_actors.wire.seen import seen_of_reply
from sf_actors.wording import over_limit

if TYPE_CHECKING:
    from sf_actors.actors.run_context import RunContext
    from sf_actors.actors.taps import Tap
    from sf_actors.definition.models import Model
    from sf_actors.sockets.endpoint import Endpoint
    from sf_actors.wire.seen import Seen


#: Most threads with a connection of their own to a single address; further ones share one.
MAX_PRIVATE = 8


class ThreadExchange:
    """The exchange that a thread calls through, from its first call until the thread ends.

    :param own: an exchange for this thread alone, or the shared one
    :param freed: gets `own` when the thread ends
    :ivar call: the call that it waits for now, or None
    :ivar last: the exchange of its last call while that call may still be under way, else None
    """

    __slots__ = ("_freed", "call", "last", "own")

    def __init__(self, own: Exchange, freed: deque[Exchange]) -> None:
        self.own = own
        self.call: WaitingCall | None = None
        self.last: Exchange | None = None
        self._freed = freed

    def __del__(self) -> None:
        self._freed.append(self.own)


class Requester:
    """Sends requests through connections that belong to the calling threads.

    So the requests of one thread arrive in order, a call that timed out costs no connection, and a
    late reply is matched by its id. Threads with their own connection need not wake each other.
    While there are more calls than such connections, new calls go through the shared one: many
    threads that wait separately would only contend for the interpreter. With several addresses, all
    threads share one connection to each, so that its load is known.

    :param endpoint: the replyer, or several; it need not be there yet
    """

    def __init__(self, run_context: RunContext, model: Model, endpoint: Endpoint) -> None:
        self.model = model
        self.counters = Counters(
            "sent",
            "received",
            "in_flight",
            "timeouts",
            "retries",
            "behind",
            "unknown_fields",
            "dropped",
            "last_error",
        )
        self._run_context = run_context
        self._states = run_context.states
        self._tracing = run_context.tracing
        self._catch_up_s: float = model.creation["catch_up_s"]
        self._endpoint = endpoint
        self._unresolved = Unresolved(run_context.log, model.where)
        self._arguments = model.arguments
        self._return_arguments = incoming(
            model.return_arguments, model, self._count_unknown, run_context.log
        )
        self._decoded_at_once = reply_decoder(model.return_arguments)
        self._timeout_s: float = model.creation["timeout_s"]
        self._attempts: int = 1 + model.creation["retries"]
        self._max_bytes: int = model.creation["max_message_bytes"]
        self._by: str | None = model.creation["by"]
        self._lock, self._is_held_here = owned_lock()
        self._changed = threading.Condition(self._lock)
        self._under_way: set[WaitingCall] = set()
        #: they get a copy of each call
        self.taps: tuple[Tap, ...] = ()
        self._is_closed = False
        self._here = threading.local()
        self._most = 1 if endpoint.others else MAX_PRIVATE + 1
        # connected now: a wrong address or a missing key fails the start, not the first call
        self.exchanges = [self._opened()]
        #: exchanges that belong to no thread
        self._free: deque[Exchange] = deque(self.exchanges)

    def send(self, args: Any, workflow_id: object) -> Any:
        """Check, encode, send, and wait for the reply's arguments; any thread.

        If the service follows a state that the replyer has seen further along, the call waits until
        the service has caught up: at most `catch_up_s`, and within the time of the call.

        :raises InvalidArguments: the arguments or the reply fail the model
        :raises RequestTimeout: no reply came within `timeout_s`, `1 + retries` times
        :raises RemoteError: the replyer answered with an error
        :raises ServiceStopped: our own service stops
        :raises UsageError: it is called from within itself
        """
        if self._is_held_here():
            raise reentered(self.model.where)
        checked = self._arguments.checked(args)
        request_id = os.urandom(12).hex() if self._attempts > 1 else None
        expires_in_s = float(self._attempts * self._timeout_s)
        seen = self._states.in_call().seen() if self._states.has_any else UNSET
        span = UNSET if self._tracing is None else TRACEPARENT.get()
        frame = encode_request(checked, workflow_id, request_id, expires_in_s, seen, span)
        if len(frame) > self._max_bytes:
            raise MessageTooLarge(
                over_limit(f"{self.model.where}: the request", len(frame), self._max_bytes)
            )
        key = peer_key(checked[self._by]) if self._by is not None else None
        call = WaitingCall(frame, self._timeout_s, retries=self._attempts - 1, key=key)
        reply: bytes | None = None
        is_over = False
        try:
            exchange = self._enter(call)
            reply = exchange.ask(call)
            is_over = True
        finally:
            try:
                self._leave(call, is_answered=reply is not None, is_over=is_over)
            except BaseException:
                # a signal handler raised in there; a stop would wait for the call
                self._leave(call, is_answered=reply is not None, is_over=is_over)
                raise
        if self.taps:
            took_s = monotonic() - call.ends_at + expires_in_s
            for tap in self.taps:
                tap.add(RequestNote(frame, reply, took_s))
        if reply is None:
            raise self._timeout(call, exchange)
        states = self._states
        if (
            states.has_any
            and states.has_inbound
            and self._catch_up_s
            and len(reply) <= self._max_bytes
        ):
            self._catch_up(seen_of_reply(reply), call.ends_at)
        return self._decoded(reply)

    def connect(self, endpoint: Endpoint) -> None:
        """Send new calls to other addresses; calls under way are not lost. Any thread."""
        with self._lock:
            if self._is_closed:
                raise ServiceStopped(f"{self.model.where}: the service has stopped")
            self._endpoint = endpoint
            for exchange in self.exchanges:
                there = {link.name: link for link in exchange.links}
                exchange.connect(
                    [there.get(one.zmq_endpoint) or self._link(one) for one in endpoint.all]
                )

    def set_taps(self, taps: tuple[Tap, ...], _new: Tap | None) -> None:
        """Copy calls to these taps from now on; any thread."""
        self.taps = taps

    def close(self, timeout_s: float) -> bool:
        """Wait for the calls under way to end, and close the connections; any thread.

        :returns: False when a caller still waits after `timeout_s`
        """
        with self._changed:
            self._is_closed = True
            has_ended = self._changed.wait_for(lambda: not self._under_way, timeout_s)
            if has_ended:
                self._close_all()
            return has_ended

    def _close_all(self) -> None:
        for exchange in self.exchanges:
            exchange.close()

    def _enter(self, call: WaitingCall) -> Exchange:
        """Count a call and return the exchange for it; HOT."""
        with self._lock:
            if self._is_closed:
                raise ServiceStopped(f"{self.model.where}: the service has stopped")
            try:
                mine: ThreadExchange = self._here.mine
            except AttributeError:
                mine = self._here.mine = ThreadExchange(self._place(), self._free)
            under_way = self._under_way
            if mine.call in under_way:
                # the reply would be read by the call that this one interrupts
                raise reentered(self.model.where)
            under_way.add(call)
            mine.call = call
            self.counters.in_flight = count = len(under_way)
            # an earlier request of this thread that is still unanswered must arrive first
            exchange = mine.last
            if exchange is None:
                exchange = mine.own if count <= MAX_PRIVATE else self.exchanges[-1]
                mine.last = exchange
            return exchange

    def _place(self) -> Exchange:
        """Return the exchange for a thread that calls for the first time."""
        shared = self.exchanges[-1]
        is_shared = len(self.exchanges) == self._most
        while self._free:
            exchange = self._free.popleft()
            if not is_shared or exchange is not shared:
                break
        else:
            exchange = shared if is_shared else self._opened()
            if not is_shared:
                self.exchanges.append(exchange)
        return exchange

    def _opened(self) -> Exchange:
        return Exchange(
            [self._link(one) for one in self._endpoint.all],
            self._run_context.closing.fd,
            where=self.model.where,
            is_idempotent=self.model.creation["idempotent"],
        )

    def _leave(self, call: WaitingCall, *, is_answered: bool, is_over: bool) -> None:
        """Count what has become of a call; HOT.

        :param is_over: False if an exception, as of a stop, ended the wait
        """
        counters = self.counters
        with self._lock:
            if call not in self._under_way:
                return
            self._under_way.remove(call)
            mine = self._here.mine
            mine.call = None
            if is_answered:
                mine.last = None
            counters.in_flight = len(self._under_way)
            counters.sent += call.sent
            counters.received += is_answered
            if call.tries > 1 or not is_answered:
                counters.retries += call.tries - 1
                counters.timeouts += call.tries - (is_answered or not is_over)
            if self._is_closed and not self._under_way:
                self._close_all()
                self._changed.notify_all()

    def _link(self, endpoint: Endpoint) -> Link:
        return Link(
            self._run_context.transport,
            endpoint,
            self.model.creation,
            where=self.model.where,
            server=f"{self.model.kind}/{self.model.name}",
            unresolved=self._unresolved,
        )

    def _decoded(self, frame: bytes) -> Any:
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

    def _catch_up(self, seen: Seen, ends_at: float) -> None:
        """Wait until the service has seen as much of its states as the replyer had.

        A handler waits too, although its own view stays pinned: then its reply is up to date for
        its caller, and so are its next calls.

        :param ends_at: when the time of the call is over, in seconds of `time.monotonic`
        """
        states, now = self._states, monotonic()
        found = missing_updates(seen, states.followed, now, self._catch_up_s, time_ns)
        until = min(now + self._catch_up_s, ends_at)
        if not found.coming:
            until = min(until, found.unknown_until)

        def has_caught_up() -> bool:
            nonlocal found
            found = missing_updates(seen, states.followed, monotonic(), self._catch_up_s, time_ns)
            return not found.coming and not found.unknown

        if found.coming or found.unknown:
            # once the service stops, states are not followed any more
            with suppress(ServiceStopped):
                states.changes.wait_until(has_caught_up, until - now)
        if found.coming or found.unknown or found.is_behind:
            with self._changed:
                self.counters.behind += 1
        if seen:
            states.in_call().learn(seen)

    def _count_unknown(self) -> None:
        with self._changed:
            self.counters.unknown_fields += 1

    def _timeout(self, call: WaitingCall, exchange: Exchange) -> RequestTimeout:
        tried = f", tried {call.tries} times" if call.tries > 1 else ""
        caller = self._run_context.handler_that_runs_here()
        suspicion = ""
        if caller is not None:
            suspicion = (
                f"; the call came from within {caller}: if the other side waits for this "
                "service meanwhile, neither can answer"
            )
        return RequestTimeout(
            f"{self.model.where}: no reply from {self._endpoint} within "
            f"{self._timeout_s:g} s{tried}{_whereabouts(exchange)}{suspicion}"
        )


def _whereabouts(exchange: Exchange) -> str:
    """Return what is known about the addresses that do not answer."""
    parts = []
    for link in exchange.links:
        if link.is_stopping:
            parts.append(f"; the service at {link.endpoint} is stopping")
        elif not link.is_connected:
            parts.append(f"; {link.problem}")
    return "".join(parts)
