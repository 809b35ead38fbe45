"""An actor that owns sockets: open, ready, close on every path."""

from __future__ import annotations

import threading
from abc import abstractmethod
from dataclasses import replace
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar, cast

import pykka
import zmq

from sf_actors.actors.inbox import STEP, TICK, SocketInbox, SocketSource, WaitFailed
from sf_actors.actors.incoming import incoming
from sf_actors.actors.named_sources import NamedSources
from sf_actors.actors.orders import Begin, Drain, LastLook, Move, SetTaps
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

    Subclasses override `open`, `on_readable` and what else they need. An exception in one of
    them closes the sockets and ends the actor; the supervisor is told and may start another.

    :param run_context: what the actors of one run share
    :param model: the connection or state
    :param endpoints: the address of each of the model's sockets
    :param counters: its numbers, which outlive a restart
    :param handler: takes args, to_send, states, config; None where the model has none
    """

    inbox_type = SocketInbox
    counted: ClassVar[tuple[str, ...]] = ()

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
        self.sources: list[SocketSource] = []
        #: what `start` takes to make a successor
        self.restart_arguments: tuple[Any, ...] = (run_context, model, endpoints, counters, handler)
        run_context.supervisor.created(self)
        #: who watches what passes; a successor's are those of its predecessor. Only now: who begins
        #: to watch notes that first, and then looks for the actor
        self.taps = run_context.taps.get(model.key, ())
        self._bound: list[Socket] = []
        self._connected: list[Socket] = []
        self._named = NamedSources(run_context, model, self.inbox, self.tell)
        self._inproc = InprocPeers(run_context.transport, self.tell)
        self._is_open = False
        self._is_taken_over = False
        #: of what peers cause, by its kind
        self.throttle = Throttle()

    def not_started(self, error: RuntimeError) -> None:
        """Tell that the system has no thread left: the actor ends as one that cannot open."""
        self.run_context.supervisor.opened(self, error)

    # what subclasses fill in

    @abstractmethod
    def open(self) -> None:
        """Open the sockets."""

    def close(self) -> None:
        """Act before the sockets are closed."""

    def on_readable(self, source: SocketSource) -> None:
        """Read until nothing is there, a batch is done, a message waits or the socket pauses; HOT.

        A message whose `take` raises a `MessageError` is refused.
        """
        if monotonic() >= DESCRIPTORS.look_at:
            look_for_descriptors(self.run_context.log)
        waiting, receive, take = self.inbox.waiting, source.receive, source.take
        for count in range(BATCH):
            # the stop must not wait for slow handlers of what is not read yet
            if source.paused or (waiting and count):
                return
            # from the second message on, to read until EAGAIN is cheaper than to poll each time
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
        # as `drained`, of which the call would cost more
        source.may_be_readable = False

    def on_tick(self) -> None:
        """Act on the deadline of the inbox."""

    def on_step(self) -> None:
        """Do a piece of the work that the inbox was told of."""

    def on_message(self, message: Any) -> None:
        """Act on a message of another actor."""

    def on_late(self, message: Any) -> None:
        """Take a message that came when the sockets were closed already."""
        if type(message) is Drain or type(message) is LastLook:
            message.latch.arrive(self.name)

    def on_taps(self, new: Tap | None) -> None:
        """Note what passes for other taps from now on, `new` being one that has just begun."""

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
        """Answer what is still unread, in the thread of the stop."""

    # what subclasses use

    def bind(self, kind: int, name: str, *, send_queue: int | None = None) -> Socket:
        """Open one of the model's sockets and bind it.

        :param send_queue: messages that may wait for one peer, where not `high_water_mark`
        """
        key = (*self.model.key, name)
        endpoint = self.run_context.assigned_ports.get(key, self.endpoints[name])
        opened, shown = self.run_context.transport.bound(
            kind, endpoint, self.model.creation, where=self.model.where, send_queue=send_queue
        )
        self._bound.append(opened)
        if endpoint.scheme == "tcp" and endpoint.port == 0:
            # a successor takes the port that peers know by now
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
        """Open one of the model's sockets and connect it; to names once they are looked up.

        :param lock: held while the socket is used, where others use it as well
        """
        endpoint = self.endpoints[name]
        opened = self.run_context.transport.connected(
            kind,
            endpoint,
            self.model.creation,
            where=self.model.where,
            server=f"{self.model.kind}/{self.model.name}",
            subscription=subscription,
        )
        self._connected.append(opened)
        self._named.connect(opened, endpoint, lock)
        self._inproc.follow(opened, endpoint, lock)
        return opened

    def disconnect(self, source: SocketSource) -> None:
        """Close a connected socket that is watched, with what it still had to send."""
        self._named.forget(source.socket)
        self._inproc.forget(source.socket)
        self.inbox.forget(source)
        self.sources.remove(source)
        self._connected.remove(source.socket)
        self.run_context.transport.close(source.socket, linger_ms=0)

    def incoming(self, schema: Schema) -> Schema:
        """Return the schema that messages of others are held to."""
        return incoming(schema, self.model, self.count_unknown, self.run_context.log)

    def count_unknown(self) -> None:
        """Count a message that had fields which the model lacks."""
        self.counters.unknown_fields += 1

    def watch(self, socket: Socket, **reading: Any) -> SocketSource:
        """Wait for a socket from now on; `SocketSource` takes how it is read."""
        source = SocketSource(socket, **reading)
        self.sources.append(source)
        self.inbox.watch(source)
        return source

    def refuse(self, error: MessageError) -> None:
        """Count a message that cannot be taken, and warn of it."""
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
        """Log that a message was dropped, each reason once in a while, with the number left out."""
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
        """Do what is left to do and close, while the actor's thread is left behind in user code.

        Runs in the thread of the stop. The sockets change hands: the actor's thread does nothing
        but end when its user code ever returns (`LeftBehind`).
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
        """Open the sockets; a failure closes what was opened and is told to who waits."""
        self.thread = threading.current_thread()
        self.thread.name = f"{self.run_context.name}/{self.name}"
        self.run_context.scope.adopt()
        self._is_open = True
        try:
            self.open()
        except BaseException as error:  # noqa: BLE001 - told to who waits
            self._close()
            self.stop()
            self.run_context.supervisor.opened(self, error)
        else:
            for tap in self.taps:
                self.on_taps(tap)
            self.run_context.supervisor.opened(self, None)

    def on_receive(self, message: Any) -> None:
        """Act on one message, readable socket or deadline."""
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
            # what still waits in the inbox is for who takes the actor over
            self._is_taken_over = True
            self.leave_inbox()
        except BaseException as error:  # noqa: BLE001 - pykka would stop the actors of all services
            self._close()
            self.stop()
            self.run_context.supervisor.died(self, error)

    def _take_message(self, message: Any) -> None:
        if type(message) is Found:
            message.peers.take(message)
        elif type(message) is Freed:
            self._inproc.take(message)
        elif type(message) is SetTaps:
            self.taps = message.taps
            self.on_taps(message.begun)
        else:
            self.on_message(message)

    def on_stop(self) -> None:
        """Close everything, unless the stop has done so in another thread."""
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
        steps: list[Callable[[], None]] = [self.close]
        steps += [partial(self.inbox.forget, source) for source in self.sources]
        steps += [self._named.close, self._inproc.close]
        steps += [partial(transport.close, closing) for closing in self._connected]
        steps += [partial(transport.unbind, closing) for closing in self._bound]
        self.sources.clear()
        for step in steps:
            try:
                step()
            except BaseException:
                # the rest is to be closed all the same
                self.run_context.log.exception("closing failed", actor=self.name)
