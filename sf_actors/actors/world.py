"""What the actors of one run share: each service is its own world."""

from __future__ import annotations

import itertools
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from sf_actors.actors.flag import Flag
from sf_actors.actors.shield import Shield

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sf_actors.actors.authenticator import Authenticator
    from sf_actors.actors.base import SocketActor
    from sf_actors.actors.error_details import ErrorDetails
    from sf_actors.actors.inbox import Wakeup
    from sf_actors.actors.router import Router
    from sf_actors.actors.states import States
    from sf_actors.actors.transport import Transport
    from sf_actors.actors.turn import Turn
    from sf_actors.addresses import Endpoint
    from sf_actors.definition.models import Model
    from sf_actors.log import Logger, LogScope


class Supervisor(Protocol):
    """Who starts the actors, stops them and decides what their faults mean.

    Every method may be called in any thread and returns soon.
    """

    def opened(
        self, actor: SocketActor | Router | Authenticator, error: BaseException | None
    ) -> None:
        """Take that an actor is ready, or why it cannot be."""

    def bound(self, model: Model, socket: str, address: str) -> None:
        """Take the address that a socket is bound to."""

    def died(self, actor: SocketActor | Authenticator, error: BaseException) -> None:
        """Take that an actor died, with its sockets closed."""

    def router_faulted(self, error: BaseException) -> None:
        """Take that the router lost a call by a fault of its own."""


@dataclass
class World:
    """What the actors of one run share.

    `turn`, `router` and, with keys, `authenticator` are filled in before the first actor starts.
    """

    name: str
    scope: LogScope
    log: Logger
    transport: Transport
    supervisor: Supervisor
    states: States
    #: holds interrupts back while user code is inside `to_send`
    shield: Shield = field(default_factory=Shield)
    turn: Turn = field(init=False)
    router: Router = field(init=False)
    #: says who may connect; there when the service has keys
    authenticator: Authenticator | None = None
    #: the newest actor under each name
    actors: dict[str, SocketActor] = field(default_factory=dict)
    #: the addresses that sockets took where the port was left open, by model and socket
    taken: dict[tuple[str, str, str, str], Endpoint] = field(default_factory=dict)
    #: what the user chose that callers are told of errors; None: each socket decides
    error_details: ErrorDetails | None = None
    #: set when outbound calls that wait must give up
    closing: Flag = field(default_factory=Flag)
    #: called right after that, in the thread of the stop
    when_closing: list[Callable[[], None]] = field(default_factory=list)
    #: readable from then on; there while a requester of the world needs it
    closing_wakeup: Wakeup | None = None
    #: returns an id for what begins here: unique, cheap, and short to read in a log; HOT
    new_workflow_id: Callable[[], str] = field(default_factory=lambda: _workflow_ids().__next__)


def _workflow_ids() -> Iterator[str]:
    """Give ids, all in C: a random start tells the runs of services apart, counting the rest."""
    return map(hex, itertools.count(secrets.randbits(60)))
