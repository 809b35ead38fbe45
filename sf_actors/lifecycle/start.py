"""The start of a run: sockets open, `init_function` runs, then all actors begin reading."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from sf_actors.actors.authenticator import Authenticator
from sf_actors.actors.commands import Begin
from sf_actors.actors.router import Router
from sf_actors.errors import ServiceFailed, ServiceStopped
from sf_actors.lifecycle.reserve_thread import RESERVE
from sf_actors.lifecycle.residents import RESIDENTS
from sf_actors.sockets.thread_limit import is_no_thread_left, no_thread_left
from sf_actors.sync.latch import Latch
from sf_actors.sync.shielded import briefly_shielded, shielded
from sf_actors.user_code.call import OneOffCall
from sf_actors.user_code.tracebacks import trimmed

if TYPE_CHECKING:
    from sf_actors.lifecycle.run_state import RunState

#: How long the sockets of a service may take to open, in seconds.
OPEN_TIMEOUT_S = 30.0


class Start:
    """Starts one run, once."""

    def __init__(self, state: RunState) -> None:
        self._state = state
        self._opening: Latch | None = None

    def run(self) -> None:
        """Open everything, run `init_function` and begin reading; in the caller's thread.

        :raises BaseException: what kept the service from being READY; the caller must stop it
        """
        state = self._state
        with state.run_context.scope.entered():
            try:
                self._open_all()
                self._run_init()
                state.contexts.seal()
                briefly_shielded(self._begin_to_read)
            except BaseException as error:
                if not (isinstance(error, ServiceStopped) and state.stop_begun.is_set()):
                    state.blame(error)
                raise
            self._announce_ready()

    def arrive(self, name: str, error: BaseException | None) -> None:
        """Note that an actor is open, or why it cannot be; any thread."""
        opening = self._opening
        if opening is not None:
            opening.arrive(name, error)

    def _open_all(self) -> None:
        """Open all sockets and wait until they are open; even after an error, none opens later.

        :raises ServiceFailed: one is not open in time, or the system has no thread left
        """
        state = self._state
        try:
            opening = briefly_shielded(self._begin_opening)
            if state.run_context.transport.keys is not None:
                # it must be open before any other socket is bound
                opening.wait_for({"authenticator"}, OPEN_TIMEOUT_S)
            briefly_shielded(self._open_the_rest)
            late = opening.wait(OPEN_TIMEOUT_S)
            if late:
                raise ServiceFailed(
                    f"{state.run_context.name}: {', '.join(sorted(late))} did not open within "
                    f"{OPEN_TIMEOUT_S:g} s"
                )
            briefly_shielded(self._take_opened)
        except BaseException as error:
            shielded(self._finish_opening)
            if isinstance(error, RuntimeError) and is_no_thread_left(error):
                raise no_thread_left(state.run_context.name) from None
            raise
        pause_s = state.assembly.ready_at() - monotonic()
        if pause_s > 0:
            # the pause for subscribers to join (wait_after_creation_s); a stop ends it
            state.stop_begun.wait(pause_s)

    def _begin_opening(self) -> Latch:
        """Start what the models' actors need first; return the latch at which all actors arrive."""
        state = self._state
        # now, while a thread can be started
        RESERVE.need(state)
        names = state.assembly.actor_names()
        keys = state.run_context.transport.keys
        if keys is not None:
            names.add("authenticator")
        has_queue = state.assembly.brings_calls_that_wait()
        if has_queue:
            names.add("router")
        opening = self._opening = Latch(names)
        Router.start(state.run_context)
        if has_queue and state.router is not None:
            # now, while a thread can be started
            state.router.begin()
        if keys is not None:
            Authenticator.start(state.run_context, keys)
        return opening

    def _open_the_rest(self) -> None:
        """Open the outbound connections, and start the models' actors."""
        self._state.assembly.open_connections()
        self._state.assembly.start_actors()

    def _take_opened(self) -> None:
        """Let user code send, now that everything is open."""
        state = self._state
        state.to_send = state.to_send_with(state.permit)
        states = state.run_context.states
        if not states.has_inbound:
            state.run_context.handler_lock.constant_arguments = state.offered_with(states.pinned())
        self._finish_opening()

    def _finish_opening(self) -> None:
        """Wait for actors that are still opening their sockets, even if others have failed."""
        state = self._state
        if self._opening is not None:
            self._opening.wait_for(set(state.actors), OPEN_TIMEOUT_S)
        self._opening = None
        state.has_opened.set()

    def _run_init(self) -> None:
        state = self._state
        init = state.definition.init
        if init is None or state.stop_begun.is_set():
            return
        call = OneOffCall(
            lambda _args, to_send, _pinned, config: init(to_send, state.run_context.states, config),
            label="init_function",
        )
        state.run_context.handler_lock.run_first(call)
        if call.error is not None:
            raise trimmed(call.error)

    def _begin_to_read(self) -> None:
        """Set the phase to READY, and let all actors read.

        :raises ServiceStopped: the stop has begun
        """
        state = self._state
        with state.lock:
            state.set_ready()
            for actor in state.actors.values():
                actor.tell(Begin())
            if state.timers is not None:
                state.timers.tell(Begin())

    def _announce_ready(self) -> None:
        state = self._state
        addresses = {name: address for name, address, _ in state.bound_to}
        state.run_context.log.info("ready", addresses=addresses)
        if RESIDENTS.on_ready is not None:
            RESIDENTS.on_ready(state.run_context.name)
        if not state.run_context.transport.is_secured:
            beyond = [
                f"{name} {address}"
                for name, address, listener in state.bound_to
                if listener.is_beyond_loopback
            ]
            if beyond:
                state.run_context.log.warning(
                    "bound beyond loopback without keys: anybody who can reach it can use it",
                    addresses=beyond,
                )
