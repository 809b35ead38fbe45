"""The echo with a dataclass as the whole of both messages."""

from dataclasses import dataclass
from typing import Any


@dataclass
class Number:
    """The message in both directions."""

    n: int


def on_request(args: Number) -> Number:
    """Return the number that came."""
    return Number(args.n)


connection_models: dict[str, Any] = {
    "in": {
        "echo": {
            "connection_type": "replyer",
            "required_creation_arguments": {"on_new_request": on_request},
            "required_arguments": Number,
            "required_return_arguments": Number,
        }
    }
}
