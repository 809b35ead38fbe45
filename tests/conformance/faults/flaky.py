"""Fails in three ways, each in a run of its own, and then ends well."""

import sys
from typing import Any


def main(to_send: Any) -> None:
    runs = to_send("connection", "run", {"who": "flaky"})["runs"]
    print("run", runs)
    if runs == 1:
        raise ValueError("the first")
    if runs == 2:
        sys.exit("the second")
    if runs == 3:
        sys.exit(4)


connection_models = {
    "out": {
        "run": {
            "connection_type": "requester",
            "required_arguments": {"who": str},
            "required_return_arguments": {"runs": int},
        }
    }
}
