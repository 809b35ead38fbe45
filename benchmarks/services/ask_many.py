"""A service that keeps many calls to an echo in flight, each from a thread of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.link import link
from benchmarks.timing import in_threads

if TYPE_CHECKING:
    from collections.abc import Callable

config_model = {"required": {"in_flight": int}}
connection_models: dict[str, Any] = {
    "out": {
        "echo": {
            "connection_type": "requester",
            "required_arguments": {"n": int},
            "required_return_arguments": {"n": int},
        }
    }
}


def main(to_send: Any, config: dict[str, Any]) -> None:
    """Measure as often as the harness asks."""

    def make_call() -> Callable[[], object]:
        return lambda: to_send("connection", "echo", {"n": 1})

    for command in link().commands():
        threads = config["in_flight"]
        link().answer(**in_threads(make_call, threads=threads, seconds=command["seconds"]))
