"""Counts messages and their rate in the handler, and reports them to the harness."""

from __future__ import annotations

from time import perf_counter, sleep
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.link import Link

#: How long no message must come before a burst counts as over, in seconds.
SILENCE_S = 0.05


class Tally:
    """Counts messages and notes the time of the last one, in the receiving thread."""

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
        """Start again from zero."""
        self.count = 0
        self.first = self.last = 0.0

    def settled(self, expected: int, patience_s: float = 20.0) -> dict[str, float]:
        """Wait until all messages have come, or until no more come.

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


#: The messages that this process has received.
TALLY = Tally()


def count_messages(link: Link) -> None:
    """Answer the harness with the counts; runs in a thread beside the receiver.

    A command gives the number of `expected` messages, or resets the count.
    """
    for command in link.commands():
        if "expected" in command:
            link.answer(**TALLY.settled(command["expected"]))
        else:
            TALLY.reset()
            link.answer()
