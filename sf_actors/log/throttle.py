"""Limits how often the same thing is logged: peers could cause any number of lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

#: The shortest time between two warnings for the same reason, in seconds.
WARNING_INTERVAL_S = 5.0

#: How many reasons are kept apart; all others share one window.
MAX_REASONS = 64


class _Window:
    """The lines of one reason in one interval."""

    __slots__ = ("began", "left_out", "logged")

    def __init__(self, began: float) -> None:
        self.began = began
        self.logged = 1
        self.left_out = 0


class Throttle:
    """Admits a few lines of each reason in every interval, and counts the others.

    The caller passes the time. There is no lock: if two threads ask at once for the same reason,
    both may be admitted, or one may not be counted.

    :param interval_s: an interval begins with the first line after the previous one has ended
    :param burst: the most lines of one reason in one interval
    """

    __slots__ = ("_burst", "_interval_s", "_left_out", "_windows")

    def __init__(self, interval_s: float = WARNING_INTERVAL_S, *, burst: int = 1) -> None:
        self._interval_s = interval_s
        self._burst = burst
        self._windows: dict[Hashable, _Window] = {}
        #: lines left out in dropped windows, to be reported with the next line of any reason
        self._left_out = 0

    def admit(self, reason: Hashable, now: float) -> int | None:
        """Decide if a line may be logged now.

        :param reason: lines are counted by reason; beyond `MAX_REASONS` in an interval, all further
            reasons count as one
        :returns: how many lines were left out before this one; None to leave this one out
        """
        window = self._windows.get(reason)
        if window is None and len(self._windows) >= MAX_REASONS:
            self._give_up_those_over(now)
            if len(self._windows) >= MAX_REASONS:
                reason = _Others
                window = self._windows.get(reason)
        if window is None or now - window.began >= self._interval_s:
            left_out, self._left_out = self._left_out, 0
            self._windows[reason] = _Window(now)
            return left_out if window is None else left_out + window.left_out
        if window.logged < self._burst:
            window.logged += 1
            return 0
        window.left_out += 1
        return None

    def _give_up_those_over(self, now: float) -> None:
        for reason, window in list(self._windows.items()):
            if now - window.began >= self._interval_s:
                self._left_out += window.left_out
                self._windows.pop(reason, None)


class _Others:
    """The reason shared by all reasons beyond `MAX_REASONS`."""
