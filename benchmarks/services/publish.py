"""A service that publishes trades of three fields, as fast as it can or in small groups."""

from time import perf_counter, sleep
from typing import Any

from benchmarks.link import link

connection_models: dict[str, Any] = {
    "out": {
        "trades": {
            "connection_type": "publisher",
            "required_arguments": {"symbol": str, "price": float, "size": int},
        }
    }
}


def main(to_send: Any, config: Any) -> None:  # noqa: ARG001 - service_framework wants both
    """Publish as often as the harness asks.

    A command gives the `count` of messages, and the `pause` between groups of them in seconds,
    which is not timed.
    """
    for command in link().commands():
        group, pause = command.get("group", command["count"]), command.get("pause", 0.0)
        seconds = 0.0
        for _ in range(command["count"] // group):
            began = perf_counter()
            for number in range(group):
                trade = {"symbol": "BTC-EUR", "price": 30_000.5, "size": number}
                to_send("connection", "trades", trade)
            seconds += perf_counter() - began
            sleep(pause)
        link().answer(sent=command["count"], seconds=seconds)
