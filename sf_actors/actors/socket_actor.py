"""The base of actors that own sockets: opens them, reads them, and closes them on every path."""

from __future__ import annotations

import threading
from abc import abstractmethod
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar, cast

import pykka
import zmq
from msgspec.structs import replace

from sf_actors.actors import last_replies
from sf_actors.actors.commands import Begin, Drain, LastLook, Move, SetTaps
from sf_actors.actors.inbox import ALARM, STEP, TICK, SocketInbox, SocketSource, WaitFailed
from sf_actors.actors.incoming import incoming
from sf_actors.actors.named_sources import Connections, NamedSources
from sf_actors.actors.pykka_actor import Actor
from sf_actors.errors import MessageError
from sf_actors.log.throttle import Throttle
from sf_actors.sockets.descriptors import DESCRIPTORS, look_for_descriptors
from sf_actors.sockets.frames import BATCH
from sf_actors.sockets.inproc_peers import Freed, InprocPeers
from sf_actors.sockets.named_peers import Found
from sf_actors.user_code.interruptible import LeftBehind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from sf_actors.actors.run_context import RunContext
    from sf_actors.actors.taps import Tap
    from sf_actors.counters import Counters
    from sf_actors.definition.models import Model
    from sf_actors.schema.schema import Schema
    from sf_actors.sockets.endpoint import Endpoint
    from sf_actors.sockets.frames import Socket


