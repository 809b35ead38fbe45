"""A publisher, a replica and a network between them that does what it is told, all in one thread.

The judge is `histories`: for each epoch the plain dict after each number, made by RFC 7396 as it
stands in the RFC and by nothing of the package.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from sf_actors.replication.actions import Ask, PhaseChanged, Updated
from sf_actors.replication.replica import Replica
from sf_actors.replication.status import Phase
from sf_actors.replication.values.frozen import View
from tests.replication.messages import Delta, Fill, Heartbeat, Whole, thaw_plain
from tests.replication.publishing import HEARTBEAT_S, LONG_INTERVAL_S, Publishing
from tests.replication.shapes import SHAPE

STALE_AFTER_S = 3.0
BUFFER_SIZE = 12
ASKS = 8
"""So many requests a replica may send within a heartbeat, whatever happens."""


class Simulation(Publishing):
    """One publisher's runs, one replica; every message lies in a list until something is done."""

    def __init__(self, replica_type: type[Replica] = Replica, seed: int = 0) -> None:
        super().__init__(seed)
        self.replica_type = replica_type
        #: when a message of each epoch was last delivered
        self.aired: dict[int, float] = {}
        self.start_publisher()
        self.join()

    def join(self) -> None:
        """Start a replica that sees only what is sent from now on, and a heartbeat at once."""
        self.counts["join"] += 1
        self.subscription.clear()
        self.requests.clear()
        self.answers.clear()
        self.heard: dict[int, int] = {}
        self.aired.clear()
        self.unanswered_since: float | None = None
        self.is_calm = False
        self.newest_run = -1
        self.asked_at: deque[float] = deque(maxlen=ASKS + 1)
        # one without a handler merges the changes of tables later
        self.reports_all = self.counts["join"] % 2 == 0
        self.replica = self.replica_type(
            SHAPE,
            now=self.now,
            heartbeat_s=HEARTBEAT_S,
            stale_after_s=STALE_AFTER_S,
            rng=self.rng,
            reports_all=self.reports_all,
            buffer_size=BUFFER_SIZE,
        )
        self.heartbeat()

    def deliver(self, message: Delta | Heartbeat) -> None:
        head = message.count if isinstance(message, Delta) else message.head
        self.heard[message.epoch] = max(self.heard.get(message.epoch, -1), head)
        replica, epoch = self.replica, self.replica.epoch
        was_live = replica.phase is Phase.LIVE
        self._deliver(message)
        if was_live and epoch is not None and self.now < self.aired.get(epoch, -9.0) + 3:
            # of two on air, the smaller one changes nothing
            assert message.epoch >= epoch or replica.phase is Phase.LIVE
        self.aired[message.epoch] = self.now

    def _deliver(self, message: Delta | Heartbeat) -> None:
        if isinstance(message, Heartbeat):
            self._act(
                self.replica.on_heartbeat,
                (message.epoch, message.head, message.digest),
                is_loading=message.is_loading,
                interval_s=message.interval_s,
            )
        else:
            self._act(
                self.replica.on_delta,
                (
                    message.epoch,
                    message.number,
                    message.is_snapshot,
                    message.read,
                    message.own_count,
                ),
            )

    def deliver_answer(self, answer: Whole | Fill) -> None:
        replica = self.replica
        self.unanswered_since = None
        if isinstance(answer, Whole):
            number = answer.count if answer.given is None else answer.given
            self.in_answer = answer.count
            self._act(
                replica.on_snapshot,
                (answer.token, answer.epoch, number, thaw_plain(answer.value)),
                count=None if answer.given is None else answer.count,
                is_loading=answer.is_loading,
            )
        else:
            deltas = [
                (delta.number, delta.is_snapshot, delta.read, None) for delta in answer.deltas
            ]
            arguments = answer.token, answer.epoch, deltas
            self._act(replica.on_fill, arguments, count=answer.own_count)

    def deliver_part(self, answer: Whole | Fill) -> None:
        """Have a part of an answer arrive; the rest lies there."""
        self.begun.append(answer)
        self.unanswered_since = None
        is_wanted = self.replica.on_progress(self.now, answer.token)
        self.counts["part in vain"] += not is_wanted
        self.check()

    def fail_answer(self, answer: Whole | Fill) -> None:
        self.unanswered_since = None
        self._act(self.replica.on_failure, (answer.token, "an error"))

    def wait(self, seconds: float, *, in_full: bool = False) -> None:
        """Let time pass, with heartbeats and ticks; `in_full`: and everything delivered at once."""
        end = self.now + seconds
        while True:
            if in_full:
                self.deliver_everything()
            due = self.replica.next_deadline
            moments = [end, self.next_heartbeat, *([] if due is None else [due])]
            self.now = max(self.now, min(moments))
            if due is not None and self.now >= due:
                self._act(self.replica.on_tick, ())
                assert self.replica.next_deadline is None or self.replica.next_deadline > self.now
            if self.now >= self.next_heartbeat:
                self.next_heartbeat = self.now + self.interval_s
                self.heartbeat()
            elif self.now >= end:
                break
        if in_full:
            self.deliver_everything()

    def deliver_everything(self) -> None:
        while self.subscription or self.requests or self.answers:
            while self.subscription:
                self.deliver(self.subscription.pop(0))
            while self.requests:
                self.answers.append(self.answer(self.requests.pop(0)))
            while self.answers:
                self.deliver_answer(self.answers.pop(0))

    def _act(self, event: Any, arguments: tuple[Any, ...], **named: Any) -> None:
        replica = self.replica
        epoch, count, phase = replica.epoch, replica.count, replica.phase
        for action in event(self.now, *arguments, **named):
            match action:
                case Ask():
                    self.requests.append(action)
                    if self.unanswered_since is None:
                        self.unanswered_since = self.now
                    self.asked_at.append(self.now)
                    assert len(self.asked_at) <= ASKS or self.now - self.asked_at[0] > HEARTBEAT_S
                case PhaseChanged():
                    assert action.status.phase is not phase
                    assert action.reason
                    phase = action.status.phase
                    assert not self.is_calm or phase is Phase.LIVE
                case Updated():
                    if action.is_resync:
                        epoch_is_new = replica.epoch != epoch
                        assert epoch_is_new or self.in_answer >= count
                        assert View(action.value) == action.fields
                        count = self.in_answer
                    else:
                        count = self._after_skipped(replica.epoch, count) + 1
                    epoch = replica.epoch
                    self._check(epoch, count, action.number, action.value)
                    self._check_run(replica.epoch)
        assert phase is replica.phase
        if replica.count > count:
            count = min(self._after_skipped(epoch, count), replica.count)
        if not self.reports_all and (replica.epoch, replica.count) == (epoch, count + 1):
            self.counts["kept"] += 1
            count += 1
        assert count == replica.count
        self.check()

    def check(self) -> None:
        """The promise: a prefix of the updates; and LIVE only if no more than that was heard of."""
        replica = self.replica
        if replica.epoch is not None:
            # a look merges what was kept, so there is not always one
            if self.reports_all or self.rng.random() < 0.5:
                self._check(replica.epoch, replica.count, replica.number, replica.value)
            if replica.phase is Phase.LIVE:
                assert replica.count >= self.heard.get(replica.epoch, -1)
        longest_s = replica.stale_after_s
        assert longest_s in {STALE_AFTER_S, 2 * LONG_INTERVAL_S}
        for now in (self.now, self.now + longest_s):
            status = replica.status(now)
            assert status.phase is not Phase.LIVE or (status.age_s or 0.0) < longest_s
        if replica.phase is Phase.LIVE:
            self.unanswered_since = None
        elif self.unanswered_since is not None and self.now >= self.unanswered_since + longest_s:
            due = replica.next_deadline
            if due is not None and due <= self.now:
                return  # the tick that notices it comes next
            self.counts["unanswered"] += 1
            assert replica.error is not None
        assert len(replica._buffer) <= BUFFER_SIZE
        assert replica.status(self.now).mismatches == 0
        assert len(self.requests) + len(self.answers) <= 100

    @property
    def late(self) -> int:
        return self.replica.status(self.now).late

    def _after_skipped(self, epoch: int | None, count: int) -> int:
        """Return the count of the last one of those that are skipped right after an update."""
        assert epoch is not None
        while count + 1 in self.skipped[epoch]:
            count += 1
        return count

    def _check(self, epoch: int | None, count: int, number: int, value: Any) -> None:
        assert epoch is not None
        assert count in self.histories[epoch]
        assert number == self.numbers[epoch][count]
        assert View(value) == self.histories[epoch][count]

    def _check_run(self, epoch: int | None) -> None:
        """A value of a publisher that is gone never takes the place of its successor's.

        Nor does that of a stranger while a publisher is on air.
        """
        assert epoch is not None
        if epoch not in self.runs:
            assert all(self.now >= at + STALE_AFTER_S for at in self.aired.values())
            return
        assert self.runs[epoch] >= self.newest_run
        self.newest_run = self.runs[epoch]

    def end_faults(self) -> None:
        """Requests and answers under way are lost; the rest comes, and all goes well from now."""
        self.requests.clear()
        self.answers.clear()
        self.deliver_everything()
        replica, publisher = self.replica, self.publisher
        self.finish_loading()
        longest_s = 2 * LONG_INTERVAL_S
        if any(epoch > publisher.epoch for epoch in self.aired):
            # a larger one that is gone, or is none, is still waited for
            self.wait(longest_s, in_full=True)
        self.wait(2 * self.interval_s, in_full=True)
        assert replica.phase is Phase.LIVE
        assert (replica.epoch, replica.count) == (publisher.epoch, publisher.count)
        assert replica.number == publisher.number
        assert replica.value == publisher.value
        self.is_calm = True
        self.wait(longest_s + self.interval_s, in_full=True)
        self.is_calm = False
        assert replica.phase is Phase.LIVE
        assert replica.status(self.now).error is None
