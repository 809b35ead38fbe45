"""Services that publish, and what follows them, for who watches them."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sf_actors import counterpart
from sf_actors.testing import module_of
from tests.support.services import (
    service_of,
)

if TYPE_CHECKING:
    from sf_actors import Service


PUBLISHER: dict[str, Any] = {
    "connection_type": "publisher",
    "optional_creation_arguments": {"topic": "t", "wait_after_creation_s": 0},
    "required_arguments": {"n": int},
}


BOOK: dict[str, Any] = {
    "state_type": "delta_update_out",
    "optional_creation_arguments": {"heartbeat_s": 0.1},
    "required_arguments": {"title": str, "bids": {Decimal: Decimal}},
}


CLOCK: dict[str, Any] = {
    "state_type": "full_update_out",
    "optional_creation_arguments": {"heartbeat_s": 0.1},
    "required_arguments": {"n": int},
}


def publishing() -> Service:
    """Return a service that publishes a connection and two states."""
    return service_of(
        module_of(
            connection_models={"out": {"news": PUBLISHER}},
            state_models={"out": {"book": BOOK, "clock": CLOCK}},
        ),
        addresses={
            "connections": {"out": {"news": {"publisher": "127.0.0.1:0"}}},
            "states": {
                "out": {
                    "book": {"publisher": "127.0.0.1:0", "replyer": "127.0.0.1:0"},
                    "clock": {"publisher": "127.0.0.1:0"},
                }
            },
        },
        name="pub",
    )


def following(leader: Service, **handlers: Any) -> Service:
    """Return a service that follows all that another one publishes."""

    def on_news(args: dict[str, Any]) -> None:
        args.clear()

    addresses = leader.addresses
    news = counterpart(PUBLISHER)
    news["required_creation_arguments"] = {"on_new_message": on_news}
    book = counterpart(BOOK)
    book.update(handlers)
    states = {"book": book, "clock": counterpart(CLOCK)}
    out = addresses["states"]["out"]
    return service_of(
        module_of(connection_models={"in": {"news": news}}, state_models={"in": states}),
        addresses={
            "connections": {
                "in": {"news": {"subscriber": addresses["connections"]["out"]["news"]["publisher"]}}
            },
            "states": {
                "in": {
                    "book": {
                        "subscriber": out["book"]["publisher"],
                        "requester": out["book"]["replyer"],
                    },
                    "clock": {"subscriber": out["clock"]["publisher"]},
                }
            },
        },
        name="sub",
    )


def parts(record: dict[str, Any], *names: str) -> tuple[Any, ...]:
    """Return some of a record."""
    return tuple(record[name] for name in names)
