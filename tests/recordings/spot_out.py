"""Publishes the order books of a recording of ten currency pairs as one delta state."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import replay
from books import PROGRESS, SPOT

if TYPE_CHECKING:
    from collections.abc import Iterator

config_model = {"required": {"recording": str}}
state_models = {"out": {"books": {"state_type": "delta_update_out", "required_arguments": SPOT}}}
connection_models = {"out": {"progress": {"connection_type": "requester", **PROGRESS}}}


def deltas(path: str) -> Iterator[dict[str, Any]]:
    """Give what each recorded message changes."""
    for message in replay.received(path):
        if not isinstance(message, list) or message[-2] != "book-1000":
            continue
        pair = message[-1]
        merged: dict[str, Any] = {}
        for part in message[1:-2]:
            merged |= part
        if "as" in merged:
            yield {"books": {pair: {"asks": levels(merged["as"]), "bids": levels(merged["bs"])}}}
        else:
            sides = {"a": "asks", "b": "bids"}
            yield {
                "books": {pair: {sides[k]: levels(merged[k]) for k in sides if k in merged}},
                "checksum": {"pair": pair, "crc32": int(merged["c"])},
            }


def levels(triples: list[list[str]]) -> dict[Decimal, Decimal | None]:
    """Return levels with the text of their decimals; a volume of 0 deletes one."""
    return {Decimal(price): Decimal(volume) or None for price, volume, *_ in triples}


def main(to_send: Any, config: Any) -> None:
    """Replay the recording."""
    replay.send(to_send, deltas(config["recording"]))
