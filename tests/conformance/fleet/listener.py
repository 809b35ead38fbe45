"""Hears news over the bus, and Paris without it; prints what is new to it."""

from typing import Any

HEARD: dict[str, str] = {}


def on_news(args: dict[str, Any]) -> None:
    note("news", args["text"])


def on_tick(args: dict[str, Any]) -> None:
    note("ticks", args["town"])


def note(kind: str, what: str) -> None:
    if HEARD.get(kind) != what:
        HEARD[kind] = what
        print("heard", what)


def on_heard() -> dict[str, Any]:
    return {"heard": HEARD}


connection_models = {
    "in": {
        "news": {
            "connection_type": "subscriber",
            "required_arguments": {"text": str},
            "required_creation_arguments": {
                "topic": "trading",
                "is_x_sub": True,
                "on_news": on_news,
            },
        },
        "ticks": {
            "connection_type": "subscriber",
            "required_arguments": {"town": str},
            "required_creation_arguments": {"topic": "paris", "on_tick": on_tick},
        },
        "heard": {
            "connection_type": "replyer",
            "required_return_arguments": {"heard": {str: str}},
            "required_creation_arguments": {"on_heard": on_heard},
        },
    }
}
