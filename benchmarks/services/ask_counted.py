"""A service that makes many calls, and reports the number of lost ones and the slowest."""

from __future__ import annotations

import threading
from time import perf_counter
from typing import Any

from benchmarks.link import link
from sf_actors import SfActorsError

connection_models: dict[str, Any] = {
    "out": {
        "echo": {
            "connection_type": "requester",
            "optional_creation_arguments": {"timeout_s": 20.0},
            "required_arguments": {"n": int},
            "required_return_arguments": {"n": int},
        }
    }
}


def main(to_send: Any) -> None:
    """Measure as often as the harness asks."""
    for command in link().commands():
        lost: list[str] = []
        slowest_s: list[float] = []
        each = command["calls"] // command["threads"]

        def call(each: int = each, lost: list[str] = lost, slow: list[float] = slowest_s) -> None:
            longest = 0.0
            for n in range(each):
                began = perf_counter()
                try:
                    to_send("connection", "echo", {"n": n})
                except SfActorsError as error:
                    lost.append(str(error))
                longest = max(longest, perf_counter() - began)
            slow.append(longest)

        threads = [threading.Thread(target=call) for _ in range(command["threads"])]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        link().answer(lost=len(lost), slowest_ms=max(slowest_s) * 1e3)
