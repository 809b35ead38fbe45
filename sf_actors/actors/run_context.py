"""What the actors of one run share: name, log, transport, states, handler lock and router."""

from __future__ import annotations

import itertools
import os
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
        """Note a new actor, not open yet, which replaces the last one of its name."""

    def opened(self, actor: Supervised, error: BaseException | None) -> None:
        """Note that an actor is open, or why it cannot be."""

    def bound(self, model: Model, socket: str, address: str) -> None:
        """Note the address that a socket is bound to."""

    def died(self, actor: Supervised, error: BaseException) -> None:
        """Note that an actor died; its sockets are closed."""

    def moved(self, actor: Supervised, arguments: tuple[Any, ...]) -> None:
        """Note that an actor has closed its sockets for a successor that connects elsewhere."""

    def router_faulted(self, error: BaseException) -> None:
        """Note that the router lost a call by a fault of its own."""

    def worker_faulted(self, name: str, error: BaseException) -> None:
        """Note that a worker of the model `name` lost a call by a fault of the package."""


class CallSource(Protocol):
    """A queue of calls in their own order; the handler lock has counted each of them."""

    #: set once its calls no longer give way to those of other models
    is_draining: bool

    def next_call(self) -> Call | None:
        """Take the next call; None if none waits: the source must be queued again for more."""

    def cancel(self) -> int:
        """Drop the waiting calls; return how many there were."""


class CallQueue(Protocol):
    """Runs calls; any thread."""

    def enqueue(self, call: Call) -> None:
        """Queue a call even if it could run at once."""


class CallRouter(CallQueue, Protocol):
    """Runs calls one after another; any thread."""

    def enqueue_source(self, source: CallSource) -> None:
        """Queue a source; it stays until no call of it waits."""


class RunContext:
    """What the actors of one run share.

    `handler_lock` and `router` are set before the first actor with sockets starts.

    :param interrupt_guard: delays interrupts while user code is inside `to_send`
    :param tracing: makes spans, if tracing is configured
    :param error_details: the user's choice of how much of an error callers get; None: each socket
        decides
    """

    handler_lock: HandlerLock
    router: CallRouter

    def __init__(
        self,
        *,
        name: str,
        scope: LogScope,
        log: PackageLogger,
        transport: Transport,
        supervisor: Supervisor,
        states: States,
        interrupt_guard: InterruptGuard | None = None,
        tracing: Tracing | None = None,
        error_details: ErrorDetails | None = None,
    ) -> None:
        self.name = name
        self.scope = scope
        self.log = log
        self.transport = transport
        self.supervisor = supervisor
        self.states = states
        self.interrupt_guard = interrupt_guard or InterruptGuard()
        #: the threads of models with `workers`
        self.pools: dict[tuple[Kind, Side, str], WorkerPool] = {}
        self.tracing = tracing
        #: the taps of each model
        self.taps: dict[tuple[Kind, Side, str], tuple[Tap, ...]] = {}
        #: the addresses of sockets that were given port 0, by model and socket
        self.assigned_ports: dict[tuple[str, str, str, str], Endpoint] = {}
        self.error_details = error_details
        #: when the stop must be over, in seconds of `time.monotonic`; set when it begins
        self.stop_deadline = 0.0
        #: set when waiting outbound calls must give up
        self.closing = Closing()
        #: returns a new workflow id: unique, cheap, and short to read in a log; HOT
        self.new_workflow_id: Callable[[], str] = _workflow_ids().__next__

    def handler_that_runs_here(self) -> str | None:
        """Return the label of the user code that runs in the calling thread, or None."""
        user_code = self.handler_lock.user_code
        if user_code.runs_here():
            return user_code.label
        pools = tuple(self.pools.values())
        return next((pool.where for pool in pools if pool.runs_here()), None)


def _workflow_ids() -> Iterator[str]:
    """Yield ids, made in C: a random start distinguishes runs, counting the ids of one run."""
    return map(hex, itertools.count(int.from_bytes(os.urandom(8)) >> 4))
