"""The replica's side of a state, as a state machine: events in, actions out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sf_actors.errors import MessageError
from sf_actors.replication.actions import Action, Ask
from sf_actors.replication.condition import Condition
from sf_actors.replication.plain_peer import BEFORE_FIRST, PlainPeer
from sf_actors.replication.publishers_beside import UNHEARD
from sf_actors.replication.snapshot_requests import SnapshotRequests
from sf_actors.replication.status import Phase
from sf_actors.replication.values.patch import PatchRefused

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Sequence

    from sf_actors.replication.buffer import Delta, Kept, UpdateFields
    from sf_actors.schema.shape import Record


class Replica(Condition):
    """Follows one publisher by the rules in the docstring of `sf_actors.replication`.

    Each `on_…` takes an event with its time (monotonic, seconds) and returns the actions to do.
    `UpdateFields` are typed values, or a callable that decodes them on demand and may raise
    `MessageError`. Decoded fields are passed on in `Updated` and not kept, so the receiver may
    change them. Not thread-safe: it belongs to one actor. `value` is frozen and for any thread.

    :param reports_all: return an `Updated` for each update, with the value right after it; if
        False, updates that are next in order return none, which is cheaper
    """

    def __init__(
        self,
        shape: Record,
        *,
        now: float,
        heartbeat_s: float,
        stale_after_s: float,
        rng: random.Random,
        reports_all: bool = True,
        buffer_size: int = 100_000,
    ) -> None:
        asking = SnapshotRequests(rng, heartbeat_s=heartbeat_s, first_due=now + heartbeat_s)
        super().__init__(shape, buffer_size, heartbeat_s, stale_after_s, asking)
        self.reports_all = reports_all
        self._heartbeat_s = heartbeat_s
        self._plain = PlainPeer(self._heard, heartbeat_s)

    def on_delta(  # noqa: PLR0917 - in the order of the message
        self,
        now: float,
        epoch: int | None,
        number: int,
        is_snapshot: bool,
        fields: UpdateFields,
        count: int | None = None,
        workflow_id: object = None,
    ) -> Sequence[Action]:
        """Process a delta of the subscription; HOT if it is the next one.

        :param count: the publisher's own count; None if `number`, which a caller may give, is it
        :param workflow_id: put into `Updated` whenever the delta is applied
        """
        if (
            number != self.count + 1
            or self.phase is not Phase.LIVE
            or epoch != self.epoch
            or count is not None
        ):
            return self._on_other_delta(now, epoch, number, is_snapshot, fields, count, workflow_id)
        self._heard.aired_at, self._heard.head = now, number
        try:
            if self.reports_all or is_snapshot or self._comparison.digest is not None:
                # still packed, since what is told of it has its size
                return (self._advance(number, is_snapshot, fields, None, workflow_id),)
            if type(fields) is not dict and callable(fields):
                fields = fields()
            if not self._pending.keep(fields):
                return (self._advance(number, is_snapshot, fields, None, workflow_id),)
        except (PatchRefused, MessageError) as problem:
            actions: list[Action] = []
            self._buffer.keep(number, is_snapshot, fields, None, workflow_id)
            self._settle(now, actions, self._trouble.fail(number, self._heard.head, problem))
            return actions
        self.count = number
        return ()

    def on_heartbeat(
        self,
        now: float,
        epoch: int | None,
        head: int,
        digest: bytes | None = None,
        *,
        is_loading: bool = False,
        interval_s: float | None = None,
    ) -> Sequence[Action]:
        """Process a heartbeat.

        :param head: the count of the publisher's last update
        :param is_loading: it has not published since its start, but will: it has no value yet
        :param interval_s: the time between its heartbeats, as it announces it
        """
        actions: list[Action] = []
        if not self._hear(now, epoch, head):
            return actions
        self._silence.hear(interval_s)
        if self._heard.load(is_loading=is_loading):
            self._asking.hurry(now)
        reason = self._heard.note(head, head)
        is_level = head == self.count and not self._is_behind()
        if is_level and self._comparison.differs(self.value, head, digest):
            self._is_sound = False
            reason = f"the digest differs at number {self.number}"
        self._settle(now, actions, reason)
        return actions

    def on_snapshot(
        self,
        now: float,
        token: int,
        epoch: int | None,
        number: int,
        fields: UpdateFields,
        *,
        count: int | None = None,
        is_loading: bool = False,
        interval_s: float | None = None,
        names: Sequence[str] | None = None,
    ) -> Sequence[Action]:
        """Process the answer to `Ask`: the whole value at a number, perhaps frozen already.

        :param count: as in `on_delta`
        :param is_loading: as in `on_heartbeat`; the answer has no value then
        :param interval_s: as in `on_heartbeat`
        :param names: the fields of the publisher's model; None if they are unknown
        """
        actions: list[Action] = []
        heard = self._take_answer(now, token, epoch)
        if heard is None:
            return actions
        self._silence.hear(interval_s, is_answer=True)
        self._heard.load(is_loading=is_loading, is_answer=True)
        if is_loading or (lacking := self._lacking(names)):
            self._settle(now, actions, None if is_loading else self._trouble.lack(lacking))
            return actions
        given, count = _parted(epoch, number, count)
        if epoch is None:
            count = self._plain.count_of_snapshot(now, count, heard)
        if self._plain.is_numbered(epoch, number) and self._heard.doubt(count, heard):
            self._buffer.clear()
            # a peer without epochs that continues at a lower number was restarted
            self._is_sound = self._is_sound and epoch is not None
        self._heard.learn(count)
        reason: str | None = f"the snapshot at number {number} is too old"
        self._trouble.retry(heard)
        if self._is_news(epoch, count):
            try:
                fields = fields() if callable(fields) else fields
                if epoch is None and self._plain.is_before_first(fields):
                    count = BEFORE_FIRST
                    self._plain.begin_at(count)
                actions.append(self._install(epoch, count, fields, given))
            except (PatchRefused, MessageError) as problem:
                reason = self._trouble.refuse(count, self._heard.head, problem)
            else:
                reason = self._drain(actions) or reason
        self._settle(now, actions, reason)
        return actions

    def on_fill(
        self,
        now: float,
        token: int,
        epoch: int | None,
        deltas: Iterable[Delta],
        *,
        count: int | None = None,
        interval_s: float | None = None,
    ) -> Sequence[Action]:
        """Process the answer to `Ask` with `after`: deltas in order.

        :param count: the publisher's own count of the last delta, if their numbers are its caller's
        :param interval_s: as in `on_heartbeat`
        """
        actions: list[Action] = []
        heard = self._take_answer(now, token, epoch)
        if heard is None:
            return actions
        self._silence.hear(interval_s, is_answer=True)
        self._heard.load(is_loading=False, is_answer=True)
        reason = None
        deltas = list(deltas)
        if self._is_followed():
            self._heard.learn(self.count)
        else:
            deltas, self._trouble.needs_whole = [], True
        for place, (number, is_snapshot, fields, id_) in enumerate(deltas, 1 - len(deltas)):
            given, place_ = _parted(epoch, number, None if count is None else count + place)
            if place_ > self.count + 1:
                self._trouble.needs_whole = True
                break
            if place_ == self.count + 1:
                self._heard.learn(place_)
                reason = self._try(actions, place_, is_snapshot, fields, given, id_)
                if reason is not None:
                    break
        is_whole = reason is None and not self._trouble.needs_whole
        if is_whole and self._heard.doubt(self.count, heard):
            self._buffer.clear()
        self._settle(now, actions, reason or self._drain(actions))
        return actions

    def on_progress(self, now: float, token: int) -> bool:
        """Note that an answer is being read in pieces; return False if it is no longer needed."""
        return self._asking.extend(token, now)

    def on_failure(self, now: float, token: int, problem: str) -> Sequence[Action]:
        """Process an answer to `Ask` that is unreadable or an error: ask again later."""
        actions: list[Action] = []
        self._is_unanswered = False
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
        self._heard.forget_second(now, self.stale_after_s)
        due = self._end_of_patience
        self._is_unanswered = self._is_unanswered or (due is not None and now >= due)
        is_silent = self._heard.is_silent(now, self.stale_after_s)
        if is_silent and self._is_synced and self.phase is not Phase.STALE:
            self._enter(Phase.STALE, now, actions, f"nothing heard for {self.stale_after_s} s")
        return actions

    def _hear(self, now: float, epoch: int | None, count: int) -> bool:
        """Note a sign of life; return False if its epoch is not followed or its count false."""
        if self._heard.is_quiet(now, self.stale_after_s):
            self._asking.hurry(now)
        if epoch != self._heard.epoch:
            if self._heard.is_beside(now, epoch, count, self.stale_after_s):
                return False
            self._follow(now, epoch)
        elif self._heard.is_unbelievable(count):
            return False
        self._heard.hear(now)
        return True

    def _follow(self, now: float, epoch: int | None, *, is_answer: bool = False) -> None:
        self._heard.follow(now, epoch, is_answer=is_answer)
        self._silence.follow()
        self._plain.begin()
        self._forget()

    def _forget(self) -> None:
        """Drop the state of a run that is no longer followed."""
        self._buffer.clear()
        self._asking.forget()
        self._trouble.clear()
        self._comparison.reset()

    def _take_answer(self, now: float, token: int, epoch: int | None) -> int | None:
        """Return the head as it was when the request was sent; None if the answer is useless.

        Following another epoch drops all requests, so a publisher of a different epoch has answered
        after the followed one was heard.
        """
        heard = self._asking.end(token)
        self._is_unanswered = False
        if heard is None:
            self._heard.late += 1
            return None
        if not self._heard.may_answer(now, epoch, self.stale_after_s):
            self._trouble.mislead(epoch, self._heard.epoch)
            self._want(now)
            return None
        if epoch != self._heard.epoch:
            self._follow(now, epoch, is_answer=True)
            heard = UNHEARD
        self._heard.answered(now)
        return heard

    def _on_other_delta(  # noqa: PLR0917 - as `on_delta`
        self,
        now: float,
        epoch: int | None,
        number: int,
        is_snapshot: bool,
        fields: UpdateFields,
        count: int | None,
        workflow_id: object,
    ) -> Sequence[Action]:
        actions: list[Action] = []
        given, count = _parted(epoch, number, count)
        if not self._hear(now, epoch, count):
            return actions
        kept: Kept = (is_snapshot, fields, given, workflow_id)
        is_ours = self._is_synced and epoch == self.epoch
        if epoch is None and count <= self._heard.head:
            reason = self._take_low(now, actions, count, kept, is_ours=is_ours)
            self._settle(now, actions, reason)
            return actions
        if self._heard.load(is_loading=False):
            self._asking.hurry(now)
        reason = self._heard.note(count - 1, count)
        is_next = self._is_sound and count == self.count + 1
        # while the value of a peer without epochs is in doubt, its number says nothing
        if is_ours and count <= self.count and (self._is_sound or epoch is not None):
            self.duplicates += 1
        elif is_ours and (is_next or (is_snapshot and epoch is None)):
            failure = self._try(actions, count, *kept, is_resync=not is_next)
            reason = failure or self._drain(actions) or reason
        elif count in self._buffer:
            self.duplicates += 1
        else:
            self._buffer.keep(count, *kept)
        self._settle(now, actions, reason)
        return actions

    def _take_low(
        self,
        now: float,
        actions: list[Action],
        number: int,
        kept: Kept,
        *,
        is_ours: bool,
    ) -> str | None:
        """Take a number of a peer without epochs that is not above those heard.

        The peer may have been restarted; its whole values count from their own number on.
        """
        is_snapshot = kept[0]
        if not is_snapshot and self._plain.is_in_snapshot(now, number):
            self.duplicates += 1
            return None
        self.skipped += is_ours and not is_snapshot and number <= self.count
        self._plain.begin_at(number)
        self._forget()
        self._is_sound = False
        if is_ours and is_snapshot:
            return self._try(actions, number, *kept)
        self._buffer.keep(number, *kept)
        return f"number {number} is a low one: the publisher may have been started again"

    def _is_behind(self) -> bool:
        is_followed = self._is_followed() and not self._heard.is_loading
        return not is_followed or self.count < self._heard.head

    def _settle(self, now: float, actions: list[Action], reason: str | None) -> None:
        """Enter LIVE if the value is up to date, else SYNCING, and request what is missing."""
        if not self._is_behind():
            self._asking.cease(now)
            self._buffer.clear()
            self._trouble.clear()
            self._is_unanswered = False
            if self.phase is not Phase.LIVE:
                self._enter(Phase.LIVE, now, actions, f"in step at number {self.number}")
            return
        if self.phase is not Phase.SYNCING:
            if self._heard.epoch != self.epoch:
                reason = "another epoch: the publisher was started again"
            elif self._heard.is_loading:
                reason = "the publisher is loading"
            self._enter(Phase.SYNCING, now, actions, reason or "the value is behind")
        self._want(now)
        self._ask_if_due(now, actions)

    def _want(self, now: float) -> None:
        # jitter shortens it to a heartbeat at least
        pause_s = 2.0 * self._heartbeat_s if self._heard.is_loading else 0.0
        if not self._trouble.is_hopeless(self._heard.head):
            self._asking.want(
                now,
                pause_s=max(self._trouble.pause_s(self._heartbeat_s), pause_s),
                is_silent=self._heard.is_quiet(now, self.stale_after_s),
            )

    def _ask_if_due(self, now: float, actions: list[Action]) -> None:
        if self._asking.due is None or now < self._asking.due:
            return
        token = self._asking.send(now, self._heard.head)
        would_deltas_do = self._is_synced and self._is_sound and not self._trouble.needs_whole
        is_fill = would_deltas_do and self.epoch is not None
        actions.append(Ask(token, self.epoch, self.count) if is_fill else Ask(token, None, None))


def _parted(epoch: int | None, number: int, count: int | None) -> tuple[int | None, int]:
    """Return the caller's number, None if there is none, and the count that orders updates."""
    return (None, number) if count is None or epoch is None else (number, count)
