"""Counts who has run how often, since a service that is run again knows nothing of its last run."""

from collections import Counter
from typing import Any

RUNS: Counter[str] = Counter()


def on_run(args: dict[str, Any]) -> dict[str, Any]:
    RUNS[args["who"]] += 1
    return {"runs": RUNS[args["who"]]}


def on_counted() -> dict[str, Any]:
    return {"runs": dict(RUNS)}


connection_models = {
    "in": {
        "run": {
            "connection_type": "replyer",
            "required_arguments": {"who": str},
            "required_return_arguments": {"runs": int},
            "required_creation_arguments": {"on_run": on_run},
        },
        "counted": {
            "connection_type": "replyer",
            "required_return_arguments": {"runs": {str: int}},
            "required_creation_arguments": {"on_counted": on_counted},
        },
    }
}
