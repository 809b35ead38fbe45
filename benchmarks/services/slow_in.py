"""A service that follows a state with a handler much slower than the updates."""

import threading
from time import perf_counter
from typing import Any

from benchmarks.link import link
from benchmarks.spread import percentile

HANDLER_S = 0.025

#: The greatest age of a fresh value, and how long to wait for one, in seconds.
FRESH_S, PATIENCE_S = 0.05, 5.0


def on_update() -> None:
    """Take long."""
    threading.Event().wait(HANDLER_S)


state_models: dict[str, Any] = {
    "in": {
        "book": {
            "state_type": "delta_update_in",
            "optional_creation_arguments": {"on_update": on_update},
            "required_arguments": {"made_at": float},
        }
    }
}


def main(states: Any) -> None:
    """Report the age of the value, which is read a thousand times a second."""
    states.wait()
    pause = threading.Event()
    for command in link().commands():
        # both processes were stopped until now
        patience = perf_counter() + PATIENCE_S
        while perf_counter() - states["book"]["made_at"] > FRESH_S and perf_counter() < patience:
            pause.wait(0.001)
        until = perf_counter() + command["seconds"]
        ages = []
        while perf_counter() < until:
            ages.append(perf_counter() - states["book"]["made_at"])
            pause.wait(0.001)
        link().answer(p50_ms=percentile(ages, 0.5) * 1e3, p99_ms=percentile(ages, 0.99) * 1e3)
