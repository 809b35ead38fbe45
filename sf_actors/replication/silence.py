"""Decides how long a publisher may be silent before its replica is STALE."""

from __future__ import annotations

from typing import Final

from sf_actors.replication.reasons import Reason

LONGEST_INTERVAL_S: Final = 3600.0
"""Longest interval of heartbeats that a publisher is believed to have, in seconds."""


class Silence:
    """The longest silence of a publisher that announces the interval of its heartbeats.

    It is at least two intervals: with less, a replica would be STALE between two heartbeats.

    :param stale_after_s: the silence that the replica's model asks for, in seconds
    :ivar longest_s: the silence in force, in seconds
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
        """Believe the next interval again: another publisher is followed."""
        self._is_answered = False

    def hear(self, interval_s: float | None, *, is_answer: bool = False) -> None:
        """Note the interval in a message.

        Once an answer has given it, heartbeats no longer count: any peer on the publisher's bus
        could forge one and keep a replica LIVE for hours without its publisher.

        :param interval_s: ignored if it is None, not above 0, or above `LONGEST_INTERVAL_S`
        """
        # written so that NaN is ignored too
        if interval_s is None or not 0 < interval_s <= LONGEST_INTERVAL_S:
            return
        if self._is_answered and not is_answer:
            return
        self._is_answered = self._is_answered or is_answer
        self.longest_s = max(self._asked_s, 2.0 * interval_s)


class Patience:
    """The part of a replica that tells how long a silence it tolerates."""

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
