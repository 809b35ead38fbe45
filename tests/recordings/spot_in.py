"""Follows the order books of ten currency pairs and recalculates each recorded checksum."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Any
from zlib import crc32

from books import PROGRESS, SPOT
from checks import Checks

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

CHECKS = Checks()


def on_update(args: Any, states: Any) -> None:
    """Check the witness, and the checksum of the book that was updated."""
    value = states["books"]
    is_update = CHECKS.follow(args, value)
    if is_update and "checksum" in args:
        pair, recorded = args["checksum"]["pair"], args["checksum"]["crc32"]
        CHECKS.judge(recorded, checksum(value["books"][pair]))


def checksum(book: Mapping[str, Any]) -> int:
    """Return the CRC32 of the ten best asks and bids, made of the text of their decimals."""
    asks, bids = book["asks"], book["bids"]
    best = [(price, asks[price]) for price in heapq.nsmallest(10, asks)]
    best += [(price, bids[price]) for price in heapq.nlargest(10, bids)]
    return crc32("".join(digits(price) + digits(volume) for price, volume in best).encode())


def digits(number: Decimal) -> str:
    """Return the digits of a decimal as it was written, without point and leading zeros."""
    return f"{number:f}".replace(".", "").lstrip("0")


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
            "required_arguments": SPOT,
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
