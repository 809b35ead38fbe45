"""Waiting for conditions without an event, and how long tests wait for anything."""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

#: How long a test waits for something to happen, in seconds; far longer than necessary.
PATIENCE_S = 10.0


def until(
    condition: Callable[[], Any],
    what: str = "what was to come about",
    patience_s: float = PATIENCE_S,
) -> Any:
    """Wait until a condition without an event holds, such as a counter; returns its value."""
    found = until_at_most(patience_s, condition)
    assert found, f"waited in vain: {what}"
    return found


def until_at_most(seconds: float, condition: Callable[[], Any]) -> Any:
    """Wait until a condition holds or the time is over; returns its last value."""
    began = monotonic()
    between_looks = threading.Event()
    while not (found := condition()) and (waited := monotonic() - began) < seconds:
        # less often in a long wait: a look may take processor time from what is waited for
        between_looks.wait(min(0.02, max(0.002, waited / 20)))
    return found
