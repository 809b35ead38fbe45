"""The objects that the actors of one run share."""

from __future__ import annotations

import itertools
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from sf_actors.sync.closing import Closing
from sf_actors.user_code.interrupt_guard import InterruptGuard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sf_actors.actors.taps import Tap
    from sf_actors.actors.tracing import Tracing
    from sf_actors.definition.model_types import Kind, Side
    from sf_actors.definition.models import Model
    from sf_actors.log import LogScope, PackageLogger
    from sf_actors.sockets.endpoint import Endpoint
    from sf_actors.sockets.error_details import ErrorDetails
    from sf_actors.sockets.transport import Transport
    from sf_actors.user_code.call import Call
    from sf_actors.user_code.handler_lock import HandlerLock
    from sf_actors.user_code.states_view import States
    from sf_actors.user_code.worker_pool import WorkerPool


class Supervised(Protocol):
    """An actor as the supervisor sees it."""

    name: str


class Supervisor(Protocol):
    """Restarts actors that die, and fails the run if they die too often.

    Any thread may call the methods; they return soon.
    """

    def created(self, actor: Supervised) -> None:
        """Note a new actor, which replaces the last of its name and is not open yet."""

    def opened(self, actor: Supervised, error: BaseException | None) -> None:
        """Note that an actor is open, or why it cannot be."""

    def bound(self, model: Model, socket: str, address: str) -> None:
        """Note the address that a socket is bound to."""

    def died(self, actor: Supervised, error: BaseException) -> None:
        """Note that an actor died; its sockets are closed."""

    def moved(self, actor: Supervised, arguments: tuple[Any, ...]) -> None:
        """Note that an actor has closed its sockets, so that another one can connect elsewhere."""

    def router_faulted(self, error: BaseException) -> None:
        """Note that the router lost a call by a fault of its own."""

    def worker_faulted(self, name: str, error: BaseException) -> None:
        """Note that a worker of the model with this name lost a call by a fault of the package."""


class CallSource(Protocol):
    """Calls that wait in their own order, each counted by the handler lock already."""

    #: no call yields to those of others any more
    is_draining: bool

    def next_call(self) -> Call | None:
        """Take the next call; None: none waits, and the source is to be queued again for more."""

    def cancel(self) -> int:
        """Drop what waits; returns how many calls that were."""


class CallQueue(Protocol):
    """Runs calls; any thread."""

    def enqueue(self, call: Call) -> None:
        """Queue a call even if it could run at once."""


class CallRouter(CallQueue, Protocol):
    """Runs calls one after another; any thread."""

    def enqueue_source(self, source: CallSource) -> None:
        """Queue a source until no call of it waits any more."""


@dataclass
class RunContext:
    """The objects that the actors of one run share.

    `handler_lock` and `router` are set before the first actor with sockets starts.
    """

    name: str
    scope: LogScope
    log: PackageLogger
    transport: Transport
    supervisor: Supervisor
    states: States
    #: holds interrupts back while user code is inside `to_send`
    interrupt_guard: InterruptGuard = field(default_factory=InterruptGuard)
    handler_lock: HandlerLock = field(init=False)
    router: CallRouter = field(init=False)
    #: the threads of models with `workers`
    pools: dict[tuple[Kind, Side, str], WorkerPool] = field(default_factory=dict)
    #: makes spans, where that is configured
    tracing: Tracing | None = None
    #: who watches a model
    taps: dict[tuple[Kind, Side, str], tuple[Tap, ...]] = field(default_factory=dict)
    #: the addresses that sockets took where the port was left open, by model and socket
    assigned_ports: dict[tuple[str, str, str, str], Endpoint] = field(default_factory=dict)
    #: what the user chose that callers are told of errors; None: each socket decides
    error_details: ErrorDetails | None = None
    #: set when outbound calls that wait must give up
    closing: Closing = field(default_factory=Closing)
    #: returns an id for what begins here: unique, cheap, and short to read in a log; HOT
    new_workflow_id: Callable[[], str] = field(default_factory=lambda: _workflow_ids().__next__)

    def handler_that_runs_here(self) -> str | None:
        """Return what user code runs in the calling thread, for messages; None: none."""
        user_code = self.handler_lock.user_code
        if user_code.runs_here():
            return user_code.label
        pools = tuple(self.pools.values())
        return next((pool.where for pool in pools if pool.runs_here()), None)


def _workflow_ids() -> Iterator[str]:
    """Yield ids, made in C: a random start distinguishes runs, counting the ids of one run."""
    return map(hex, itertools.count(secrets.randbits(60)))
