"""A service whose main updates a state and asks another process about it, again and again."""

from __future__ import annotations

import sys
from typing import Any

config_model = {"required": {"rounds": int, "is_x_pub": bool}}

state_models = {
    "out": {"book": {"state_type": "delta_update_out", "required_arguments": {"n": int}}}
}
connection_models = {
    "out": {"ask": {"connection_type": "requester", "required_return_arguments": {"n": int}}}
}


def setup_states(config: dict[str, Any]) -> dict[str, Any]:
    return {"book": {"is_x_pub": config["is_x_pub"]}}


def main(to_send: Any, config: dict[str, Any]) -> None:
    older = 0
    for n in range(config["rounds"]):
        to_send("state", "book", {"n": n})
        older += to_send("connection", "ask", {})["n"] < n
    sys.stdout.write(f"older: {older}\n")
