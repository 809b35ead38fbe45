"""Builds the parts of a run from its models: senders for outbound models, else actors."""

from __future__ import annotations

from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from sf_actors.connections.external_target import ExternalTarget
from sf_actors.connections.publisher import Publisher
from sf_actors.connections.replyer import Replyer
from sf_actors.connections.requester import Requester
from sf_actors.connections.subscriber import Subscriber
from sf_actors.connections.timer import Timer
from sf_actors.connections.timers import Timers
from sf_actors.counters import Counters
from sf_actors.user_code.worker_pool import WorkerPool

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sf_actors.actors.run_context import RunContext
    from sf_actors.actors.socket_actor import SocketActor
    from sf_actors.actors.taps import Tap
    from sf_actors.definition.models import Model
    from sf_actors.definition.service_file import Key
    from sf_actors.sockets.endpoint import Endpoint
    from sf_actors.states.delta_out import DeltaOut, DeltaPublication
    from sf_actors.states.full_out import FullOut, FullPublication
    from sf_actors.user_code.to_send import Outbound


class Tapped(Protocol):
    """An outbound connection or out-state that can have taps."""

    def set_taps(self, taps: tuple[Tap, ...], new: Tap | None, /) -> None:
        """Copy what passes to these taps from now on."""


class Assembly:
    """The connections, publications and actors of one run.

    :param endpoints: model key -> socket name -> address
    :param handlers: bound handlers by model key
    :param on_status: bound status functions by model key
    """

    def __init__(
        self,
        run_context: RunContext,
        models: tuple[Model, ...],
        endpoints: Mapping[tuple[str, str, str], Mapping[str, Endpoint]],
        *,
        handlers: Mapping[Key, Callable[..., Any]],
        on_status: Mapping[Key, Callable[..., Any]],
    ) -> None:
        self._run_context = run_context
        self._models = models
        self._endpoints = endpoints
        self._handlers = handlers
        self._on_status = on_status
        self.counters: dict[Key, Counters] = {}
        self.connections: dict[str, Publisher | Requester | ExternalTarget] = {}
        self.publications: dict[str, DeltaPublication | FullPublication] = {}

    @property
    def outbounds(self) -> dict[tuple[str, str], Outbound]:
        """The connections and out-states of `to_send`, by ('connection' or 'state', name)."""
        found: dict[tuple[str, str], Outbound] = {}
        found.update(
            {("connection", name): outbound for name, outbound in self.connections.items()}
        )
        found.update({("state", name): outbound for name, outbound in self.publications.items()})
        tracing = self._run_context.tracing
        if tracing is not None:
            return {place: tracing.traced(outbound) for place, outbound in found.items()}
        return found

    def open_connections(self) -> None:
        """Open the outbound connections; in the thread that starts the service.

        :raises BindError: a socket cannot be opened
        """
        for model in self._models:
            if model.kind == "connections" and model.side == "out":
                outbound = self._connection(model)
                self.connections[model.name] = outbound
                self._begin_taps(model, outbound)
                self.counters[model.key] = outbound.counters

    def actor_names(self) -> set[str]:
        """Return the names of the actors that `start_actors` starts."""
        return {
            "timers" if model.type == "timer" else f"{model.kind}/{model.side}/{model.name}"
            for model in self._models
            if model.kind == "states" or model.side == "in"
        }

    def brings_calls_that_wait(self) -> bool:
        """Return True if calls may have to wait at the router.

        Two inbound models may call at the same time, and an in-state and a timer always queue their
        calls. A single connection makes each call after the previous one has ended, and one with
        workers has its own queue.
        """
        inbound = [m for m in self._models if m.side == "in" and not m.creation.get("workers")]
        return len(inbound) > 1 or any(m.kind == "states" or m.type == "timer" for m in inbound)

    def start_actors(self) -> None:
        """Start an actor for each state and inbound connection, out-states first.

        All timers share one actor. The pools of models with `workers` start first.

        :raises ServiceFailed: the system has no threads for the workers
        """
        for model in self._models:
            if model.creation.get("workers"):
                self._start_workers(model)
        timers = [self._timer(model) for model in self._models if model.type == "timer"]
        if timers:
            Timers.start(self._run_context, timers)
        actors = [m for m in self._models if m.kind == "states" or m.side == "in"]
        actors = [model for model in actors if model.type != "timer"]
        for model in sorted(actors, key=lambda model: (model.kind, model.side), reverse=True):
            if model.side == "in":
                self._start_inbound(model)
            else:
                self._start_out_state(model)

    def close_stores(self, timeout_s: float) -> None:
        """Write what the files of states lack, and close them; any thread.

        :param timeout_s: how long that may take, in seconds
        """
        deadline = monotonic() + timeout_s
        for publication in self.publications.values():
            publication.close_store(max(0.0, deadline - monotonic()))

    def ready_at(self) -> float:
        """Return when the pause for subscribers to join ends, in seconds of `time.monotonic`."""
        waits = [o.ready_at for o in self.connections.values() if isinstance(o, Publisher)]
        waits += [publication.ready_at for publication in self.publications.values()]
        return max(waits, default=0.0)

    def _connection(self, model: Model) -> Publisher | Requester | ExternalTarget:
        if model.type == "external_target":
            return ExternalTarget(self._run_context, model)
        endpoint = self._endpoints[model.key][model.sockets[0]]
        if model.type == "publisher":
            return Publisher(self._run_context, model, endpoint)
        return Requester(self._run_context, model, endpoint)

    def _begin_taps(self, model: Model, outbound: Tapped) -> None:
        """Give an outbound connection the taps that were begun before it existed."""
        taps = self._run_context.taps.get(model.key, ())
        for tap in taps:
            outbound.set_taps(taps, tap)

    def _start_workers(self, model: Model) -> None:
        run_context = self._run_context
        ordered_by = model.creation["ordered_by"]
        name = f"{model.kind}/{model.side}/{model.name}"
        pool = run_context.pools[model.key] = WorkerPool(
            f"{run_context.name}/{name}",
            model.creation["workers"],
            where=model.where,
            beside=run_context.handler_lock,
            key_of=None if ordered_by is None else model.arguments.field_of(ordered_by),
            adopt=run_context.scope.adopt,
            on_fault=partial(run_context.supervisor.worker_faulted, name),
        )
        pool.start()

    def _timer(self, model: Model) -> Timer:
        counters = self.counters[model.key] = Counters(*Timer.counted)
        return Timer(model, self._handlers[model.key], counters)

    def _start_inbound(self, model: Model) -> None:
        actor = _inbound_class(model.type)
        counters = self.counters[model.key] = Counters(*actor.counted)
        given = [self._run_context, model, self._endpoints[model.key], counters]
        given.append(self._handlers.get(model.key))
        if model.kind == "states":
            given.append(self._on_status.get(model.key))
        actor.start(*given)

    def _start_out_state(self, model: Model) -> None:
        actor = _out_state_class(model.type)
        kept = ("store_failed",) if model.creation["store"] else ()
        counters = self.counters[model.key] = Counters(*actor.counted, *kept)
        publication = actor.publication_type(self._run_context, model, counters)
        self.publications[model.name] = publication
        self._begin_taps(model, publication)
        self._run_context.states.show_own(model.name, publication)
        actor.start(self._run_context, model, self._endpoints[model.key], counters, publication)


def _inbound_class(model_type: str) -> type[SocketActor]:
    """Return the actor class of an inbound model; a state's is imported only if it is needed."""
    if model_type == "replyer":
        return Replyer
    if model_type == "subscriber":
        return Subscriber
    if model_type == "delta_update_in":
        from sf_actors.states.delta_in import DeltaIn  # noqa: PLC0415

        return DeltaIn
    from sf_actors.states.full_in import FullIn  # noqa: PLC0415

    return FullIn


def _out_state_class(model_type: str) -> type[DeltaOut | FullOut]:
    """Return the actor class of an out-state, likewise."""
    if model_type == "delta_update_out":
        from sf_actors.states.delta_out import DeltaOut  # noqa: PLC0415

        return DeltaOut
    from sf_actors.states.full_out import FullOut  # noqa: PLC0415

    return FullOut
