"""Decides if and when an instance that has ended is restarted, without processes or a clock."""

from __future__ import annotations

from collections import deque
from typing import Final, Literal

Restart = Literal["on-failure", "always", "never"]

#: The first and the longest pause before a restart, in seconds; each is twice the last.
FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 30.0

#: After this time READY, in seconds, the pauses start again from the first.
CALM_S: Final = 60.0

#: The most restarts within a window, and the length of the window in seconds.
MOST: Final = 5
WITHIN_S: Final = 60.0

#: The exit status of a service that could not start because its file or config is wrong.
NOT_READY: Final = 2


class Restarts:
    """The restarts of one instance.

    :param rule: `restart` of the fleet file
    """

    def __init__(self, rule: Restart) -> None:
        self._rule = rule
        self._pause_s = FIRST_PAUSE_S
        self._times: deque[float] = deque()
        self._ready_at: float | None = None
        self._was_ready = False
        #: why there is no restart, after `pause_after` returned None
        self.refusal = ""

    def renewed(self, rule: Restart) -> Restarts:
        """Return fresh ones for an instance that a verb restarts, remembering that it was READY."""
        new = Restarts(rule)
        new._was_ready = self._was_ready
        return new

    def note_ready(self, now: float) -> None:
        """Note that it became READY at `now`, in seconds."""
        self._ready_at = now
        self._was_ready = True

    def pause_after(self, status: int, now: float) -> float | None:
        """Return the pause before its restart, in seconds; None: no restart.

        :param status: its exit status at `now`; negative for a signal
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
