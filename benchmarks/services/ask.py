"""A service that calls an echo, one call after the other, and reports how long a call takes."""

from typing import Any

from benchmarks.link import link
from benchmarks.timing import measured

connection_models: dict[str, Any] = {
    "out": {
        "echo": {
            "connection_type": "requester",
            "required_arguments": {"n": int},
            "required_return_arguments": {"n": int},
        }
    }
}


def main(to_send: Any, config: Any) -> None:  # noqa: ARG001 - service_framework wants both
    """Measure as often as the harness asks."""
    for command in link().commands():
        call = lambda: to_send("connection", "echo", {"n": 1})  # noqa: E731
        link().answer(**measured(call, command))
