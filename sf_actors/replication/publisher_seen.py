"""What a replica has heard of its publisher: its epoch, its last number, and when."""

from __future__ import annotations

_PAST_EPOCHS = 32

_OUT_OF_REACH = 2**32
"""A gap of this many updates cannot be real within one run of a publisher."""


UNHEARD = -(2**65)
"""A number below all that a message can carry."""


class Unheard:
    """The epoch of a publisher not heard yet; it equals no other."""


class PublisherProgress:
    """The publisher as its messages show it.

    :ivar epoch: the followed epoch: the one heard last, unless it was over already
    :ivar head: the highest number heard in that epoch, `UNHEARD` before the first; where callers
        number, numbers here are the publisher's own counts
    :ivar at: the time of the last sign of life, None before the first
    :ivar gaps: how often messages were missing before another
    :ivar late: messages of an epoch that is over, and of numbers proved false
    """

    def __init__(self) -> None:
        self.epoch: int | Unheard | None = Unheard()
        self.head = UNHEARD
        self.at: float | None = None
        self.gaps = 0
        self.late = 0
        self._is_doubted = self._was_lied_to = False
        self._unbelieved: int | None = None
        self._anything_at: float | None = None
        # the highest number heard of each, since an epoch may turn out not to be over
        self._past: dict[int | Unheard | None, int] = {}

    def is_over(self, now: float, epoch: int | None, number: int) -> bool:
        """Return True, and count it, if a message is of an epoch before the followed one."""
        if epoch not in self._past:
            return False
        self.late += 1
        self._past[epoch] = max(self._past[epoch], number)
        self._anything_at = now
        return True

    def follow(self, epoch: int | None) -> None:
        """Follow another epoch; the previous one is over."""
        self._past[self.epoch] = self.head
        if len(self._past) > _PAST_EPOCHS:
            del self._past[next(iter(self._past))]
        self.head = self._past.pop(epoch, UNHEARD)
        self.epoch = epoch
        self._is_doubted, self._was_lied_to, self._unbelieved = False, False, None

    def learn(self, head: int) -> None:
        """Note the number of a whole value."""
        self.head = max(self.head, head)

    def doubt(self, number: int, heard: int) -> bool:
        """Return True if the head was false: two answers in a row end below it.

        A single answer may just be slow; after a first proof, a single one suffices. Numbers too
        far beyond the answers for any publisher to reach by counting are ignored from then on.

        :param number: the last number in the answer
        :param heard: the highest number heard when it was requested
        """
        if number >= heard:
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
        """Return True, and count it, if a number is one that answers have proved false."""
        if self._unbelieved is None or number < self._unbelieved:
            return False
        self.late += 1
        return True

    def note(self, before: int, head: int) -> str | None:
        """Note a number; return a text if there is a gap before it.

        :param before: the number up to which all should have been heard
        :param head: the number itself
        """
        gap = None
        if UNHEARD < self.head < before:
            self.gaps += 1
            gap = f"a gap: heard of number {head} after {self.head}"
        self.learn(head)
        return gap

    def is_silent(self, now: float, longest_s: float) -> bool:
        """Return True if there was no sign of life within `longest_s`, or ever."""
        # The same sum that sets the timer: a difference could be rounded to a smaller value.
        return self.at is None or now >= self.at + longest_s

    def is_quiet(self, now: float, longest_s: float) -> bool:
        """Return True if nothing came within `longest_s`, not even of an epoch that is over."""
        is_nothing = self._anything_at is None or now >= self._anything_at + longest_s
        return is_nothing and self.is_silent(now, longest_s)
