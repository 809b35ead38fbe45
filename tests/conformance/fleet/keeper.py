"""Follows the book and the count, and hears London; answers with what it knows."""

from decimal import Decimal
from typing import Any

from sf_actors import get_logger

LOG = get_logger()
HEARD: set[str] = set()


def on_tick(args: dict[str, Any]) -> None:
    HEARD.add(args["town"])


def on_known(states: Any) -> dict[str, Any]:
    LOG.info("this level is not shown")
    LOG.warning("asked for what it knows")
    return {**states["book"], **states["count"], "heard": sorted(HEARD)}


connection_models = {
    "in": {
        "ticks": {
            "connection_type": "subscriber",
            "required_arguments": {"town": str},
            "required_creation_arguments": {"topic": "london", "on_tick": on_tick},
        },
        "known": {
            "connection_type": "replyer",
            "required_return_arguments": {
                "venue": str,
                "bids": {Decimal: int},
                "orders": int,
                "heard": [str],
            },
            "required_creation_arguments": {"on_known": on_known},
        },
    }
}
state_models = {
    "in": {
        "book": {
            "state_type": "delta_update_in",
            "required_arguments": {"venue": str, "bids": {Decimal: int}},
            "required_creation_arguments": {"stale_after_s": 60.0},
        },
        "count": {
            "state_type": "full_update_in",
            "required_arguments": {"orders": int},
            "required_creation_arguments": {"stale_after_s": 60.0},
        },
    }
}
