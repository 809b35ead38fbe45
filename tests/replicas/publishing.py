"""Publishes a run of the ledger: so many updates at once, or one after the other without end."""

from __future__ import annotations

from itertools import count
from typing import Any

from tests.replicas.ledger import FIELDS, Ledger

config_model = {"required": {"run": int}, "optional": {"count": int}}
state_models = {
    "out": {
        "book": {
            "state_type": "delta_update_out",
            "required_arguments": FIELDS,
            "optional_creation_arguments": {"heartbeat_s": 0.2, "high_water_mark": 1_000_000},
        }
    }
}


def init_function(to_send: Any, config: Any) -> None:
    """Publish a number of updates before anything else is done."""
    ledger = Ledger(config["run"])
    for n in range(config.get("count", 0)):
        to_send("state", "book", ledger.delta(n))


def main(to_send: Any, config: Any, stopping: Any) -> None:
    """Publish until the end, as fast as a replica on a busy machine can buffer until it joins."""
    ledger = Ledger(config["run"])
    for n in count(config.get("count", 0)):
        to_send("state", "book", ledger.delta(n))
        ledger.forget(n)
        if n % 100 == 0:
            stopping.wait(0.005)