class SocketActor(Actor):
    """An actor with sockets; all hooks run in its own thread.

    Subclasses override `open` and other hooks. An exception in a hook closes the sockets and ends
    the actor; the supervisor is told and may restart it.

    :param run_context: what the actors of one run share
    :param model: the connection or state
    :param endpoints: the address of each of the model's sockets
    :param counters: its numbers, which outlive a restart
    :param handler: takes args, to_send, states, config; None where the model has none
    """

    inbox_type = SocketInbox
    counted: ClassVar[tuple[str, ...]] = ()

    #: whether what it has sent are replies, which a stop waits for
    replies: ClassVar[bool] = False

    def __init__(
        self,
        run_context: RunContext,
        model: Model,
        endpoints: Mapping[str, Endpoint],
        counters: Counters,
        handler: Callable[..., Any] | None = None,
    ) -> None:
        super().__init__()
        self.run_context = run_context
        self.model = model
        self.name = f"{model.kind}/{model.side}/{model.name}"
        self.label = f"{model.where}"
        self.endpoints = endpoints
        self.counters = counters
        self.handler = handler
        self.is_draining = False
        self.tracing = run_context.tracing
        self.thread: threading.Thread | None = None
        self.inbox = cast("SocketInbox", self.actor_inbox)
        self.inbox.on_receive = self.on_receive
        self.sources: list[SocketSource] = []
        #: the arguments of `start` for a restart
        self.restart_arguments: tuple[Any, ...] = (run_context, model, endpoints, counters, handler)
        run_context.supervisor.created(self)
        #: the taps of the model, also after a restart. Read only now: a new tap is noted in the run
        #: context first, and then the actor is told
        self.taps = run_context.taps.get(model.key, ())
        self._bound: list[Socket] = []
        self._connected: list[Socket] = []
        self._named = NamedSources(run_context, model, self.inbox, self.tell)
        self._inproc = InprocPeers(run_context.transport, self.tell)
        self._is_open = False
        self._is_taken_over = False
        #: limits the log lines that peers can cause, by kind
        self.throttle = Throttle()

    def not_started(self, error: RuntimeError) -> None:
        """Report that the system has no thread left; the actor ends like one that cannot open."""
        self.run_context.supervisor.opened(self, error)

    # what subclasses fill in

    @abstractmethod
    def open(self) -> None:
        """Open the sockets."""

    def close(self) -> None:
        """Act before the sockets are closed."""

    def on_readable(self, source: SocketSource) -> None:
        """Read until nothing is left, a batch is done, a message waits or the socket pauses; HOT.

        A message whose `take` raises a `MessageError` is refused.
        """
        if monotonic() >= DESCRIPTORS.look_at:
            look_for_descriptors(self.run_context.log)
        waiting, receive, take = self.inbox.waiting, source.receive, source.take
        for count in range(BATCH):
            # a message such as a stop must not wait behind slow handlers of unread messages
            if source.paused or (waiting and count):
                return
            # from the second message on, reading until EAGAIN is cheaper than polling each time
            if count == 1 and (source.is_probably_single or not source.has_more()):
                break
            try:
                message = receive()
            except zmq.Again:
                break
            try:
                take(message)
            except MessageError as error:
                self.refuse(error)
        else:
            return
        # `drained`, written out since the call would cost more
        source.may_be_readable = False

    def on_tick(self) -> None:
        """Handle the deadline of the inbox."""

    def on_step(self) -> None:
        """Do a piece of the actor's own work, since `inbox.has_work` is set."""

    def on_message(self, message: Any) -> None:
        """Handle a message from another actor."""

    def on_late(self, message: Any) -> None:
        """Handle a message that came after the sockets were closed."""
        if type(message) is Drain or type(message) is LastLook:
            message.latch.arrive(self.name)

    def on_taps(self, new: Tap | None) -> None:
        """React to a change of the taps; `new` has just begun."""

    def on_begin(self) -> None:
        """Start reading."""

    def on_drain(self) -> None:
        """Stop reading."""
        self.is_draining = True
        for source in self.sources:
            self.inbox.pause(source)

    def on_last_look(self, arrive: Callable[[], None]) -> None:
        """Call `arrive` when nobody has sent anything for a while."""
        arrive()

    def on_taken_over(self) -> None:
        """Answer messages that are still unread; in the thread of the stop."""

    # what subclasses use

    def bind(self, kind: int, name: str, *, send_queue: int | None = None) -> Socket:
        """Open one of the model's sockets and bind it.

        :param send_queue: most messages queued for one peer; None: `high_water_mark`
        """
        key = (*self.model.key, name)
        endpoint = self.run_context.assigned_ports.get(key, self.endpoints[name])
        opened, shown = self.run_context.transport.bound(
            kind, endpoint, self.model.creation, where=self.model.where, send_queue=send_queue
        )
        self._bound.append(opened)
        if endpoint.scheme == "tcp" and endpoint.port == 0:
            # a successor takes this port, which peers know by then
            port = int(shown.rpartition(":")[2])
            self.run_context.assigned_ports[key] = replace(endpoint, port=port, text=shown)
        self.run_context.supervisor.bound(self.model, name, shown)
        return opened

    def connect(
        self,
        kind: int,
        name: str,
        subscription: bytes | None = None,
        *,
        lock: AbstractContextManager[Any] | None = None,
    ) -> Socket:
        """Open one of the model's sockets and connect it; to host names once they are looked up.

        :param lock: held while the socket is used, if other threads use it too
        """
        endpoint = self.endpoints[name]
        opened = self.run_context.transport.connected(
            kind,
            endpoint,
            self.model.creation,
            where=self.model.where,
            server=f"{self.model.kind}/{self.model.name}",
            subscription=subscription,
            prepare=lambda socket: self._named.connect(socket, endpoint, lock),
        )
        self._connected.append(opened)
        self._inproc.follow(opened, endpoint, lock)
        return opened

    def disconnect(self, source: SocketSource) -> None:
        """Close a connected socket, and drop what it still had to send."""
        self._named.forget(source.socket)
        self._inproc.forget(source.socket)
        self.inbox.forget(source)
        self.sources.remove(source)
        self._connected.remove(source.socket)
        self.run_context.transport.close(source.socket, linger_ms=0)

    def incoming(self, schema: Schema) -> Schema:
        """Return the schema that inbound messages are checked against."""
        return incoming(schema, self.model, self.count_unknown, self.run_context.log)

    def count_unknown(self) -> None:
        """Count a message that had fields which the model lacks."""
        self.counters.unknown_fields += 1

    def watch(self, socket: Socket, **reading: Any) -> SocketSource:
        """Wait for a socket from now on; `reading` goes to `SocketSource`."""
        source = SocketSource(socket, **reading)
        self.sources.append(source)
        self.inbox.watch(source)
        return source

    def refuse(self, error: MessageError) -> None:
        """Count a message that cannot be taken, and log a warning."""
        self.counters.drop(error.reason)
        self.warn(error.reason, str(error))

    def tell(self, message: object) -> bool:
        """Bring a message to the actor; any thread.

        :returns: False when the actor has ended
        """
        try:
            self.actor_ref.tell(message)
        except pykka.ActorDeadError:
            return False
        return True

    def warn(self, reason: str, text: str) -> None:
        """Log that a message was dropped, at a limited rate, with the number of lines left out."""
        left_out = self.throttle.admit(reason, monotonic())
        if left_out is not None:
            self.run_context.log.warning(
                "message dropped",
                model=self.model.where,
                reason=reason,
                error=text,
                left_out=left_out,
            )

    def take_over(self) -> None:
        """Finish and close in place of the actor's thread, which is stuck in user code.

        Runs in the thread of the stop, which owns the sockets from now on. If the user code ever
        returns, the actor's thread only ends (`LeftBehind`).
        """
        self.is_draining = True
        for message in self.inbox.close():
            if type(message) is Drain:
                message.latch.arrive(self.name)
            else:
                self.on_message(message)
        try:
            self.on_taken_over()
        finally:
            self._close()

    @property
    def is_open(self) -> bool:
        """Whether its sockets are open; any thread."""
        return self._is_open

    # what pykka calls

    def on_start(self) -> None:
        """Open the sockets; a failure closes them again and is passed to the waiting start."""
        self.thread = threading.current_thread()
        self.thread.name = f"{self.run_context.name}/{self.name}"
        self.run_context.scope.adopt()
        self._is_open = True
        try:
            self.open()
        except BaseException as error:  # noqa: BLE001 - passed to the waiting start
            self._close()
            self.stop()
            self.run_context.supervisor.opened(self, error)
        else:
            for tap in self.taps:
                self.on_taps(tap)
            self.run_context.supervisor.opened(self, None)

    def on_receive(self, message: Any) -> None:
        """Handle one message, readable socket or deadline."""
        if not self._is_open:
            self.on_late(message)
            return
        try:
            if type(message) is SocketSource:
                self.on_readable(message)
            elif message is TICK:
                look_for_descriptors(self.run_context.log)
                self.on_tick()
            elif message is STEP:
                self.on_step()
            elif type(message) is Begin:
                self.on_begin()
            elif type(message) is Drain:
                self.on_drain()
                message.latch.arrive(self.name)
            elif type(message) is LastLook:
                self.on_last_look(partial(message.latch.arrive, self.name))
            elif type(message) is Move:
                first, model, _, *others = self.restart_arguments
                self._close()
                self.stop()
                arguments = (first, model, message.endpoints, *others)
                self.run_context.supervisor.moved(self, arguments)
            elif type(message) is WaitFailed:
                raise message.error
            else:
                self._take_message(message)
        except LeftBehind:
            # the messages left in the inbox are for `take_over`
            self._is_taken_over = True
            self.inbox.leave()
            self.leave_inbox()
        except BaseException as error:  # noqa: BLE001 - pykka would stop the actors of all services
            self._close()
            self.stop()
            self.run_context.supervisor.died(self, error)

    def _take_message(self, message: Any) -> None:
        if type(message) is Found:
            message.peers.take(message)
        elif type(message) is Connections:
            self._named.read(message)
        elif message is ALARM:
            self._named.restore()
        elif type(message) is Freed:
            self._inproc.take(message)
        elif type(message) is SetTaps:
            self.taps = message.taps
            self.on_taps(message.begun)
        else:
            self.on_message(message)

    def on_stop(self) -> None:
        """Close everything, unless `take_over` has done so in another thread."""
        if self._is_taken_over:
            return
        self._close()
        for message in self.inbox.close():
            self.on_late(message)

    def _close(self) -> None:
        if not self._is_open:
            return
        self._is_open = False
        transport = self.run_context.transport
        unbind: Callable[[Socket], None] = transport.unbind
        if self.replies and self.counters.sent:
            unbind = partial(last_replies.unbind, self.run_context, where=self.model.where)
        steps: list[Callable[[], None]] = [self.close]
        steps += [partial(self.inbox.forget, source) for source in self.sources]
        steps += [self._named.close, self._inproc.close]
        steps += [partial(transport.close, closing) for closing in self._connected]
        steps += [partial(unbind, closing) for closing in self._bound]
        self.sources.clear()
        for step in steps:
            try:
                step()
            except BaseException:
                # the rest must be closed all the same
                self.run_context.log.exception("closing failed", actor=self.name)
