"""Waiting for conditions without an event, and how long tests wait for anything."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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


class Stalls:
    """How long this process has had no processor, which a busy machine adds to any time.

    :ivar total_s: the delays, in seconds, of a thread that wakes again and again
    """

    #: How often it wakes, and what delay is none yet, in seconds.
    EVERY_S = 0.005
    USUAL_S = 0.005

    def __init__(self) -> None:
        self.total_s = 0.0

    def watch(self, is_over: threading.Event) -> None:
        """Add up delays until the event is set."""
        began = monotonic()
        while not is_over.wait(self.EVERY_S):
            ended = monotonic()
            late_s = ended - began - self.EVERY_S
            if late_s > self.USUAL_S:
                self.total_s += late_s
            began = ended


@contextmanager
def stalls() -> Iterator[Stalls]:
    """Watch a thread of this process while the block runs."""
    found, is_over = Stalls(), threading.Event()
    watching = threading.Thread(target=found.watch, args=(is_over,))
    watching.start()
    try:
        yield found
    finally:
        is_over.set()
        watching.join()
