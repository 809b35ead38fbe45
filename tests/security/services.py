"""A service with every kind of socket that is bound, and one that connects to each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import zmq

from sf_actors.testing import module_of
from tests.security.keyrings import PATIENCE_MS

if TYPE_CHECKING:
    import queue
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType


WAIT_S = PATIENCE_MS / 1000
X = {"required_arguments": {"x": int}}


def answer(args: dict[str, Any]) -> dict[str, Any]:
    return args


def ignore(args: dict[str, Any]) -> None:
    pass


def server_module(**definitions: object) -> ModuleType:
    """A service with every kind of socket that can be bound."""
    handled = {"required_creation_arguments": {"on_new_message": ignore}}
    return module_of(
        connection_models={
            "in": {
                "replyer": {
                    "connection_type": "replyer",
                    "required_creation_arguments": {"on_new_request": answer},
                    "required_return_arguments": {"x": int},
                    **X,
                },
                "binder": {
                    "connection_type": "subscriber",
                    "optional_creation_arguments": {"is_binder": True},
                    **handled,
                    **X,
                },
            },
            "out": {"publisher": {"connection_type": "publisher", **X}},
        },
        state_models={
            "out": {
                "delta": {"state_type": "delta_update_out", **X},
                "full": {"state_type": "full_update_out", **X},
            }
        },
        **definitions,
    )


#: the sockets of that service, with the kind of socket that connects to each
SOCKETS = {
    "replyer": zmq.DEALER,
    "binder": zmq.PUB,
    "publisher": zmq.SUB,
    "delta_publisher": zmq.SUB,
    "delta_replyer": zmq.REQ,
    "full": zmq.SUB,
}


def addresses_in(folder: Path) -> dict[str, Any]:
    path = {name: f"ipc://{folder}/{name}" for name in SOCKETS}
    delta = {"publisher": path["delta_publisher"], "replyer": path["delta_replyer"]}
    return {
        "connections": {
            "in": {
                "replyer": {"replyer": path["replyer"]},
                "binder": {"subscriber": path["binder"]},
            },
            "out": {"publisher": {"publisher": path["publisher"]}},
        },
        "states": {"out": {"delta": delta, "full": {"publisher": path["full"]}}},
    }


def client_module(got: queue.Queue[tuple[str, object]], **definitions: object) -> ModuleType:
    """A service that connects to every socket of the other."""

    def taking(name: str) -> Callable[[dict[str, Any]], None]:
        return lambda args: got.put((name, args["x"]))

    def on(name: str) -> dict[str, Any]:
        return {"required_creation_arguments": {"on_update": taking(name)}, **X}

    return module_of(
        name="client",
        connection_models={
            "in": {"publisher": {"connection_type": "subscriber", **on("publisher")}},
            "out": {
                "replyer": {
                    "connection_type": "requester",
                    "required_return_arguments": {"x": int},
                    **X,
                },
                "binder": {
                    "connection_type": "publisher",
                    "optional_creation_arguments": {"is_x_pub": True},
                    **X,
                },
            },
        },
        state_models={
            "in": {
                "delta": {"state_type": "delta_update_in", **on("delta")},
                "full": {"state_type": "full_update_in", **on("full")},
            }
        },
        **definitions,
    )


def client_addresses(folder: Path) -> dict[str, Any]:
    path = {name: f"ipc://{folder}/{name}" for name in SOCKETS}
    delta = {"subscriber": path["delta_publisher"], "requester": path["delta_replyer"]}
    return {
        "connections": {
            "in": {"publisher": {"subscriber": path["publisher"]}},
            "out": {
                "replyer": {"requester": path["replyer"]},
                "binder": {"publisher": path["binder"]},
            },
        },
        "states": {"in": {"delta": delta, "full": {"subscriber": path["full"]}}},
    }
