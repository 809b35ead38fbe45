"""Asks everybody, prints what it got as JSON, and ends the fleet with a status."""

import json
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from sf_actors import RemoteError, get_logger

LOG = get_logger()
PATIENCE_S = 20.0

config_model = {"required": {"status": int}}


def main(to_send: Any, states: Any, config: dict[str, Any]) -> None:
    LOG.info("trading begins", is_synchronised=states.wait(timeout_s=PATIENCE_S))
    result: dict[str, Any] = {
        "orders": [
            to_send("connection", "orders", {"price": Decimal(price), "quantity": quantity})
            for price, quantity in (("1.5", 3), ("1.4", 1), ("1.5", 0), ("1.25", 7))
        ],
        "own count": states["count"]["orders"],
        "refused": error_of(to_send, Decimal(0), 1),
        "failed": error_of(to_send, Decimal(1), -1),
    }
    prices: dict[int, str] = {}

    def have_all_priced() -> bool:
        reply = to_send("connection", "quotes", {"symbol": "ABC"})
        prices[reply["instance"]] = str(reply["price"])
        return len(prices) == 3

    def has_heard_all() -> bool:
        to_send("connection", "announce", {})
        result["heard"] = to_send("connection", "heard", {})["heard"]
        known = to_send("connection", "known", {})
        bids = {str(price): quantity for price, quantity in known["bids"].items()}
        result["known"] = {**known, "bids": bids}
        return len(result["heard"]) == 2 and bool(result["known"]["heard"])

    until(have_all_priced)
    until(has_heard_all)
    print(json.dumps({**result, "prices": prices}))
    print("an end without a line", end="")
    sys.exit(config["status"])


def error_of(to_send: Any, price: Decimal, quantity: int) -> list[str]:
    try:
        to_send("connection", "orders", {"price": price, "quantity": quantity})
    except RemoteError as error:
        return [error.type]
    return []


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.02)


connection_models = {
    "out": {
        "orders": {
            "connection_type": "requester",
            "required_arguments": {"price": Decimal, "quantity": int},
            "required_return_arguments": {"orders": int},
        },
        "announce": {"connection_type": "requester"},
        "quotes": {
            "connection_type": "requester",
            "required_arguments": {"symbol": str},
            "required_return_arguments": {"price": Decimal, "instance": int},
        },
        "known": {
            "connection_type": "requester",
            "required_return_arguments": {
                "venue": str,
                "bids": {Decimal: int},
                "orders": int,
                "heard": [str],
            },
        },
        "heard": {
            "connection_type": "requester",
            "required_return_arguments": {"heard": {str: str}},
        },
    }
}
state_models = {
    "in": {
        "count": {
            "state_type": "full_update_in",
            "required_arguments": {"orders": int},
            "required_creation_arguments": {"stale_after_s": 60.0},
        }
    }
}
