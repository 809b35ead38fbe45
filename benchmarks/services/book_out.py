"""A service that publishes a state with many keys, changing one key at a time."""

from time import perf_counter
from typing import Any

from benchmarks.link import link

state_models: dict[str, Any] = {
    "out": {
        "book": {
            "state_type": "delta_update_out",
            "optional_creation_arguments": {"high_water_mark": 1_000_000},
            "required_arguments": {"levels": {str: float}},
        }
    }
}


config_model = {"optional": {"digest": bool, "store": str}}


def setup_states(config: dict[str, Any]) -> dict[str, Any]:
    """Turn on digests in heartbeats, or a store, if that is measured."""
    store = {"store": config["store"]} if "store" in config else {}
    return {"book": {"digest": config.get("digest", False), **store}}


def main(to_send: Any) -> None:
    """Publish a whole book of `keys` keys, or `count` deltas of one key each."""
    number, keys = -1, 1
    for command in link().commands():
        began = perf_counter()
        if "keys" in command:
            keys = command["keys"]
            levels = {str(key): float(key) for key in range(keys)}
            to_send("state", "book", {"is_snapshot": True, "levels": levels})
            number += 1
        for change in range(command.get("count", 0)):
            to_send("state", "book", {"levels": {str(change % keys): change + 0.5}})
            number += 1
        link().answer(number=number, began=began, ended=perf_counter())
