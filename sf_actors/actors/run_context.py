"""What the actors of one run share: each service is its own world."""

from __future__ import annotations

import itertools
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from sf_actors.sync.closing import Closing
from sf_actors.user_code.interrupt_guard import InterruptGuard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sf_actors.definition.models import Model
    from sf_actors.log import Logger, LogScope
    from sf_actors.sockets.endpoint import Endpoint
    from sf_actors.sockets.error_details import ErrorDetails
    from sf_actors.sockets.transport import Transport
    from sf_actors.user_code.states_view import States
    from sf_actors.user_code.turn import Call, HandlerLock


class Supervised(Protocol):
    """An actor as the supervisor sees it."""

    name: str


class Supervisor(Protocol):
    """Who starts the actors, stops them and decides what their faults mean.

    Every method may be called in any thread and returns soon.
    """

    def created(self, actor: Supervised) -> None:
        """Take that there is an actor, the newest of its name; it is not open yet."""

    def opened(self, actor: Supervised, error: BaseException | None) -> None:
        """Take that an actor is ready, or why it cannot be."""

    def bound(self, model: Model, socket: str, address: str) -> None:
        """Take the address that a socket is bound to."""

    def died(self, actor: Supervised, error: BaseException) -> None:
        """Take that an actor died, with its sockets closed."""

    def router_faulted(self, error: BaseException) -> None:
        """Take that the router lost a call by a fault of its own."""


class CallQueue(Protocol):
    """Runs calls that cannot run at once, one after the other; any thread."""

    def enqueue(self, call: Call) -> None:
        """Queue a call, whoever has the turn."""


@dataclass
class RunContext:
    """What the actors of one run share.

    `turn` and `router` are filled in before the first actor with sockets starts.
    """

    name: str
    scope: LogScope
    log: Logger
    transport: Transport
    supervisor: Supervisor
    states: States
    #: holds interrupts back while user code is inside `to_send`
    shield: InterruptGuard = field(default_factory=InterruptGuard)
    turn: HandlerLock = field(init=False)
    router: CallQueue = field(init=False)
    #: the addresses that sockets took where the port was left open, by model and socket
    taken: dict[tuple[str, str, str, str], Endpoint] = field(default_factory=dict)
    #: what the user chose that callers are told of errors; None: each socket decides
    error_details: ErrorDetails | None = None
    #: set when outbound calls that wait must give up
    closing: Closing = field(default_factory=Closing)
    #: returns an id for what begins here: unique, cheap, and short to read in a log; HOT
    new_workflow_id: Callable[[], str] = field(default_factory=lambda: _workflow_ids().__next__)


def _workflow_ids() -> Iterator[str]:
    """Give ids, all in C: a random start tells the runs of services apart, counting the rest."""
    return map(hex, itertools.count(secrets.randbits(60)))
