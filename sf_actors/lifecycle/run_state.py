"""The state that the start, the stop and the supervision of one run share.

======== ============================================================================
phase    meaning
======== ============================================================================
STARTING sockets open, actors start, `init_function` runs; nothing is read yet
READY    everything runs
STOPPING nothing new is read; messages that were read are handled until the deadline
STOPPED  every socket is closed; `failure` says why, unless the stop was asked for
======== ============================================================================
"""

from __future__ import annotations

import enum
import threading
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from sf_actors.errors import ServiceFailed, ServiceStopped, UsageError
from sf_actors.lifecycle.reserve_thread import RESERVE
from sf_actors.sync.event import LightEvent, set_event
from sf_actors.user_code.states_view import PINNED
from sf_actors.user_code.to_send import SendPermit, ToSend

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sf_actors.actors.authenticator import Authenticator
    from sf_actors.actors.router import Router
    from sf_actors.actors.run_context import RunContext
    from sf_actors.actors.socket_actor import SocketActor
    from sf_actors.connections.timers import Timers
    from sf_actors.definition.service_file import Definition, Key
    from sf_actors.lifecycle.assembly import Assembly
    from sf_actors.sockets.peers import Listener
    from sf_actors.user_code.call_contexts import CallContexts
    from sf_actors.user_code.event_loop import EventLoop
    from sf_actors.user_code.interruptible import UserCode
    from sf_actors.user_code.states_view import States


class RunPhase(enum.StrEnum):
    """How far a run has come; see the top of the file."""

    STARTING = "STARTING"
    READY = "READY"
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"


