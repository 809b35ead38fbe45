"""Supervises actors: notes when they open, and restarts them when they die."""

from __future__ import annotations

from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any

from sf_actors.actors.commands import Begin, Move
from sf_actors.actors.router import Router
from sf_actors.actors.socket_actor import SocketActor
from sf_actors.connections.timers import Timers
from sf_actors.counters import summary
from sf_actors.errors import ActorDied
from sf_actors.lifecycle.run_state import RunPhase
from sf_actors.sockets.peers import Listener

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sf_actors.definition.models import Model
    from sf_actors.lifecycle.run_state import RunState
    from sf_actors.sockets.endpoint import Endpoint

#: An actor may be restarted MAX_RESTARTS times within RESTART_WINDOW_S seconds.
MAX_RESTARTS = 3
RESTART_WINDOW_S = 5.0


class Supervision:
    """Supervises the actors of one run; any thread.

    :param fail: stops the run because of an error; returns at once
    :param on_opened: called, until the run is READY, with each opened actor's name and its error
    :param on_bound: called with the model, name and address of each bound socket
    """

    def __init__(
        self,
        *,
        fail: Callable[[BaseException], None],
        on_opened: Callable[[str, BaseException | None], None],
        on_bound: Callable[[Model, str, str], None],
    ) -> None:
        self._fail = fail
        self._on_opened = on_opened
        self._on_bound = on_bound
        self._deaths: dict[str, deque[float]] = {}
        #: where actors were last told to connect, by their names
        self._moves: dict[str, Mapping[str, Endpoint]] = {}
        self._state: RunState

    def supervise(self, state: RunState) -> None:
        """Set the run to supervise, before its first actor starts."""
        self._state = state

    def created(self, actor: Any) -> None:
        """Note a new actor, not open yet, which replaces the last one of its name."""
        if isinstance(actor, SocketActor):
            self._state.actors[actor.name] = actor
        elif isinstance(actor, Router):
            self._state.router = actor
        elif isinstance(actor, Timers):
            self._state.timers = actor
        else:
            self._state.authenticator = actor

    def opened(self, actor: Any, error: BaseException | None) -> None:
        """Note that an actor is open, or why it cannot be."""
        state = self._state
        with state.lock:
            if not state.was_ready:
                self._on_opened(actor.name, error)
                return
            if state.phase is not RunPhase.READY or isinstance(actor, Router):
                return
        if error is None:
            actor.actor_ref.tell(Begin())
        else:
            self.died(actor, error)

    def bound(self, model: Model, socket: str, address: str) -> None:
        """Note the address that a socket is bound to."""
        state = self._state
        listener = Listener.at(address)
        state.bound_to.append((f"{model.name}.{socket}", address, listener))
        if socket == model.sockets[0]:
            state.listeners[model.key] = listener
        state.run_context.log.info("bound", model=model.name, socket=socket, address=address)
        self._on_bound(model, socket, address)

    def died(self, actor: Any, error: BaseException) -> None:
        """Restart an actor that died, unless it died too often."""
        if not self._record_death(actor.name, error):
            return
        # with the lock held, so that a stop that begins now sees the new actor
        with self._state.lock:
            if self._state.phase in (RunPhase.STARTING, RunPhase.READY):
                actor.counters.restarts += 1
                actor.counters.last_error = summary(error)
                self._replace(actor, actor.restart_arguments)

    def move(self, name: str, endpoints: Mapping[str, Endpoint]) -> None:
        """Have an actor connect elsewhere.

        :param name: the actor's
        :param endpoints: the address of each of its sockets
        """
        # with the lock held, so that a successor either is told, or is started with these
        with self._state.lock:
            self._moves[name] = endpoints
            self._state.actors[name].tell(Move(endpoints))

    def moved(self, actor: Any, arguments: tuple[Any, ...]) -> None:
        """Start a successor with new addresses for an actor that has closed its sockets."""
        with self._state.lock:
            if self._state.phase in (RunPhase.STARTING, RunPhase.READY):
                self._replace(actor, arguments)

    def _replace(self, actor: Any, arguments: tuple[Any, ...]) -> None:
        """Start a successor, with the last addresses: an actor that ends drops what it was told."""
        if actor.name in self._moves:
            run_context, model, _, *others = arguments
            arguments = (run_context, model, self._moves[actor.name], *others)
        type(actor).start(*arguments)

    def router_faulted(self, error: BaseException) -> None:
        """Count a fault of the router, which keeps running."""
        if self._record_death("router", error):
            self._state.router_restarts += 1

    def worker_faulted(self, name: str, error: BaseException) -> None:
        """Count a fault of a worker, which keeps running."""
        self._record_death(name, error)

    def _record_death(self, name: str, error: BaseException) -> bool:
        """Return True if the actor may be restarted; if it died too often, fail the run."""
        run_context = self._state.run_context
        run_context.log.error("actor died", actor=name, exc_info=error)
        with self._state.lock:
            deaths = self._deaths.setdefault(name, deque(maxlen=MAX_RESTARTS + 1))
            deaths.append(monotonic())
            too_often = len(deaths) > MAX_RESTARTS and deaths[-1] - deaths[0] <= RESTART_WINDOW_S
        if too_often:
            died = ActorDied(
                f"{run_context.name}: {name} died {MAX_RESTARTS + 1} times within "
                f"{RESTART_WINDOW_S:g} s, at last of {summary(error)}"
            )
            died.__cause__ = error
            self._fail(died)
        return not too_often
