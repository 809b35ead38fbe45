"""Takes orders, publishes its book by deltas and its count as a whole; news goes over a bus."""

from decimal import Decimal
from pathlib import Path
from typing import Any

from sf_actors import Refused, get_logger

LOG = get_logger()

config_model = {"required": {"venue": str}}


def init_function(to_send: Any, config: dict[str, Any]) -> None:
    to_send("state", "book", {"venue": config["venue"], "bids": {}})
    to_send("state", "count", {"orders": 0})
    LOG.info("open", venue=config["venue"], rules=Path("rules.txt").read_text("utf-8").strip())


def on_order(args: dict[str, Any], to_send: Any, states: Any) -> dict[str, Any]:
    if args["price"] < 1:
        raise Refused(Path("rules.txt").read_text("utf-8").strip())
    if args["quantity"] < 0:
        raise ValueError("a quantity below zero")
    to_send("state", "book", {"bids": {args["price"]: args["quantity"] or None}})
    to_send("state", "count", {"orders": states["count"]["orders"] + 1})
    return {"orders": states["count"]["orders"]}


def on_announce(to_send: Any) -> dict[str, Any]:
    to_send("connection", "gossip", {"text": "for nobody here"})
    to_send("connection", "news", {"text": "open"})
    return {}


TEXT = {"text": str}
connection_models = {
    "in": {
        "orders": {
            "connection_type": "replyer",
            "required_arguments": {"price": Decimal, "quantity": int},
            "required_return_arguments": {"orders": int},
            "required_creation_arguments": {"on_order": on_order},
        },
        "announce": {
            "connection_type": "replyer",
            "required_creation_arguments": {"on_announce": on_announce},
        },
    },
    "out": {
        "news": {
            "connection_type": "publisher",
            "required_arguments": TEXT,
            "required_creation_arguments": {"topic": "trading", "is_x_pub": True},
        },
        "gossip": {
            "connection_type": "publisher",
            "required_arguments": TEXT,
            "required_creation_arguments": {"topic": "idle", "is_x_pub": True},
        },
    },
}
state_models = {
    "out": {
        "book": {
            "state_type": "delta_update_out",
            "required_arguments": {"venue": str, "bids": {Decimal: int}},
        },
        "count": {"state_type": "full_update_out", "required_arguments": {"orders": int}},
    }
}
