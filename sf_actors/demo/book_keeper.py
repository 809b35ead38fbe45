"""The book keeper: follows the exchange's order book and answers requests about it.

Alone, in the folder of this file::

    python -m sf_actors -s book_keeper.py -a addresses.json
"""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sf_actors import get_logger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sf_actors import Status

LOG = get_logger()

#: The last books, each as it was after one update. A state's value is a read-only view that never
#: changes, so keeping a thousand of them is cheap.
PAST: deque[Mapping[str, Any]] = deque(maxlen=1000)
COUNTS = {"questions": 0}


def on_update(states: Mapping[str, Any]) -> None:
    """Keep the book as it is after an update."""
    PAST.append(states["order_book"])


def on_phase(status: Status) -> None:
    """Log the phase of the replica when it changes."""
    LOG.info("order book is now", phase=status.phase, number=status.number)


def on_best(states: Mapping[str, Any]) -> dict[str, Any]:
    """Return the best prices, if there are any, and the open quantity on each side."""
    COUNTS["questions"] += 1
    book = states["order_book"]
    bids, asks = book.get("bids", {}), book.get("asks", {})
    reply: dict[str, Any] = {
        "questions": COUNTS["questions"],
        "depth": {"bids": sum(bids.values()), "asks": sum(asks.values())},
        "phase": str(states.status("order_book").phase),  # type: ignore[attr-defined]
    }
    if bids:
        reply["bid"] = max(bids)
    if asks:
        reply["ask"] = min(asks)
    return reply


def on_replica(args: dict[str, Any]) -> dict[str, Any]:
    """Return the book as it was after an update, if that is among the last ones kept."""
    for book in reversed(PAST):
        if book["update"] == args["update"]:
            return {"is_known": True, "bids": book["bids"], "asks": book["asks"]}
    return {"is_known": False}


connection_models = {
    "in": {
        "best": {
            "connection_type": "replyer",
            "required_creation_arguments": {"on_new_request": on_best},
            "required_return_arguments": {
                "questions": int,
                "depth": {"bids": int, "asks": int},
                "phase": str,
            },
            "optional_return_arguments": {"bid": Decimal, "ask": Decimal},
        },
        "replica": {
            "connection_type": "replyer",
            "required_creation_arguments": {"on_new_request": on_replica},
            "required_arguments": {"update": int},
            "required_return_arguments": {"is_known": bool},
            "optional_return_arguments": {"bids": {Decimal: int}, "asks": {Decimal: int}},
        },
    }
}
state_models = {
    "in": {
        "order_book": {
            "state_type": "delta_update_in",
            "required_creation_arguments": {"on_new_update": on_update, "on_status": on_phase},
            "required_arguments": {"update": int, "bids": {Decimal: int}, "asks": {Decimal: int}},
        }
    }
}
