"""The trader: gets the best prices from the book keeper and sends orders to the exchange.

Alone, in the folder of this file; `-m` runs `main`::

    python -m sf_actors -s trader.py -a addresses.json -m --seed 7 --pause_s 0.01
"""

from __future__ import annotations

import time
from decimal import Decimal
from random import Random
from typing import Any, Literal

from sf_actors import RequestTimeout, get_logger

LOG = get_logger()
CENT = Decimal("0.01")

config_model = {"optional": {"seed": int, "pause_s": float}}


def setup_config(config: dict[str, Any]) -> dict[str, Any]:
    """Fill in defaults."""
    return {"seed": 7, "pause_s": 0.001, **config}


def main(to_send: Any, config: dict[str, Any]) -> None:
    """Trade until the service stops: `to_send` then raises ServiceStopped, which ends main."""
    random = Random(config["seed"])  # noqa: S311 - prices, not secrets
    sent = filled = 0
    while True:
        try:
            best = to_send("connection", "best", {})
            reply = to_send("connection", "orders", choose(random, best))
        except RequestTimeout as error:
            LOG.warning("nobody answers", error=str(error))
            continue
        sent += 1
        filled += reply["filled"]
        if sent % 100 == 0:
            LOG.info("traded", orders=sent, filled=filled)
        time.sleep(config["pause_s"])


def choose(random: Random, best: dict[str, Any]) -> dict[str, Any]:
    """Return an order within a few cents of the best price on its own side."""
    side = random.choice(["buy", "sell"])
    start = best.get("bid" if side == "buy" else "ask", Decimal(100))
    cents = round(random.gauss(1, 6)) * (1 if side == "buy" else -1)
    return {
        "side": side,
        "price": max(start + cents * CENT, CENT),
        "quantity": random.randint(1, 20),
    }


connection_models = {
    "out": {
        "best": {
            "connection_type": "requester",
            "required_return_arguments": {
                "questions": int,
                "depth": {"bids": int, "asks": int},
                "phase": str,
            },
            "optional_return_arguments": {"bid": Decimal, "ask": Decimal},
        },
        "orders": {
            "connection_type": "requester",
            "required_arguments": {
                "side": Literal["buy", "sell"],
                "price": Decimal,
                "quantity": int,
            },
            "required_return_arguments": {"filled": int},
        },
    }
}
