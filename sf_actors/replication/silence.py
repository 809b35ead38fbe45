"""How long a publisher may be silent before its replica is STALE."""

from __future__ import annotations

from typing import Final

from sf_actors.replication.reasons import Reason

LONGEST_INTERVAL_S: Final = 3600.0
"""A publisher that says that its heartbeats are further apart is not believed."""


class Silence:
    """The longest silence of a publisher whose heartbeats come at an interval that it tells.

    It is at least two intervals: with less, a replica would be STALE between two heartbeats.

    :param stale_after_s: what the replica's model asks for
    :ivar longest_s: what is in force
    """

    def __init__(self, stale_after_s: float) -> None:
        self.longest_s = stale_after_s
        self._asked_s = stale_after_s
        self._is_answered = False

    @property
    def is_raised(self) -> bool:
        """Whether more is in force than the model asks for."""
        return self.longest_s > self._asked_s

    def follow(self) -> None:
        """Believe what comes next: another publisher is followed."""
        self._is_answered = False

    def hear(self, interval_s: float | None, *, is_answer: bool = False) -> None:
        """Take the interval of a message.

        Once an answer has told it, heartbeats count no more: anybody on the publisher's bus can
        forge one and keep a replica LIVE for hours without its publisher.

        :param interval_s: ignored if it is None or no length of time up to `LONGEST_INTERVAL_S`
        """
        # written so that NaN is ignored as well
        if interval_s is None or not 0 < interval_s <= LONGEST_INTERVAL_S:
            return
        if self._is_answered and not is_answer:
            return
        self._is_answered = self._is_answered or is_answer
        self.longest_s = max(self._asked_s, 2.0 * interval_s)


class Patience:
    """What a replica tells of the silence that it bears."""

    _silence: Silence

    @property
    def stale_after_s(self) -> float:
        """The silence that makes the replica STALE: at least two of the publisher's intervals."""
        return self._silence.longest_s

    @property
    def is_stale_after_raised(self) -> bool:
        """Whether `stale_after_s` is more than the model asks for."""
        return self._silence.is_raised

    @property
    def _of_silence(self) -> tuple[Reason, str]:
        """Why a replica is STALE."""
        return Reason.SILENT, f"nothing has been heard for {self.stale_after_s:g} s"
