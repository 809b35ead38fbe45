"""A service that publishes a value with its creation time, 200 times a second."""

import threading
from time import perf_counter
from typing import Any

PER_S = 200

state_models: dict[str, Any] = {
    "out": {
        "book": {
            "state_type": "delta_update_out",
            "required_arguments": {"made_at": float},
        }
    }
}


def main(to_send: Any) -> None:
    """Publish forever."""
    pause = threading.Event()
    while True:
        to_send("state", "book", {"made_at": perf_counter()})
        pause.wait(1 / PER_S)
