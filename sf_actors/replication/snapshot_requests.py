"""Decides when to request a snapshot: one at a time, with a deadline, back-off and jitter."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

#: Most requests whose answers are still taken. There is one in a second or so, and the first answer
#: through a slow connection may take many minutes.
_REMEMBERED = 1_000
_LONGEST_PAUSE_S = 30.0


class SnapshotRequests:
    """The request under way, if any, and the time of the next one.

    After a calm time the first request goes out at once. Further ones wait, twice as long each
    time, up to half a heartbeat while the publisher is heard. So two heartbeats suffice to repair
    a loss. The pauses begin anew at most once in a heartbeat, so that a replica asks at most eight
    times within one, whatever it hears.

    :ivar deadline: when the request under way counts as lost; None if there is none
    :ivar unanswered_since: when the first request since the last answer was sent; None if there is
        none
    :ivar due: when the next request goes out; None if none is wanted
    """

    def __init__(self, rng: random.Random, *, heartbeat_s: float, first_due: float) -> None:
        self.deadline: float | None = None
        self.due: float | None = first_due
        self.unanswered_since: float | None = None
        self._heartbeat_s = heartbeat_s
        self._timeout_s = max(1.0, heartbeat_s)
        self._rng = rng
        self._token = 0
        self._asked: dict[int, int] = {}
        self._attempts = 0
        #: when the pauses began anew
        self._anew_at = first_due
        self._calm_since: float | None = None

    def want(self, now: float, *, pause_s: float = 0.0, is_silent: bool = False) -> None:
        """Schedule a request unless one is under way or due already.

        :param pause_s: least pause, before jitter
        :param is_silent: the publisher is not heard, so the pause may grow longer
        """
        if self.deadline is not None or self.due is not None:
            return
        if self._calm_since is not None and now - self._calm_since >= self._heartbeat_s:
            self._begin_anew(now)
        self._calm_since = None
        self.due = self._after(now, max(pause_s, self._backoff_s(is_silent=is_silent)))

    def hurry(self, now: float) -> None:
        """Make a scheduled request due as soon as possible: the publisher is heard again."""
        if now - self._anew_at >= self._heartbeat_s:
            self._begin_anew(now)
        if self.due is not None:
            self.due = min(self.due, self._after(now, self._backoff_s()))

    def send(self, now: float, heard: int) -> int:
        """Note that a request goes out and return its token.

        :param heard: the highest number heard so far
        """
        self._token += 1
        self._asked[self._token] = heard
        while len(self._asked) > _REMEMBERED:
            del self._asked[next(iter(self._asked))]
        self._attempts += 1
        if self.unanswered_since is None:
            self.unanswered_since = now
        self.deadline, self.due = now + self._timeout_s, None
        return self._token

    def extend(self, token: int, now: float) -> bool:
        """Postpone the deadline while an answer is being read; return False if it is not wanted.

        Its request is now the last to be forgotten: many others may follow before the next part.
        """
        self.unanswered_since = None
        is_of_use = token in self._asked
        if is_of_use:
            self._asked[token] = self._asked.pop(token)
            self.deadline, self.due = now + self._timeout_s, None
        return is_of_use

    def end(self, token: int) -> int | None:
        """Note that a request was answered; return its `heard`, or None if it was dropped.

        An answer after the deadline still counts, so that a publisher that is always slower than
        the deadline can be followed.
        """
        self.unanswered_since = None
        if token == self._token:
            self.deadline = None
        return self._asked.pop(token, None)

    def expire(self, now: float) -> bool:
        """Return True, and stop waiting, if the request under way is past its deadline."""
        if self.deadline is None or now < self.deadline:
            return False
        self.deadline = None
        return True

    def forget(self) -> None:
        """Drop all requests sent so far; their answers no longer count."""
        self.deadline = self.due = None
        self._asked.clear()

    def cease(self, now: float) -> None:
        """Drop all requests: nothing is missing, and the calm time begins."""
        self.forget()
        self.unanswered_since = None
        if self._calm_since is None:
            self._calm_since = now

    def _begin_anew(self, now: float) -> None:
        self._attempts, self._anew_at = 0, now

    def _backoff_s(self, *, is_silent: bool = False) -> float:
        longest_s = self._heartbeat_s * (8.0 if is_silent else 0.5)
        backoff_s = self._heartbeat_s * 2.0 ** (min(self._attempts, 12) - 5)
        return min(longest_s, backoff_s) if self._attempts else 0.0

    def _after(self, now: float, pause_s: float) -> float:
        return now + min(pause_s, _LONGEST_PAUSE_S) * self._rng.uniform(0.5, 1.0)

    @property
    def next_deadline(self) -> float | None:
        """When a tick is needed, for `expire` or for a due request; None: never."""
        return self.due if self.deadline is None else self.deadline
