"""A service that follows a state and answers what it is."""

from __future__ import annotations

from typing import Any

config_model = {"required": {"catch_up_s": float, "is_x_sub": bool}}


def on_request(args: Any, states: Any) -> dict[str, int]:
    return {"n": states["book"].get("n", -1)}


state_models = {"in": {"book": {"state_type": "delta_update_in", "required_arguments": {"n": int}}}}
connection_models = {
    "in": {
        "ask": {
            "connection_type": "replyer",
            "required_creation_arguments": {"on_request": on_request},
            "required_return_arguments": {"n": int},
        }
    }
}


def setup_states(config: dict[str, Any]) -> dict[str, Any]:
    return {"book": {"is_x_sub": config["is_x_sub"]}}


def setup_connections(config: dict[str, Any]) -> dict[str, Any]:
    return {"ask": {"catch_up_s": config["catch_up_s"]}}
