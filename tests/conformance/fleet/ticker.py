"""Publishes ticks under the name of a town, which its config says."""

from typing import Any

config_model = {"required": {"town": str}}
TOWN: dict[str, str] = {}


def setup_config(config: dict[str, Any]) -> dict[str, Any]:
    TOWN.update(config)
    return config


def setup_connection_models(models: dict[str, Any]) -> dict[str, Any]:
    creation = models["out"]["ticks"]["required_creation_arguments"]
    creation["topic"] = TOWN["town"]
    return models


def on_beat(to_send: Any) -> None:
    to_send("connection", "ticks", {"town": TOWN["town"]})


connection_models: dict[str, Any] = {
    "in": {
        "beat": {
            "connection_type": "timer",
            "required_creation_arguments": {"on_beat": on_beat, "every_s": 0.05},
        }
    },
    "out": {
        "ticks": {
            "connection_type": "publisher",
            "required_arguments": {"town": str},
            "required_creation_arguments": {},
        }
    },
}
