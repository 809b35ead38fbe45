"""Publishes the order books of a recording of ten futures as one delta state."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import replay
from books import FUTURES, PROGRESS

if TYPE_CHECKING:
    from collections.abc import Iterator

config_model = {"required": {"recording": str}}
state_models = {"out": {"books": {"state_type": "delta_update_out", "required_arguments": FUTURES}}}
connection_models = {"out": {"progress": {"connection_type": "requester", **PROGRESS}}}


def deltas(path: str) -> Iterator[dict[str, Any]]:
    """Give what each recorded message changes."""
    for message in replay.received(path):
        feed = message.get("feed")
        if "event" in message:
            continue
        product = message["product_id"]
        if feed == "book_snapshot":
            sides = {
                side: {level(entry["price"]): level(entry["qty"]) for entry in message[side]}
                for side in ("bids", "asks")
            }
            yield {"books": {product: sides}, "sequence": {product: message["seq"]}}
        elif feed == "book":
            side = "bids" if message["side"] == "buy" else "asks"
            quantity = level(message["qty"])
            change = {level(message["price"]): quantity or None}
            yield {"books": {product: {side: change}}, "sequence": {product: message["seq"]}}
        elif feed == "ticker_lite":
            bid, ask = level(message["bid"]), level(message["ask"])
            yield {"ticker": {"product": product, "bid": bid, "ask": ask}}


def level(number: int | Decimal) -> Decimal:
    """Return a price or quantity as it was written."""
    return Decimal(number)


def main(to_send: Any, config: Any) -> None:
    """Replay the recording."""
    replay.send(to_send, deltas(config["recording"]))
