"""What has been heard of a publisher: which run of it, how far it has got, and when."""

from __future__ import annotations

from collections import deque

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
        self._past: deque[int | Unheard | None] = deque(maxlen=_PAST_EPOCHS)

    def is_over(self, epoch: int | None) -> bool:
        """Say whether a message comes from an epoch before the one followed, and count it."""
        over = epoch in self._past
        self.late += over
        return over

    def follow(self, epoch: int | None) -> None:
        """Follow another epoch; the one before it is over."""
        self._past.append(self.epoch)
        if epoch in self._past:
            self._past.remove(epoch)
        self.epoch = epoch
        self.head = -1
        self._is_head_known = False

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
        return self.at is None or now - self.at >= longest_s
