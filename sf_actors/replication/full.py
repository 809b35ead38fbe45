"""The replica of a full update state, in which every update is the whole value."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from sf_actors.errors import MessageError
from sf_actors.replication.actions import Action, PhaseChanged, Updated, UpdateRefused
from sf_actors.replication.publisher_progress import PublisherProgress
from sf_actors.replication.reasons import Reason
from sf_actors.replication.silence import Patience, Silence
from sf_actors.replication.status import Phase, Status
from sf_actors.replication.values.frozen import freeze
from sf_actors.replication.values.persistent_map import EMPTY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sf_actors.replication.buffer import UpdateFields
    from sf_actors.replication.values.persistent_map import Map


MAX_PUBLISHERS = 1024
"""Most publishers of one state that are known at the same time."""


class FullReplica(Patience):
    """Follows the value of one publisher, or of many publishers.

    The same update may arrive many times, as a heartbeat or a duplicate: each counts as a sign of
    life, but it is applied once. With one publisher, a larger epoch means that it was restarted,
    and messages of smaller ones are dropped. If only a smaller one is heard for `stale_after_s`, it
    is followed. With `many`, each epoch is a separate publisher, and the value is the one that came
    last. Messages without an epoch (the original's) are all applied.

    Not thread-safe: it belongs to one actor. `value` is frozen and may be handed to any thread.

    :ivar value: the value, empty before the first
    :ivar number: its number in its epoch, -1 before the first
    :ivar epoch: the epoch of the publisher that it comes from
    :ivar phase: LIVE with the value heard last, SYNCING before the first one and while the last one
        was refused, STALE after silence
    :ivar duplicates: messages dropped as already applied, heartbeats included
    :ivar has_many: whether each epoch is a separate publisher
    """

    def __init__(self, *, now: float, stale_after_s: float, many: bool = False) -> None:
        self.value: Map[str, Any] = EMPTY
        self.number = -1
        self.epoch: int | None = None
        self.phase = Phase.SYNCING
        self.duplicates = 0
        self._silence = Silence(stale_after_s)
        self._begun_at = now
        # also said of a publisher that has no value yet, which is as silent as nobody
        self._is_unheard = False
        self.has_many = many
        self._heard = PublisherProgress(stale_after_s / 3)
        self._numbers: OrderedDict[int | None, int] = OrderedDict()
        self._gaps = 0
        self._older = 0
        self._error: str | None = None
        self._has_value = False

    def on_value(
        self,
        now: float,
        epoch: int | None,
        number: int | None,
        fields: UpdateFields,
        *,
        interval_s: float | None = None,
    ) -> Sequence[Action]:
        """Process an update, or a heartbeat that repeats one; HOT.

        :param number: None for a peer that does not number its messages
        :param fields: typed values, or a callable that returns them, called for new updates only;
            if it raises `MessageError`, the update is refused and the value unchanged
        :param interval_s: the time between the publisher's heartbeats, as it announces it
        """
        if epoch != self._heard.epoch and not self.has_many and not self._follows(now, epoch):
            return ()
        self._heard.hear(now)
        self._silence.hear(interval_s)
        actions: list[Action] = []
        if epoch is None or number is None or self._is_new(epoch, number):
            try:
                if type(fields) is not dict and callable(fields):
                    fields = fields()
            except MessageError as problem:
                self._error = str(problem)
                actions.append(UpdateRefused(problem))
            else:
                self._error = None
                self._has_value = True
                self.value = freeze(fields)
                self.number = self.number + 1 if number is None else number
                self.epoch = epoch
                number = self.number
                actions.append(Updated(number, fields, self.value, False, True, count=number))
        else:
            self.duplicates += 1
            self._older += number < self._numbers[epoch]
        if self._error is None:
            if self.phase is not Phase.LIVE:
                self._enter(Phase.LIVE, now, actions, f"a value at number {self.number}")
        elif self.phase is not Phase.SYNCING:
            # a heartbeat can lead here too: it repeats the refused value
            self._enter(Phase.SYNCING, now, actions, f"the last value was refused: {self._error}")
        return actions

    def on_tick(self, now: float) -> Sequence[Action]:
        """Process the time; call it at `next_deadline` at the latest."""
        actions: list[Action] = []
        self._heard.forget_second(now, self.stale_after_s)
        self._is_unheard = self._is_unheard_at(now)
        if self._can_be_stale() and self._heard.is_silent(now, self.stale_after_s):
            self._enter(Phase.STALE, now, actions, f"nothing heard for {self.stale_after_s} s")
        return actions

    @property
    def next_deadline(self) -> float | None:
        """When `on_tick` is due; None if only a message can change anything."""
        dues = [self._heard.end_of_two(self.stale_after_s)]
        if self._heard.at is None and not self._is_unheard:
            dues.append(self._begun_at + self.stale_after_s)
        if self._heard.at is not None and self._can_be_stale():
            dues.append(self._heard.at + self.stale_after_s)
        return min((due for due in dues if due is not None), default=None)

    @property
    def trouble(self) -> tuple[Reason, str] | None:
        """Why the replica is not LIVE, or a note that there are two publishers, or None."""
        if self._error is not None:
            return Reason.INVALID, self._error
        if self._heard.two is not None:
            return Reason.TWO_PUBLISHERS, self._heard.two
        is_unheard = self._is_unheard and self._heard.at is None
        return self._of_silence if is_unheard or self.phase is Phase.STALE else None

    @property
    def error(self) -> str | None:
        """The text of `trouble`, or None."""
        return None if self.trouble is None else self.trouble[1]

    @property
    def late(self) -> int:
        """Messages of an epoch that is over, and values older than the current one."""
        return self._heard.late + self._older

    def status(self, now: float) -> Status:
        """Return the replica's status, with the phase at this time, whatever the last event was.

        A full state has no resyncs. Its duplicates look like heartbeats and are left out.
        """
        is_stale = self._has_value and self._heard.is_silent(now, self.stale_after_s)
        is_silent = is_stale or self._is_unheard_at(now)
        return Status(
            phase=Phase.STALE if is_stale else self.phase,
            number=self.number,
            epoch=self.epoch,
            age_s=None if self._heard.at is None else max(0.0, now - self._heard.at),
            gaps=self._gaps,
            resyncs=0,
            late=self.late,
            error=self._of_silence[1] if is_silent and self.error is None else self.error,
        )

    def is_followed(self, epoch: int) -> bool:
        """Return True if this is the run whose values are applied now; any thread."""
        return epoch in self._numbers if self.has_many else epoch == self._heard.epoch

    def is_known(self, epoch: int) -> bool:
        """Return True if this run was heard, whether followed or not; any thread."""
        return epoch in self._numbers or self._heard.is_known(epoch)

    @property
    def heard_at(self) -> float | None:
        """When a publisher was last heard, in seconds of the caller's clock; any thread."""
        return self._heard.at

    def _is_unheard_at(self, now: float) -> bool:
        return self._heard.at is None and now - self._begun_at >= self.stale_after_s

    def _can_be_stale(self) -> bool:
        return self._has_value and self.phase is not Phase.STALE

    def _follows(self, now: float, epoch: int | None) -> bool:
        if self._heard.is_beside(now, epoch, -1, self.stale_after_s):
            return False
        self._heard.follow(now, epoch)
        self._numbers.pop(epoch, None)
        return True

    def _is_new(self, epoch: int, number: int) -> bool:
        last = self._numbers.get(epoch)
        if last is not None:
            if number <= last:
                return False
            self._gaps += number > last + 1
        self._numbers[epoch] = number
        self._numbers.move_to_end(epoch)
        if len(self._numbers) > MAX_PUBLISHERS:
            self._numbers.popitem(last=False)
        return True

    def _enter(self, phase: Phase, now: float, actions: list[Action], reason: str) -> None:
        self.phase = phase
        actions.append(PhaseChanged(self.status(now), reason))
