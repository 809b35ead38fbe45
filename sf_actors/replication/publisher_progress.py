"""A replica's view of its publisher: its epoch, its last number, and when it was heard."""

from __future__ import annotations

from sf_actors.replication.publishers_beside import UNHEARD, PublishersBeside, is_larger

_OUT_OF_REACH = 2**32
"""A gap of this many updates cannot be real within one run of a publisher."""


class Unheard:
    """The epoch of a publisher that was not heard yet; it equals no other."""


class PublisherProgress:
    """The publisher's progress, from its messages.

    :param late_s: how long messages of a publisher that has ended may still come, in seconds
    :ivar epoch: the followed epoch: the largest that is on air, unless answers have shown that it
        is false
    :ivar head: the highest number heard in that epoch, `UNHEARD` before the first; if callers
        number updates, numbers here are the publisher's own counts
    :ivar aired_at: when the subscription last brought a message of it, None before the first
    :ivar gaps: how often messages were missing before another one
    :ivar is_loading: it announces that it has not published since its start, but will
    :ivar late: messages of other epochs, and messages with numbers that were proved false
    """

    def __init__(self, late_s: float) -> None:
        self.epoch: int | Unheard | None = Unheard()
        self.head = UNHEARD
        self.aired_at: float | None = None
        self.gaps = 0
        self.late = 0
        self.is_loading = self._has_loaded = False
        #: another publisher on air beside the followed one, and when it was last heard
        self._second: tuple[int | None, float] | None = None
        self._late_s = late_s
        self._since = 0.0
        self._is_doubted = self._was_lied_to = False
        self._unbelieved: int | None = None
        self._anything_at: float | None = None
        # an answer is a sign of life, but does not show which publisher the subscription brings
        self._answered_at: float | None = None
        self._beside = PublishersBeside()

    def hear(self, now: float) -> None:
        """Note a message from the subscription; the hot path sets `aired_at` itself."""
        self.aired_at = now

    @property
    def at(self) -> float | None:
        """The time of the last sign of life, None before the first."""
        if self.aired_at is None or self._answered_at is None:
            return self._answered_at if self.aired_at is None else self.aired_at
        return max(self.aired_at, self._answered_at)

    def answered(self, now: float) -> None:
        """Note an answer from the followed publisher."""
        self._answered_at = now

    def is_beside(self, now: float, epoch: int | None, number: int, longest_s: float) -> bool:
        """Return True, and count it, if a message is not from the publisher to follow.

        The one to follow has the largest epoch on air; those for which another has answered come
        last.
        """
        on_air = self._on_air(now, longest_s)
        if isinstance(self.epoch, Unheard) or not any(self._precedes(one, epoch) for one in on_air):
            return False
        self.late += 1
        self._beside.hear(now, epoch, number)
        self._anything_at = now
        if now >= self._since + self._late_s:
            self._second = (epoch, now)
        return True

    def may_answer(self, now: float, epoch: int | None, longest_s: float) -> bool:
        """Return True if an answer of this epoch may be from a publisher on the subscription."""
        on_air = self._on_air(now, longest_s)
        return epoch == self.epoch or not on_air or epoch in on_air

    def follow(self, now: float, epoch: int | None, *, is_answer: bool = False) -> None:
        """Follow another epoch.

        :param is_answer: this epoch answered a request to the one followed until now; if that one
            is larger, it is false
        """
        if not isinstance(self.epoch, Unheard):
            is_false = is_answer and is_larger(self.epoch, epoch)
            self._beside.leave(self.epoch, self.head, self.aired_at, is_false=is_false)
        self.head, self.aired_at = self._beside.take(epoch)
        self._answered_at = None
        self.epoch = epoch
        self.is_loading = self._has_loaded = False
        if self._second is not None and self._second[0] == epoch:
            self._second = None
        self._since = now
        self._is_doubted, self._was_lied_to, self._unbelieved = False, False, None

    def is_known(self, epoch: int) -> bool:
        """Return True if a publisher was heard, whether followed or not; any thread."""
        return epoch == self.epoch or epoch in self._beside

    def load(self, *, is_loading: bool, is_answer: bool = False) -> bool:
        """Note whether its messages say that it is loading; return True if that ends now.

        Once it has loaded in this run, only an answer that it is loading is believed.
        """
        ends = self.is_loading and not is_loading
        self.is_loading = is_loading and (is_answer or not self._has_loaded)
        self._has_loaded = not self.is_loading
        return ends

    @property
    def two(self) -> str | None:
        """A text that there are two publishers; None if there is one."""
        if self._second is None:
            return None
        return (
            f"there are two publishers: epoch {self.epoch} is followed, "
            f"epoch {self._second[0]} is heard as well"
        )

    def end_of_two(self, longest_s: float) -> float | None:
        """Return when the second publisher will have been silent for `longest_s`."""
        return None if self._second is None else self._second[1] + longest_s

    def forget_second(self, now: float, longest_s: float) -> None:
        """Forget the second publisher once it has been silent for `longest_s`."""
        end = self.end_of_two(longest_s)
        if end is not None and now >= end:
            self._second = None

    def _on_air(self, now: float, longest_s: float) -> list[int | None]:
        epochs = self._beside.on_air(now, longest_s)
        if isinstance(self.epoch, Unheard) or self.aired_at is None:
            return epochs
        return [*epochs, self.epoch] if now < self.aired_at + longest_s else epochs

    def _precedes(self, epoch: int | None, other: int | None) -> bool:
        is_false, is_other_false = self._beside.is_false(epoch), self._beside.is_false(other)
        return is_larger(epoch, other) if is_false == is_other_false else is_other_false

    def learn(self, head: int) -> None:
        """Note the number of a whole value."""
        self.head = max(self.head, head)

    def doubt(self, number: int, heard: int) -> bool:
        """Return True if the head was false: two answers in a row end below it.

        A single answer may just be slow; after a first proof, one suffices. From then on, numbers
        are ignored that no publisher could have reached by counting.

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
        """Return True, and count it, if answers have proved a number false."""
        if self._unbelieved is None or number < self._unbelieved:
            return False
        self.late += 1
        return True

    def note(self, before: int, head: int) -> str | None:
        """Note a number; return a text if there is a gap before it.

        :param before: the number up to which all updates should have been heard
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
        # the same sum that sets the timer: a difference could be rounded to a smaller value
        at = self.at
        return at is None or now >= at + longest_s

    def is_quiet(self, now: float, longest_s: float) -> bool:
        """Return True if nothing came within `longest_s`, not even from another epoch."""
        is_nothing = self._anything_at is None or now >= self._anything_at + longest_s
        return is_nothing and self.is_silent(now, longest_s)
