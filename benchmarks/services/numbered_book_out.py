"""The book in the form of service_framework: the caller numbers the deltas of a field `state`."""

from time import perf_counter
from typing import Any

from benchmarks.link import link

state_models: dict[str, Any] = {
    "out": {
        "book": {
            "state_type": "delta_update_out",
            "required_state_arguments": {"current_num": int, "is_snapshot": bool},
            "required_arguments": {"state": {str: float}},
        }
    }
}


def main(to_send: Any, config: Any) -> None:  # noqa: ARG001 - service_framework wants both
    """Publish a whole book of `keys` keys, or `count` deltas of one key each."""
    number, keys = -1, 1

    def update(*, is_snapshot: bool, state: dict[str, float]) -> None:
        nonlocal number
        number += 1
        to_send(
            "state",
            "book",
            {"current_num": number, "is_snapshot": is_snapshot, "state": state},
        )

    for command in link().commands():
        began = perf_counter()
        if "keys" in command:
            keys = command["keys"]
            update(is_snapshot=True, state={str(key): float(key) for key in range(keys)})
        for change in range(command.get("count", 0)):
            update(is_snapshot=False, state={str(change % keys): change + 0.5})
        link().answer(number=number, began=began, ended=perf_counter())
