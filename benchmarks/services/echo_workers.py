"""The echo with workers, of which several may run at once."""

from typing import Any


def on_request(args: dict[str, int]) -> dict[str, int]:
    """Return the number that came."""
    return {"n": args["n"]}


connection_models: dict[str, Any] = {
    "in": {
        "echo": {
            "connection_type": "replyer",
            "required_creation_arguments": {"on_new_request": on_request, "workers": 4},
            "required_arguments": {"n": int},
            "required_return_arguments": {"n": int},
        }
    }
}
