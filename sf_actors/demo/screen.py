"""The screen: shows the market, and compares the book keeper's replica with the exchange's book.

Alone, in the folder of this file; without `--seconds` it runs until it is stopped::

    python -m sf_actors -s screen.py -a addresses.json -m -cl WARNING --seconds 10
"""

from __future__ import annotations

import sys
import time
from decimal import Decimal
from typing import Any

from sf_actors.demo.display import Figures, open_display

#: The pause between two figures, and how long the replica may take to reach the exchange's update,
#: in seconds.
INTERVAL_S = 0.25
PATIENCE_S = 1.0

config_model = {"optional": {"seconds": float}}


def main(to_send: Any, config: dict[str, Any]) -> None:
    """Show figures until the time is over; exit with status 1 if the replica ever differed."""
    started = last_time = time.monotonic()
    last_requests = differed = 0
    with open_display() as show:
        while time.monotonic() - started < config.get("seconds", float("inf")):
            time.sleep(INTERVAL_S)
            book = to_send("connection", "book", {})
            best = to_send("connection", "best", {})
            is_equal = compare(to_send, book)
            differed += is_equal is False
            now, requests = time.monotonic(), book["update"] + 1 + best["questions"]
            show(
                Figures(
                    bid=best.get("bid"),
                    ask=best.get("ask"),
                    depth=(best["depth"]["bids"], best["depth"]["asks"]),
                    updates=book["update"] + 1,
                    requests_per_s=(requests - last_requests) / (now - last_time),
                    phase=best["phase"],
                    is_equal=is_equal,
                )
            )
            last_time, last_requests = now, requests
    sys.exit(1 if differed else 0)


def compare(to_send: Any, book: dict[str, Any]) -> bool | None:
    """Compare a book of the exchange with the replica at the same update.

    :returns: None if the replica does not reach that update in time
    """
    if book["update"] < 0:
        return None
    deadline = time.monotonic() + PATIENCE_S
    while True:
        replica = to_send("connection", "replica", {"update": book["update"]})
        if replica["is_known"]:
            return all(replica[side] == book[side] for side in ("bids", "asks"))
        if time.monotonic() > deadline:
            return None
        time.sleep(0.005)


connection_models = {
    "out": {
        "book": {
            "connection_type": "requester",
            "required_return_arguments": {
                "update": int,
                "bids": {Decimal: int},
                "asks": {Decimal: int},
            },
        },
        "best": {
            "connection_type": "requester",
            "required_return_arguments": {
                "questions": int,
                "depth": {"bids": int, "asks": int},
                "phase": str,
            },
            "optional_return_arguments": {"bid": Decimal, "ask": Decimal},
        },
        "replica": {
            "connection_type": "requester",
            "required_arguments": {"update": int},
            "required_return_arguments": {"is_known": bool},
            "optional_return_arguments": {"bids": {Decimal: int}, "asks": {Decimal: int}},
        },
    }
}
