"""States that a service follows, as the rules of waiting see them."""

from __future__ import annotations

from dataclasses import dataclass, field

#: The wall clock of these tests is this much ahead of their monotonic one, in nanoseconds.
WALL_NS = 10**18


def run_of(started_at: float) -> int:
    """Return the epoch of a run that began at a time of the monotonic clock."""
    return WALL_NS + round(started_at * 1e9)


@dataclass
class FollowedRuns:
    """A state in the place of a replica's.

    :ivar counts: how far its value is, by the epochs of its runs
    :ivar followed: the run whose updates are taken now
    :ivar opened_at: as of `StateSlot`, as the others are
    """

    counts: dict[int, int] = field(default_factory=dict)
    followed: int | None = None
    opened_at: float = 0.0
    heard_at: float | None = None
    has_many: bool = False
    stale_after_s: float = 3.0

    def count_of(self, epoch: int) -> int:
        return self.counts.get(epoch, -1)

    def is_followed(self, epoch: int) -> bool:
        return epoch == self.followed

    def is_known(self, epoch: int) -> bool:
        return epoch in self.counts

    def hear(self, epoch: int, count: int = -1, at: float = 0.0) -> None:
        """Follow a run from now on, up to this update."""
        self.followed, self.heard_at = epoch, at
        self.counts[epoch] = count
