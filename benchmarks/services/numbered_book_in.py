"""The replica in the form of service_framework, whose `init_function` gets its state objects."""

import threading
from typing import Any

from benchmarks.link import link
from benchmarks.peers.service_framework import answer_followed

state_models: dict[str, Any] = {
    "in": {
        "book": {
            "state_type": "delta_update_in",
            "required_state_arguments": {"current_num": int, "is_snapshot": bool},
            "required_arguments": {"state": {str: float}},
        }
    }
}


def init_function(to_send: Any, states: Any, config: Any) -> None:  # noqa: ARG001
    """Report the replica's number from a thread."""
    threading.Thread(target=answer_followed, args=(link(), states), daemon=True).start()
