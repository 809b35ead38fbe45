"""When an instance that has ended is run again: the rule alone, without a process or a clock."""

from __future__ import annotations

from collections import deque
from typing import Final, Literal

Restart = Literal["on-failure", "always", "never"]

#: The first pause before a restart and the longest, in seconds; each is twice the one before.
FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 30.0

#: After so long READY, in seconds, the pauses begin anew.
CALM_S: Final = 60.0

#: So many restarts there may be within so many seconds.
MOST: Final = 5
WITHIN_S: Final = 60.0

#: The status of a service that could not become READY: its file or its config is wrong.
NOT_READY: Final = 2


class Restarts:
    """The restarts of one instance.

    :param rule: as the fleet file says
    """

    def __init__(self, rule: Restart) -> None:
        self._rule = rule
        self._pause_s = FIRST_PAUSE_S
        self._times: deque[float] = deque()
        self._ready_at: float | None = None
        self._was_ready = False
        #: why there is none, after `pause_after` gave None
        self.refusal = ""

    def renewed(self, rule: Restart) -> Restarts:
        """Return those of an instance that a verb has run again; that it was READY still counts."""
        new = Restarts(rule)
        new._was_ready = self._was_ready
        return new

    def note_ready(self, now: float) -> None:
        """Take that it is READY since `now`, in seconds."""
        self._ready_at = now
        self._was_ready = True

    def pause_after(self, status: int, now: float) -> float | None:
        """Return after how many seconds it is to be run again; None: not at all.

        :param status: of its end at `now`; negative for a signal
        """
        ready_at, self._ready_at = self._ready_at, None
        self.refusal = ""
        if self._rule == "never" or (self._rule == "on-failure" and status == 0):
            return None
        if status == NOT_READY and not self._was_ready:
            self.refusal = "it could not start, and is not tried again"
            return None
        if ready_at is not None and now - ready_at >= CALM_S:
            self._pause_s = FIRST_PAUSE_S
        while self._times and now - self._times[0] >= WITHIN_S:
            self._times.popleft()
        if len(self._times) >= MOST:
            self.refusal = f"it was run again {MOST} times within {WITHIN_S:g} s, and is given up"
            return None
        pause_s = self._pause_s
        self._pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        self._times.append(now + pause_s)
        return pause_s
