"""The replica's side of a state, as a state machine: events in, actions out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sf_actors.errors import MessageError
from sf_actors.replication.actions import Action, Ask, PhaseChanged, Updated
from sf_actors.replication.buffer import Buffer
from sf_actors.replication.digest_check import DigestCheck
from sf_actors.replication.failures import ApplyFailures
from sf_actors.replication.publisher_seen import PublisherProgress
from sf_actors.replication.snapshot_requests import SnapshotRequests
from sf_actors.replication.status import Phase, Status
from sf_actors.replication.values.patch import PatchRefused, snapshot
from sf_actors.replication.values.pending import PendingPatches

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Sequence

    from sf_actors.replication.buffer import Delta, UpdateFields
    from sf_actors.replication.values.persistent_map import Map
    from sf_actors.schema.shape import Record


class Replica:
    """Follows one publisher by the rules in the docstring of `sf_actors.replication`.

    Each `on_…` takes an event with its time (monotonic, seconds) and returns the actions to do.
    Fields are typed values, or a callable that decodes them on demand and may raise
    `MessageError`. Decoded fields are passed on in `Updated` and not kept, so the receiver may
    change them.

    Not thread-safe: it belongs to one actor. `value` is frozen and may be handed to any thread.

    :param tells_all: return an `Updated` for each update, with the value right after it; if False,
        updates that are next in order return none, which is cheaper
    :ivar number: the last update's number, -1 before the first
    :ivar epoch: epoch of the value; None for a peer without epochs
    :ivar phase: how far the value can be relied on
    :ivar resyncs: snapshots taken after the first synchronisation
    :ivar duplicates: deltas skipped because the value had them already
    """

    def __init__(
        self,
        shape: Record,
        *,
        now: float,
        heartbeat_s: float,
        stale_after_s: float,
        rng: random.Random,
        tells_all: bool = True,
        buffer_size: int = 100_000,
    ) -> None:
        self.number = -1
        self.epoch: int | None = None
        self.phase = Phase.SYNCING
        self.resyncs = self.duplicates = 0
        self._shape, self._pending = shape, PendingPatches(shape)
        self._tells_all = tells_all
        self._heartbeat_s, self._stale_after_s = heartbeat_s, stale_after_s
        self._asking = SnapshotRequests(rng, heartbeat_s=heartbeat_s, first_due=now + heartbeat_s)
        self._heard, self._buffer = PublisherProgress(), Buffer(buffer_size)
        self._is_synced, self._is_sound = False, True
        self._unsure_at: int | None = None
        self._trouble, self._comparison = ApplyFailures(), DigestCheck()

    def on_delta(
        self, now: float, epoch: int | None, number: int, is_snapshot: bool, fields: UpdateFields
    ) -> Sequence[Action]:
        """Process a delta of the subscription; HOT if it is the next one."""
        if number != self.number + 1 or self.phase is not Phase.LIVE or epoch != self.epoch:
            return self._on_other_delta(now, epoch, number, is_snapshot, fields)
        self._heard.at, self._heard.head = now, number
        try:
            fields = fields() if type(fields) is not dict and callable(fields) else fields
            is_eager = self._tells_all or is_snapshot or self._comparison.digest is not None
            if is_eager or not self._pending.keep(fields):
                return (self._advance(number, is_snapshot, fields),)
        except (PatchRefused, MessageError) as problem:
            actions: list[Action] = []
            self._buffer.keep(number, is_snapshot, fields)
            self._settle(now, actions, self._trouble.fail(number, self._heard.head, problem))
            return actions
        self.number = number
        return ()

    def on_heartbeat(
        self, now: float, epoch: int | None, head: int, digest: bytes | None = None
    ) -> Sequence[Action]:
        """Process a heartbeat; `head` is the number of the publisher's last update."""
        actions: list[Action] = []
        if not self._hear(now, epoch, head):
            return actions
        reason = self._heard.note(head, head)
        is_level = head == self.number and not self._is_behind()
        if is_level and self._comparison.differs(self.value, head, digest):
            self._is_sound = False
            reason = f"the digest differs at number {head}"
        self._settle(now, actions, reason)
        return actions

    def on_snapshot(
        self, now: float, token: int, epoch: int | None, number: int, fields: UpdateFields
    ) -> Sequence[Action]:
        """Process the answer to `Ask`: the whole value at a number, perhaps frozen already."""
        actions: list[Action] = []
        heard = self._take_answer(now, token, epoch)
        if heard is None:
            return actions
        if epoch is None:
            # The original numbers all snapshots 0. This one contains what was heard before the
            # request anyway, and merging an update twice does no harm.
            number = max(number, heard)
        if self._heard.doubt(number, heard):
            self._buffer.clear()
        self._heard.learn(number)
        reason: str | None = f"the snapshot at number {number} is too old"
        self._trouble.retry(heard)
        if self._is_news(epoch, number):
            try:
                actions.append(self._install(epoch, number, fields))
            except (PatchRefused, MessageError) as problem:
                reason = self._trouble.refuse(number, self._heard.head, problem)
            else:
                self._unsure_at = number if epoch is None and heard < 0 else None
                reason = self._drain(actions) or reason
        self._settle(now, actions, reason)
        return actions

    def on_fill(
        self, now: float, token: int, epoch: int | None, deltas: Iterable[Delta]
    ) -> Sequence[Action]:
        """Process the answer to `Ask` with `after`: deltas in order."""
        actions: list[Action] = []
        heard = self._take_answer(now, token, epoch)
        if heard is None:
            return actions
        reason = None
        if self._is_followed():
            self._heard.learn(self.number)
        else:
            deltas, self._trouble.needs_whole = (), True
        for number, is_snapshot, fields in deltas:
            if number > self.number + 1:
                self._trouble.needs_whole = True
                break
            if number == self.number + 1:
                self._heard.learn(number)
                reason = self._try(actions, number, is_snapshot, fields)
                if reason is not None:
                    break
        is_whole = reason is None and not self._trouble.needs_whole
        if is_whole and self._heard.doubt(self.number, heard):
            self._buffer.clear()
        self._settle(now, actions, reason or self._drain(actions))
        return actions

    def on_progress(self, now: float, token: int) -> bool:
        """Note that an answer is being read in pieces; return False if it is no longer needed."""
        return self._asking.extend(token, now)

    def on_failure(self, now: float, token: int, problem: str) -> Sequence[Action]:
        """Process an answer to `Ask` that is unreadable or an error: ask again later."""
        actions: list[Action] = []
        if self._asking.end(token) is not None:
            self._trouble.turn_down(problem)
            self._want(now)
            self._ask_if_due(now, actions)
        return actions

    def on_tick(self, now: float) -> Sequence[Action]:
        """Process the time; call it at `next_deadline` at the latest."""
        actions: list[Action] = []
        if self._asking.expire(now):
            self._want(now)
        self._ask_if_due(now, actions)
        is_silent = self._heard.is_silent(now, self._stale_after_s)
        if is_silent and self._is_synced and self.phase is not Phase.STALE:
            self._enter(Phase.STALE, now, actions, f"nothing heard for {self._stale_after_s} s")
        return actions

    @property
    def value(self) -> Map[str, Any]:
        """The value, a fold of the publisher's updates up to `number` of `epoch`."""
        return self._pending.value

    @property
    def next_deadline(self) -> float | None:
        """The time when `on_tick` is due; None when nothing but an event can change anything."""
        asked = self._asking.next_deadline
        if self._heard.at is None or not self._is_synced or self.phase is Phase.STALE:
            return asked
        stale_at = self._heard.at + self._stale_after_s
        return stale_at if asked is None else min(asked, stale_at)

    @property
    def error(self) -> str | None:
        """Why the publisher cannot be followed, or None."""
        return self._trouble.error or self._comparison.disagreement

    def status(self, now: float) -> Status:
        """Return the replica's status."""
        return Status(
            phase=self.phase,
            number=self.number,
            epoch=self.epoch,
            age_s=None if self._heard.at is None else max(0.0, now - self._heard.at),
            gaps=self._heard.gaps,
            resyncs=self.resyncs,
            duplicates=self.duplicates,
            late=self._heard.late,
            mismatches=self._comparison.mismatches,
            error=self.error,
        )

    def _hear(self, now: float, epoch: int | None, number: int) -> bool:
        """Note a sign of life; return False if its epoch is over or its number false."""
        if self._heard.is_quiet(now, self._stale_after_s):
            self._asking.hurry(now)
        if epoch != self._heard.epoch:
            if self._heard.is_over(now, epoch, number):
                return False
            self._follow(epoch)
        elif self._heard.is_unbelievable(number):
            return False
        self._heard.at = now
        return True

    def _follow(self, epoch: int | None) -> None:
        self._heard.follow(epoch)
        self._buffer.clear()
        self._asking.forget()
        self._trouble.clear()
        self._comparison.reset()

    def _take_answer(self, now: float, token: int, epoch: int | None) -> int | None:
        """Return the head as it was when the request was sent; None if the answer is useless.

        Following another epoch drops all requests, so an answer of a different epoch is newer.
        """
        heard = self._asking.end(token)
        if heard is None:
            self._heard.late += 1
            return None
        if epoch != self._heard.epoch:
            self._follow(epoch)
            heard = -1
        self._heard.at = now
        return heard

    def _on_other_delta(
        self, now: float, epoch: int | None, number: int, is_snapshot: bool, fields: UpdateFields
    ) -> Sequence[Action]:
        actions: list[Action] = []
        if not self._hear(now, epoch, number):
            return actions
        reason = self._heard.note(number - 1, number)
        is_ours = self._is_synced and epoch == self.epoch
        is_next = self._is_sound and number == self.number + 1
        if is_ours and number <= self.number:
            if self._is_taken_again(epoch, number, is_snapshot):
                self._heard.head = number
                reason = self._try(actions, number, is_snapshot, fields)
            elif epoch is None and number < self.number:
                reason = self._start_over(number)
                self._buffer.keep(number, is_snapshot, fields)
            else:
                self.duplicates += 1
        elif is_ours and (is_next or (is_snapshot and epoch is None)):
            failure = self._try(actions, number, is_snapshot, fields, is_resync=not is_next)
            reason = failure or self._drain(actions) or reason
        elif number in self._buffer:
            self.duplicates += 1
        else:
            self._buffer.keep(number, is_snapshot, fields)
        self._settle(now, actions, reason)
        return actions

    def _is_taken_again(self, epoch: int | None, number: int, is_snapshot: bool) -> bool:
        """Return True if an old number of a peer without epochs is a new update.

        Its first snapshot may have been numbered one too high, and it restarts with a whole value
        of a lower number.
        """
        if epoch is not None:
            return False
        return number == self._unsure_at == self.number or (is_snapshot and number < self.number)

    def _start_over(self, number: int) -> str:
        """Doubt the value of a peer without epochs, which may have been restarted."""
        self._follow(None)
        self._heard.head = number
        self.number, self._is_sound = -1, False
        return f"number {number} is a low one: the publisher may have been started again"

    def _advance(
        self, number: int, is_snapshot: bool, fields: UpdateFields, is_resync: bool = False
    ) -> Updated:
        fields = fields() if type(fields) is not dict and callable(fields) else fields
        if is_snapshot:
            value = snapshot(fields, self._shape)
            self._pending.replace(value)
            self._comparison.forget()
            self._is_sound = True
        else:
            old = None if self._comparison.digest is None else self._pending.value
            value = self._pending.merge(fields)
            if old is not None:
                self._comparison.follow(old, value, fields)
        self.number = number
        return Updated(number, fields, value, is_resync)

    def _try(
        self,
        actions: list[Action],
        number: int,
        is_snapshot: bool,
        fields: UpdateFields,
        *,
        is_resync: bool = False,
    ) -> str | None:
        """Apply a delta; if that fails, keep it for after the resync and return the reason."""
        try:
            actions.append(self._advance(number, is_snapshot, fields, is_resync))
        except (PatchRefused, MessageError) as problem:
            self._buffer.keep(number, is_snapshot, fields)
            return self._trouble.fail(number, self._heard.head, problem)
        self._unsure_at = None
        return None

    def _drain(self, actions: list[Action]) -> str | None:
        """Apply the buffered deltas that follow the value; drop those it already contains."""
        if self._is_followed():
            self._buffer.drop_up_to(self.number)
            while (delta := self._buffer.pop(self.number + 1, None)) is not None:
                failure = self._try(actions, self.number + 1, *delta)
                if failure is not None:
                    return failure
        return None

    def _install(self, epoch: int | None, number: int, fields: UpdateFields) -> Updated:
        fields = fields() if callable(fields) else fields
        value = snapshot(fields, self._shape, partial=True)
        self._pending.replace(value)
        self.resyncs += self._is_synced
        self.epoch, self.number = epoch, number
        self._is_synced = self._is_sound = True
        self._trouble.needs_whole = False
        self._comparison.forget()
        return Updated(number, fields, value, True)

    def _is_news(self, epoch: int | None, number: int) -> bool:
        if not self._is_synced or epoch != self.epoch or number > self.number:
            return True
        return number == self.number and not self._is_sound

    def _is_followed(self) -> bool:
        return self._is_synced and self._is_sound and self._heard.epoch == self.epoch

    def _is_behind(self) -> bool:
        return not self._is_followed() or self.number < self._heard.head

    def _settle(self, now: float, actions: list[Action], reason: str | None) -> None:
        """Enter LIVE if the value is up to date, else SYNCING, and request what is missing."""
        if not self._is_behind():
            self._asking.cease(now)
            self._buffer.clear()
            self._trouble.clear()
            if self.phase is not Phase.LIVE:
                self._enter(Phase.LIVE, now, actions, f"in step at number {self.number}")
            return
        if self.phase is not Phase.SYNCING:
            if self._heard.epoch != self.epoch:
                reason = "another epoch: the publisher was started again"
            self._enter(Phase.SYNCING, now, actions, reason or "the value is behind")
        self._want(now)
        self._ask_if_due(now, actions)

    def _want(self, now: float) -> None:
        if not self._trouble.is_hopeless(self._heard.head):
            self._asking.want(
                now,
                pause_s=self._trouble.pause_s(self._heartbeat_s),
                is_silent=self._heard.is_quiet(now, self._stale_after_s),
            )

    def _ask_if_due(self, now: float, actions: list[Action]) -> None:
        if self._asking.due is None or now < self._asking.due:
            return
        token = self._asking.send(now, self._heard.head)
        would_deltas_do = self._is_synced and self._is_sound and not self._trouble.needs_whole
        is_fill = would_deltas_do and self.epoch is not None
        actions.append(Ask(token, self.epoch, self.number) if is_fill else Ask(token, None, None))

    def _enter(self, phase: Phase, now: float, actions: list[Action], reason: str) -> None:
        self.phase = phase
        actions.append(PhaseChanged(self.status(now), reason))
