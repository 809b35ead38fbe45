"""A service that counts the trades that it gets; without annotations, for service_framework."""

from typing import Any

from benchmarks.counting import TALLY


def on_trade(args, to_send, states, config):  # type: ignore[no-untyped-def]  # noqa: ARG001
    """Count."""
    TALLY.add()


connection_models: dict[str, Any] = {
    "in": {
        "trades": {
            "connection_type": "subscriber",
            "required_creation_arguments": {"on_new_message": on_trade},
            "required_arguments": {"symbol": str, "price": float, "size": int},
        }
    }
}
