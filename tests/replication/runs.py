"""States that a service follows, as the rules of waiting see them."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class FollowedRuns:
    """A state in the place of a replica's.

    :ivar counts: how far its value is, by the epochs of its runs
    :ivar followed: the run whose updates are taken now
    :ivar unheard_since: as of `StateSlot`
    """

    counts: dict[int, int] = field(default_factory=dict)
    followed: int | None = None
    unheard_since: float | None = None

    def count_of(self, epoch: int) -> int:
        return self.counts.get(epoch, -1)

    def is_followed(self, epoch: int) -> bool:
        return epoch == self.followed

    def is_known(self, epoch: int) -> bool:
        return epoch in self.counts

    def hear(self, epoch: int, count: int = -1) -> None:
        """Follow a run from now on, up to this update."""
        self.followed, self.unheard_since = epoch, None
        self.counts[epoch] = count
