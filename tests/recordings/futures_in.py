"""Follows the order books of ten futures and compares them with each recorded ticker."""

from __future__ import annotations

from typing import Any

from books import FUTURES, PROGRESS
from checks import Checks

CHECKS = Checks()


def on_update(args: Any, states: Any) -> None:
    """Check the witness, and at a ticker the best prices of its book."""
    value = states["books"]
    is_update = CHECKS.follow(args, value)
    if is_update and "ticker" in args:
        ticker = args["ticker"]
        book = value["books"][ticker["product"]]
        CHECKS.judge((ticker["bid"], ticker["ask"]), (max(book["bids"]), min(book["asks"])))


def on_progress(states: Any) -> dict[str, Any]:
    """Tell how far the replica is."""
    return {"phase": str(states.status("books").phase), "n": CHECKS.witness.n}


def sigint_handler(states: Any) -> None:
    """Tell the result."""
    CHECKS.tell(states)


state_models = {
    "in": {
        "books": {
            "state_type": "delta_update_in",
            "optional_creation_arguments": {"on_update": on_update},
            "required_arguments": FUTURES,
        }
    }
}
connection_models = {
    "in": {
        "progress": {
            "connection_type": "replyer",
            "required_creation_arguments": {"on_new_request": on_progress},
            **PROGRESS,
        }
    }
}
