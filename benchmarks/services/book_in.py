"""A service that follows a state with many keys and reads it."""

from typing import Any

from benchmarks.link import link
from benchmarks.reading import reads
from benchmarks.timing import reached

state_models: dict[str, Any] = {
    "in": {
        "book": {
            "state_type": "delta_update_in",
            "optional_creation_arguments": {"high_water_mark": 1_000_000},
            "required_arguments": {"levels": {str: float}},
        }
    }
}


def main(states: Any) -> None:
    """Report when the replica reached a `number`, or how long reading it takes."""
    for command in link().commands():
        if "number" in command:
            number = lambda: states.status("book").number  # noqa: E731
            link().answer(at=reached(number, command["number"], command["patience_s"]))
        else:
            link().answer(**reads(lambda: states["book"], command["key"], command["seconds"]))
