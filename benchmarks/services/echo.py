"""A service that returns what it gets.

The handler has no annotations: service_framework, which runs this file too, accepts a handler only
with the exact signature that it expects.
"""

from typing import Any


def on_request(args, to_send, states, config):  # type: ignore[no-untyped-def]  # noqa: ARG001
    """Return the number that came."""
    return {"n": args["n"]}


connection_models: dict[str, Any] = {
    "in": {
        "echo": {
            "connection_type": "replyer",
            "required_creation_arguments": {"on_new_request": on_request},
            "required_arguments": {"n": int},
            "required_return_arguments": {"n": int},
        }
    }
}