class RunState(Struct, eq=False):
    """The phase of one run, its parts, and the permissions of its user code.

    Its methods may be called in any thread.

    :param stop_timeout_s: how long a stop may take, in seconds
    :param main_code: the place where `main` runs
    :param contexts: the contexts of user code
    :param event_loop: runs the coroutines of user code
    :param ended: set when everything is closed
    """

    definition: Definition
    run_context: RunContext
    assembly: Assembly
    main_code: UserCode
    contexts: CallContexts
    event_loop: EventLoop
    stop_timeout_s: float
    ended: LightEvent
    failure: BaseException | None = None
    phase: RunPhase = RunPhase.STARTING
    #: whether the run has been READY
    was_ready: bool = False
    started_at: float = field(default_factory=monotonic)
    ended_at: float | None = None
    #: set when nothing more is being opened
    has_opened: LightEvent = field(default_factory=LightEvent)
    main_ended: LightEvent = field(default_factory=set_event)
    #: cleared while a signal hook runs, which comes before the stop
    hook_ended: LightEvent = field(default_factory=set_event)
    #: withdrawn when `main` may no longer send; `permit` is that of all other user code
    main_permit: SendPermit = field(default_factory=SendPermit)
    permit: SendPermit = field(default_factory=SendPermit)
    #: the `to_send` of handlers, once everything is open
    to_send: Callable[..., Any] | None = None
    #: the newest actor under each name
    actors: dict[str, SocketActor] = field(default_factory=dict)
    #: set in the first steps of the start
    router: Router | None = None
    #: decides which peers may connect, if the service has keys
    authenticator: Authenticator | None = None
    #: waits for the timers, if the service has some
    timers: Timers | None = None
    router_restarts: int = 0
    #: model and socket, the bound address and its listener, in the order of binding
    bound_to: list[tuple[str, str, Listener]] = field(default_factory=list)
    #: the listener of each bound model, to count its peers
    listeners: dict[Key, Listener] = field(default_factory=dict)
    #: held while the phase, or what depends on it, changes
    lock: threading.RLock = field(default_factory=threading.RLock)
    threads: list[threading.Thread] = field(default_factory=list)

    @property
    def callers(self) -> list[SocketActor | Timers]:
        """The actors that bring handler calls."""
        inbound = [actor for actor in self.actors.values() if actor.model.side == "in"]
        return [*inbound, self.timers] if self.timers is not None else [*inbound]

    def blame(self, error: BaseException) -> None:
        """Set the failure of the run, unless there is one already."""
        with self.lock:
            if self.failure is None and self.phase is not RunPhase.STOPPED:
                self.failure = error

    @property
    def stop_begun(self) -> LightEvent:
        """Set when the stop has begun."""
        return self.definition.stop_begun

    def set_ready(self) -> None:
        """Set the phase to READY, unless the stop has begun; with the lock held.

        :raises ServiceStopped: the stop has begun
        """
        if self.stop_begun.is_set():
            raise self.failure or ServiceStopped(
                f"{self.run_context.name}: stopped before it was ready"
            )
        self.phase = RunPhase.READY
        self.was_ready = True
        if self.definition.main is not None:
            self.main_ended.clear()

    def begin_stop(self) -> None:
        """Note that the stop has begun: withdraw permits, and never become READY."""
        with self.lock:
            # code that takes `stopping` may end on its own for a while
            self.main_permit.is_withdrawn = not self.definition.takes_stopping
            if not self.definition.takes_stopping:
                self.event_loop.cancel_main()
            if not self.was_ready:
                # no message was read that could need an answer: only init_function could send
                self.permit.is_withdrawn = True
            self.stop_begun.set()
            self.run_context.states.changes.end()

    def set_stopping(self) -> None:
        """Set the phase to STOPPING; no actor is restarted any more."""
        with self.lock:
            self.phase = RunPhase.STOPPING

    def set_stopped(self) -> None:
        """Set the phase to STOPPED, now that everything is closed."""
        with self.lock:
            self.ended_at = monotonic()
            self.phase = RunPhase.STOPPED

    def offered(self, pinned: Mapping[str, Any] | None) -> tuple[Any, ...]:
        """Return the arguments of a handler after its args: to_send, states, config.

        Requests sent in this context from now on carry how far these states are.
        """
        states = self.run_context.states.pinned(pinned)
        PINNED.set(states)
        return self.to_send, states, self.definition.config

    def offered_with(self, states: States) -> tuple[Any, ...]:
        """Return the arguments of a handler after its args, with these states."""
        return self.to_send, states, self.definition.config

    def to_send_with_all(self) -> Callable[..., Any]:
        """Return the `to_send` of handlers.

        :raises UsageError: nothing is open yet
        :raises ServiceStopped: it has ended before anything was open
        """
        if self.to_send is None:
            if self.phase is RunPhase.STOPPED:
                raise ServiceStopped(f"{self.run_context.name} stopped before it was ready")
            raise UsageError(f"to_send: {self.run_context.name} is still being opened")
        return self.to_send

    def to_send_with(self, permit: SendPermit) -> Callable[..., Any]:
        """Return a `to_send` for user code, valid as long as the permit is."""
        run_context = self.run_context
        return ToSend(
            run_context.name,
            self.assembly.outbounds,
            permit,
            interrupt_guard=run_context.interrupt_guard,
            new_workflow_id=run_context.new_workflow_id,
        ).__call__

    def exit_outside_main(self, label: str, error: SystemExit) -> ServiceFailed:
        """Return the failure for user code that called `sys.exit` outside `main`."""
        failed = ServiceFailed(
            f"{self.run_context.name}: {label} called sys.exit({error.code!r}), which only main may"
        )
        failed.__cause__ = error
        return failed

    def start_thread(self, function: Callable[..., None], *arguments: Any, name: str) -> None:
        """Run a function of the package in a thread that ends with the run."""
        thread = threading.Thread(
            target=function, args=arguments, name=f"{self.run_context.name}/{name}", daemon=True
        )
        self.threads.append(thread)
        try:
            thread.start()
        except RuntimeError:
            # there is no thread to wait for
            self.threads.remove(thread)
            raise

    def run_for_stop(self, function: Callable[..., None], *arguments: Any, name: str) -> None:
        """Run a part of the stop in a new thread, or in the one in reserve."""
        try:
            self.start_thread(function, *arguments, name=name)
        except RuntimeError:
            # the system has no thread left
            RESERVE.run(partial(function, *arguments))
