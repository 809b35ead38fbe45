"""Follows the state and prints each change of it and of its phase."""

from __future__ import annotations

import json
from typing import Any

from tests.replicas.ledger import FIELDS, OPTIONAL


def tell(**what: Any) -> None:
    """Print a line."""
    print(json.dumps(what), flush=True)  # noqa: T201 - the test reads it


def on_update(args: Any, states: Any) -> None:
    """Print which fields came and the value after them, without what makes it large."""
    value = dict(states["book"])
    pad = value.pop("pad", "")
    tell(
        run=value["run"],
        n=value["n"],
        h=value["h"],
        rows=sorted(value["rows"].items()),
        changed=sorted(args["rows"].items()),
        pad=len(pad),
    )


def on_status(status: Any) -> None:
    """Print the phase and its numbers."""
    tell(phase=status.phase, number=status.number, gaps=status.gaps, resyncs=status.resyncs)


state_models = {
    "in": {
        "book": {
            "state_type": "delta_update_in",
            "required_arguments": FIELDS,
            "optional_arguments": OPTIONAL,
            "optional_creation_arguments": {
                "on_update": on_update,
                "on_status": on_status,
                "heartbeat_s": 0.2,
                "stale_after_s": 0.6,
                "high_water_mark": 100,
            },
        }
    }
}
