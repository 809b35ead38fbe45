"""What has been heard of a publisher: which run of it, how far it has got, and when."""

from __future__ import annotations

_PAST_EPOCHS = 32


class Unheard:
    """Stands for the epoch of a publisher of which nothing was heard yet; it equals no other."""


class Heard:
    """The publisher as its messages show it.

    :ivar epoch: the epoch that is followed: the one heard last, unless it was over already
    :ivar head: the highest number heard of in that epoch
    :ivar at: the time of the last sign of life, None before the first
    :ivar gaps: how often a message was missing before another
    :ivar late: messages of an epoch that is over
    """

    def __init__(self) -> None:
        self.epoch: int | Unheard | None = Unheard()
        self.head = -1
        self.at: float | None = None
        self.gaps = 0
        self.late = 0
        self._is_head_known = False
        self._anything_at: float | None = None
        # With the highest number heard of each: an epoch may turn out not to be over.
        self._past: dict[int | Unheard | None, int] = {}

    def is_over(self, now: float, epoch: int | None, number: int) -> bool:
        """Say whether a message comes from an epoch before the one followed, and count it."""
        if epoch not in self._past:
            return False
        self.late += 1
        self._past[epoch] = max(self._past[epoch], number)
        self._anything_at = now
        return True

    def follow(self, epoch: int | None) -> None:
        """Follow another epoch; the one before it is over."""
        self._past[self.epoch] = self.head
        if len(self._past) > _PAST_EPOCHS:
            del self._past[next(iter(self._past))]
        self._is_head_known = epoch in self._past
        self.head = self._past.pop(epoch, -1)
        self.epoch = epoch

    def learn(self, head: int) -> None:
        """Note the number of a whole value."""
        self.head = max(self.head, head)
        self._is_head_known = True

    def note(self, before: int, head: int) -> str | None:
        """Note a number and return a text if there is a gap before it.

        :param before: all numbers up to this one should have been heard before
        :param head: the number itself
        """
        gap = None
        if self._is_head_known and before > self.head:
            self.gaps += 1
            gap = f"a gap: heard of number {head} after {self.head}"
        self.learn(head)
        return gap

    def is_silent(self, now: float, longest_s: float) -> bool:
        """Say whether there was no sign of life for so long, or never one."""
        # Summed as whoever sets a timer for it sums: a difference might be rounded to less.
        return self.at is None or now >= self.at + longest_s

    def is_quiet(self, now: float, longest_s: float) -> bool:
        """Say whether nothing came for so long, not even a message of an epoch that is over."""
        is_nothing = self._anything_at is None or now >= self._anything_at + longest_s
        return is_nothing and self.is_silent(now, longest_s)
