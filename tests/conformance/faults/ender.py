"""Ends the fleet with a text when the flaky one has run for the last time."""

import sys
import time
from typing import Any

PATIENCE_S = 60.0


def main(to_send: Any) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if to_send("connection", "counted", {})["runs"].get("flaky", 0) >= 4:
            sys.exit("that was all")
        time.sleep(0.05)
    raise TimeoutError


connection_models = {
    "out": {
        "counted": {
            "connection_type": "requester",
            "required_return_arguments": {"runs": {str: int}},
        }
    }
}
