"""How many messages came, and how fast: counted by the handler, told to the harness."""

from __future__ import annotations

from time import perf_counter, sleep
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.link import Link

#: How long nothing must come before a burst of messages counts as over, in seconds.
SILENCE_S = 0.05


class Tally:
    """Counts the messages that came, in the thread that gets them, and when the last one did."""

    def __init__(self) -> None:
        self.count = 0
        self.first = 0.0
        self.last = 0.0

    def add(self) -> None:
        """Count a message."""
        self.last = perf_counter()
        if not self.count:
            self.first = self.last
        self.count += 1

    def reset(self) -> None:
        """Count from zero again."""
        self.count = 0
        self.first = self.last = 0.0

    def settled(self, expected: int, patience_s: float = 20.0) -> dict[str, float]:
        """Wait until all have come, or until nothing comes any more.

        :param expected: how many were sent
        :returns: count, and messages per second from the first to the last
        """
        deadline = perf_counter() + patience_s
        seen, since = self.count, perf_counter()
        while self.count < expected and perf_counter() < deadline:
            sleep(0.002)
            if self.count != seen:
                seen, since = self.count, perf_counter()
            elif perf_counter() - since > (SILENCE_S if seen else 1.0):
                break
        span = self.last - self.first
        per_s = (self.count - 1) / span if self.count > 1 and span > 0 else 0.0
        return {"count": self.count, "per_s": per_s}


#: The messages that this process got.
TALLY = Tally()


def count_messages(link: Link) -> None:
    """Tell what came, as the harness asks; runs beside what receives.

    A command gives the number of messages that are `expected`, or starts to count anew.
    """
    for command in link.commands():
        if "expected" in command:
            link.answer(**TALLY.settled(command["expected"]))
        else:
            TALLY.reset()
            link.answer()
