"""What has been heard of a publisher: which run of it, how far it has got, and when."""

from __future__ import annotations

_PAST_EPOCHS = 32

_OUT_OF_REACH = 2**32
"""Updates that nobody misses while the publisher's run goes on."""


class Unheard:
    """Stands for the epoch of a publisher of which nothing was heard yet; it equals no other."""


class PublisherProgress:
    """The publisher as its messages show it.

    :ivar epoch: the epoch that is followed: the one heard last, unless it was over already
    :ivar head: the highest number heard of in that epoch
    :ivar at: the time of the last sign of life, None before the first
    :ivar gaps: how often a message was missing before another
    :ivar late: messages of an epoch that is over, and of numbers that were proved false
    """

    def __init__(self) -> None:
        self.epoch: int | Unheard | None = Unheard()
        self.head = -1
        self.at: float | None = None
        self.gaps = 0
        self.late = 0
        self._is_head_known = False
        self._is_doubted = self._was_lied_to = False
        self._unbelieved: int | None = None
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
        self._is_doubted, self._was_lied_to, self._unbelieved = False, False, None

    def learn(self, head: int) -> None:
        """Note the number of a whole value."""
        self.head = max(self.head, head)
        self._is_head_known = True

    def doubt(self, number: int, heard: int) -> bool:
        """Say whether what was heard is false: two answers in a row do not bear it out.

        One alone may be slow; where it happened before, one will do. A peer without epochs numbers
        its answers as it likes. What lies so far beyond the answers that no publisher gets there by
        counting is not believed any more, however often it is said.

        :param number: up to which the answer goes
        :param heard: the highest number heard of when it was asked for
        """
        if number >= heard or self.epoch is None:
            self._is_doubted = False
            return False
        if not self._is_doubted and not self._was_lied_to:
            self._is_doubted = True
            return False
        self._is_doubted, self._was_lied_to = False, True
        if self.head - number > _OUT_OF_REACH:
            self._unbelieved = number + _OUT_OF_REACH
        self.head = number
        return True

    def is_unbelievable(self, number: int) -> bool:
        """Say whether a number is so high that answers have proved it false, and count it."""
        if self._unbelieved is None or number < self._unbelieved:
            return False
        self.late += 1
        return True

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
