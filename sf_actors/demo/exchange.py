"""The exchange: takes orders, matches them, and publishes its order book.

Alone, in the folder of this file::

    python -m sf_actors -s exchange.py -a addresses.json
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

#: How many price levels are kept on each side; worse ones are cancelled.
MAX_LEVELS = 20

# A service file is executed anew for each run, so its globals belong to one run. Handlers never run
# at the same time, so they need no lock.
BOOK: dict[str, dict[Decimal, int]] = {"bids": {}, "asks": {}}
COUNTS = {"orders": 0}


def on_order(args: dict[str, Any], to_send: Any) -> dict[str, Any]:
    """Match an order, publish the changed levels, and return the quantity filled."""
    changes, filled = match(args["side"], args["price"], args["quantity"])
    # Only changes are sent, as a merge patch in which None deletes a level.
    to_send("state", "order_book", {"update": COUNTS["orders"], **changes})
    for side, levels in changes.items():
        for price, quantity in levels.items():
            if quantity is None:
                BOOK[side].pop(price, None)
            else:
                BOOK[side][price] = quantity
    COUNTS["orders"] += 1
    return {"filled": filled}


def on_book() -> dict[str, Any]:
    """Return the whole book, for comparison with a replica."""
    return {"update": COUNTS["orders"] - 1, **BOOK}


def match(
    side: str, limit: Decimal, quantity: int
) -> tuple[dict[str, dict[Decimal, int | None]], int]:
    """Return the levels that an order changes, None for deleted ones, and the quantity filled."""
    changes: dict[str, dict[Decimal, int | None]] = {"bids": {}, "asks": {}}
    is_buy = side == "buy"
    own, other = ("bids", "asks") if is_buy else ("asks", "bids")
    left = quantity
    for price in sorted(BOOK[other], reverse=not is_buy):
        is_too_far = price > limit if is_buy else price < limit
        if is_too_far or not left:
            break
        waiting = BOOK[other][price]
        changes[other][price] = waiting - left if waiting > left else None
        left -= min(left, waiting)
    if left:
        changes[own][limit] = BOOK[own].get(limit, 0) + left
        prices = sorted({limit, *BOOK[own]}, reverse=is_buy)
        changes[own].update(dict.fromkeys(prices[MAX_LEVELS:]))
    return changes, quantity - left


connection_models = {
    "in": {
        "orders": {
            "connection_type": "replyer",
            "required_creation_arguments": {"on_new_request": on_order},
            "required_arguments": {
                "side": Literal["buy", "sell"],
                "price": Decimal,
                "quantity": int,
            },
            "required_return_arguments": {"filled": int},
        },
        "book": {
            "connection_type": "replyer",
            "required_creation_arguments": {"on_new_request": on_book},
            "required_return_arguments": {
                "update": int,
                "bids": {Decimal: int},
                "asks": {Decimal: int},
            },
        },
    }
}
state_models = {
    "out": {
        "order_book": {
            "state_type": "delta_update_out",
            "required_arguments": {"update": int, "bids": {Decimal: int}, "asks": {Decimal: int}},
        }
    }
}
