"""The condition of a replica: its phase, why it is not LIVE, and its status."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sf_actors.replication.actions import Action, PhaseChanged
from sf_actors.replication.followed_value import FollowedValue
from sf_actors.replication.reasons import Reason
from sf_actors.replication.silence import Patience, Silence
from sf_actors.replication.status import Phase, Status

if TYPE_CHECKING:
    from sf_actors.replication.snapshot_requests import SnapshotRequests
    from sf_actors.schema.shape import Record


class Condition(FollowedValue, Patience):
    """A value that follows a publisher, with its phase, its trouble and its status.

    :ivar phase: how far the value can be relied on, as of the last event
    :ivar duplicates: deltas dropped because the value had them already
    """

    def __init__(
        self,
        shape: Record,
        buffer_size: int,
        heartbeat_s: float,
        stale_after_s: float,
        asking: SnapshotRequests,
    ) -> None:
        super().__init__(shape, buffer_size, heartbeat_s)
        self.phase = Phase.SYNCING
        self.duplicates = 0
        self._asking = asking
        self._silence = Silence(stale_after_s)
        self._is_unanswered = False

    @property
    def next_deadline(self) -> float | None:
        """When `on_tick` is due; None if only a message can change anything."""
        dues = [self._asking.next_deadline, self._heard.end_of_two(self.stale_after_s)]
        dues.append(self._end_of_patience)
        if self._heard.at is not None and self._is_synced and self.phase is not Phase.STALE:
            dues.append(self._heard.at + self.stale_after_s)
        return min((due for due in dues if due is not None), default=None)

    @property
    def trouble(self) -> tuple[Reason, str] | None:
        """Why the replica is not LIVE, or None: the kind, and a text for people.

        Two publishers and differing digests are reported even while it is LIVE.
        """
        if self.phase is not Phase.LIVE:
            if self._is_unanswered:
                longest_s = f"{self.stale_after_s:g} s"
                return (
                    Reason.UNANSWERED,
                    f"nobody has answered at the snapshot address for {longest_s}",
                )
            if self._trouble.error is not None:
                return self._trouble.error
        if self._heard.two is not None:
            return Reason.TWO_PUBLISHERS, self._heard.two
        if self._heard.is_loading:
            return Reason.LOADING, "the publisher is loading: it has not published since its start"
        if self._comparison.disagreement is not None:
            return Reason.DIGESTS, self._comparison.disagreement
        return self._of_silence if self.phase is Phase.STALE else None

    @property
    def error(self) -> str | None:
        """The text of `trouble`, or None."""
        return None if self.trouble is None else self.trouble[1]

    def status(self, now: float) -> Status:
        """Return the replica's status, with the phase at this time, whatever the last event was."""
        is_silent = self._is_synced and self._heard.is_silent(now, self.stale_after_s)
        return Status(
            phase=Phase.STALE if is_silent else self.phase,
            number=self.number,
            epoch=self.epoch,
            age_s=None if self._heard.at is None else max(0.0, now - self._heard.at),
            gaps=self._heard.gaps,
            resyncs=self.resyncs,
            duplicates=self.duplicates,
            late=self._heard.late,
            mismatches=self._comparison.mismatches,
            skipped=self.skipped,
            error=self._of_silence[1] if is_silent and self.error is None else self.error,
        )

    @property
    def _end_of_patience(self) -> float | None:
        """When to report that nobody answers; None if that is reported or no request is open."""
        since = self._asking.unanswered_since
        return None if since is None or self._is_unanswered else since + self.stale_after_s

    def _enter(self, phase: Phase, now: float, actions: list[Action], reason: str) -> None:
        self.phase = phase
        actions.append(PhaseChanged(self.status(now), reason))
