"""Services that update states, and call services that follow these states."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import zmq

from sf_actors.testing import module_of, running
from tests.support.bare_sockets import bare
from tests.support.models import ANY_PORT, address_of, endpoint_of, replyer, requester
from tests.support.state_pair import model, towards

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sf_actors import Service

N = {"n": int}


class Teller:
    """A service that publishes a state named `book`, and calls others.

    :ivar epoch: the epoch of the state
    """

    def __init__(self, service: Service, to_send: Callable[..., Any]) -> None:
        self.service = service
        self.to_send = to_send

    def tell(self, n: int) -> Any:
        """Update the state; returns the number of the update."""
        return self.to_send("state", "book", {"n": n})

    def ask(self, name: str = "ask") -> Any:
        """Ask another service for its value of the state."""
        return self.to_send("connection", name, {})["n"]

    @property
    def epoch(self) -> int:
        epoch = self.service.states.out.status("book").epoch
        assert epoch is not None
        return epoch

    @property
    def bound(self) -> dict[str, str]:
        """The addresses that the state is bound to, by socket name."""
        bound: dict[str, str] = self.service.addresses["states"]["out"]["book"]
        return bound

    @property
    def behind(self) -> int:
        """How many replies were passed on before the state had caught up with the replyer's."""
        count: int = self.service.stats()["connections"]["out"]["ask"]["behind"]
        return count


def n_of(args: Any, states: Any) -> dict[str, int]:
    """Return the state's value in this service, -1 before the first update."""
    return {"n": states["book"].get("n", -1)}


@contextmanager
def telling(
    ask: str | None = None,
    *,
    kind: str = "delta_update",
    out: Mapping[str, Any] | None = None,
    addresses: Mapping[str, str] | None = None,
    catch_up_s: float = 1.0,
    **others: str,
) -> Iterator[Teller]:
    """Run a service that publishes a state, by default on free ports.

    :param ask: the address of the replyer for its requester `ask`; others by name
    :param out: creation arguments of the out-state
    """
    got: list[Callable[..., Any]] = []

    def init_function(to_send: Callable[..., Any]) -> None:
        got.append(to_send)

    asked = {**({"ask": ask} if ask else {}), **others}
    sockets = ["publisher", *(["replyer"] if kind == "delta_update" else [])]
    module = module_of(
        "teller",
        init_function=init_function,
        state_models={"out": {"book": model(f"{kind}_out", N, **(out or {}))}},
        connection_models={"out": dict.fromkeys(asked, requester(None, N, catch_up_s=catch_up_s))},
    )
    places = {
        "states": {"out": {"book": dict(addresses or dict.fromkeys(sockets, ANY_PORT))}},
        "connections": {"out": asked},
    }
    with running(module, addresses=places, console_loglevel=None) as service:
        yield Teller(service, got[0])


class Knower:
    """A service that follows the state, and replies with its value."""

    def __init__(self, service: Service) -> None:
        self.service = service

    @property
    def address(self) -> str:
        return address_of(self.service, "ask")

    @property
    def counters(self) -> dict[str, Any]:
        """The counters of its replyer."""
        counters: dict[str, Any] = self.service.stats()["connections"]["in"]["ask"]
        return counters

    def peer(self, kind: int = zmq.REQ) -> Any:
        """Open a plain socket that is connected to its replyer."""
        return bare(kind, connect=endpoint_of(self.service, "ask"))


@contextmanager
def knowing(
    *bound: Mapping[str, str],
    address: str = ANY_PORT,
    kind: str = "delta_update",
    handler: Callable[..., Any] = n_of,
    follows: Mapping[str, Any] | None = None,
    connects: Mapping[str, str] | None = None,
    **creation: Any,
) -> Iterator[Knower]:
    """Run a service that follows states and answers requests.

    :param bound: the addresses of each state; the first one is named `book`, others `book1`, …
    :param address: of the replyer
    :param handler: of the replyer
    :param follows: creation arguments of the in-states
    :param connects: its own requesters
    :param creation: arguments of the replyer
    """
    names = ["book", *(f"book{number}" for number in range(1, len(bound)))]
    in_model = model(f"{kind}_in", N, **(follows or {}))
    module = module_of(
        "knower",
        state_models={"in": dict.fromkeys(names, in_model)},
        connection_models={
            "in": {"ask": replyer(handler, None, N, **creation)},
            "out": dict.fromkeys(connects or {}, requester(None, N)),
        },
    )
    places = {
        "states": {"in": {name: towards(b) for name, b in zip(names, bound, strict=True)}},
        "connections": {"in": {"ask": address}, "out": dict(connects or {})},
    }
    with running(module, addresses=places, console_loglevel=None) as service:
        yield Knower(service)


@contextmanager
def telling_and_knowing(port: int, **options: Any) -> Iterator[tuple[Teller, Knower]]:
    """Run a teller, and then a knower with the given options and a replyer at this port."""
    address = f"127.0.0.1:{port}"
    with ExitStack() as services:
        kind = options.get("kind", "delta_update")
        teller = services.enter_context(telling(address, kind=kind))
        yield teller, services.enter_context(knowing(teller.bound, address=address, **options))
