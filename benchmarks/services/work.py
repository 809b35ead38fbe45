"""A service whose handler takes a millisecond."""

from time import sleep
from typing import Any

HANDLER_S = 0.001


def on_request(args: dict[str, Any]) -> dict[str, Any]:
    """Wait, as if for a disk, and return the number."""
    sleep(HANDLER_S)
    return {"n": args["n"]}


connection_models: dict[str, Any] = {
    "in": {
        "work": {
            "connection_type": "replyer",
            "required_creation_arguments": {"on_request": on_request},
            "required_arguments": {"n": int},
            "required_return_arguments": {"n": int},
        }
    }
}
