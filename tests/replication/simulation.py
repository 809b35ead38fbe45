"""A publisher, a replica and a network between them that does what it is told, all in one thread.

The judge is `histories`: for each epoch the plain dict after each number, made by RFC 7396 as it
stands in the RFC and by nothing of the package.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from dataclasses import dataclass
from typing import Any

from sf_actors.errors import InvalidMessage
from sf_actors.replication.actions import Ask, PhaseChanged, Updated
from sf_actors.replication.publisher_log import PublisherLog
from sf_actors.replication.replica import Replica
from sf_actors.replication.status import Phase
from sf_actors.replication.values.frozen import View, thaw
from tests.replication.shapes import SHAPE, plain_merge

HEARTBEAT_S = 1.0
STALE_AFTER_S = 3.0
BUFFER_SIZE = 12
LOG_SIZE = 4
QUEUE_SIZE = 20
ASKS = 8
"""So many requests a replica may send within a heartbeat, whatever happens."""


@dataclass(frozen=True)
class Delta:
    epoch: int
    number: int
    is_snapshot: bool
    fields: dict[str, Any]
    is_damaged: bool = False

    def read(self) -> dict[str, Any]:
        if self.is_damaged:
            raise InvalidMessage("damaged on its way")
        copy: dict[str, Any] = thaw_plain(self.fields)
        return copy


@dataclass(frozen=True)
class Heartbeat:
    epoch: int
    head: int
    digest: bytes | None


@dataclass(frozen=True)
class Whole:
    token: int
    epoch: int
    number: int
    value: dict[str, Any]


@dataclass(frozen=True)
class Fill:
    token: int
    epoch: int
    deltas: list[Delta]


def thaw_plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: thaw_plain(item) for key, item in value.items()}
    return [thaw_plain(item) for item in value] if isinstance(value, list) else value


class Simulation:
    """One publisher's runs, one replica; every message lies in a list until something is done."""

    def __init__(self, replica_type: type[Replica] = Replica, seed: int = 0) -> None:
        self.rng = random.Random(seed)
        self.replica_type = replica_type
        self.now = 100.0
        self.histories: dict[int, dict[int, dict[str, Any]]] = {}
        self.runs: dict[int, int] = {}
        self.published: list[Delta] = []
        self.subscription: list[Delta | Heartbeat] = []
        self.requests: list[Ask] = []
        self.answers: list[Whole | Fill] = []
        self.next_heartbeat = self.now
        self.counts: Counter[str] = Counter()
        self.start_publisher()
        self.join()

    # the publisher

    def start_publisher(self) -> None:
        self.counts["start"] += 1
        epoch = self.rng.randrange(1, 2**63)
        # without a digest it merges the changes of tables later
        has_digest = len(self.runs) % 2 == 0
        self.publisher = PublisherLog(SHAPE, epoch=epoch, log_size=LOG_SIZE, digest=has_digest)
        self.histories[epoch] = {-1: {}}
        self.runs[epoch] = len(self.runs)
        self.requests.clear()
        self.heartbeat()

    def publish(self, fields: dict[str, Any], *, is_snapshot: bool, number: int | None) -> None:
        """Publish, which may raise PatchRefused."""
        self.counts["publish"] += 1
        log = self.publisher
        before = self.histories[log.epoch][log.number]
        frame = b"%d" % len(self.published)
        given = log.publish(fields, is_snapshot=is_snapshot, number=number, frame=frame)
        after = thaw_plain(fields) if is_snapshot else plain_merge(before, thaw_plain(fields))
        self.histories[log.epoch][given] = after
        delta = Delta(log.epoch, given, is_snapshot, thaw_plain(fields))
        self.published.append(delta)
        self._send(delta)

    def heartbeat(self) -> None:
        log = self.publisher
        self._send(Heartbeat(log.epoch, log.number, log.digest))

    def _send(self, message: Delta | Heartbeat) -> None:
        if len(self.subscription) < QUEUE_SIZE:
            self.subscription.append(message)
        else:
            self.counts["replica too slow"] += 1

    def answer(self, ask: Ask) -> Whole | Fill:
        log = self.publisher
        frames = log.since(ask.epoch, ask.after)
        if frames is not None:
            return Fill(ask.token, log.epoch, [self.published[int(frame)] for frame in frames])
        return Whole(ask.token, log.epoch, log.number, thaw(log.value))

    # the replica

    def join(self) -> None:
        """Start a replica that sees only what is sent from now on, and a heartbeat at once."""
        self.counts["join"] += 1
        self.subscription.clear()
        self.requests.clear()
        self.answers.clear()
        self.heard: dict[int, int] = {}
        self.newest_run = -1
        self.asked_at: deque[float] = deque(maxlen=ASKS + 1)
        # one without a handler merges the changes of tables later
        self.tells_all = self.rng.random() < 0.5
        self.replica = self.replica_type(
            SHAPE,
            now=self.now,
            heartbeat_s=HEARTBEAT_S,
            stale_after_s=STALE_AFTER_S,
            rng=self.rng,
            tells_all=self.tells_all,
            buffer_size=BUFFER_SIZE,
        )
        self.heartbeat()

    def deliver(self, message: Delta | Heartbeat) -> None:
        head = message.number if isinstance(message, Delta) else message.head
        self.heard[message.epoch] = max(self.heard.get(message.epoch, -1), head)
        if isinstance(message, Heartbeat):
            event = self.replica.on_heartbeat, (message.epoch, message.head, message.digest)
            self._act(*event)
        else:
            number, is_snapshot = message.number, message.is_snapshot
            self._act(self.replica.on_delta, (message.epoch, number, is_snapshot, message.read))

    def deliver_answer(self, answer: Whole | Fill) -> None:
        replica = self.replica
        if isinstance(answer, Whole):
            fields = thaw_plain(answer.value)
            self._act(replica.on_snapshot, (answer.token, answer.epoch, answer.number, fields))
        else:
            deltas = [(delta.number, delta.is_snapshot, delta.read) for delta in answer.deltas]
            self._act(replica.on_fill, (answer.token, answer.epoch, deltas))

    def fail_answer(self, answer: Whole | Fill) -> None:
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
                self.next_heartbeat = self.now + HEARTBEAT_S
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

    def _act(self, event: Any, arguments: tuple[Any, ...]) -> None:
        replica = self.replica
        epoch, number, phase = replica.epoch, replica.number, replica.phase
        for action in event(self.now, *arguments):
            match action:
                case Ask():
                    self.requests.append(action)
                    self.asked_at.append(self.now)
                    assert len(self.asked_at) <= ASKS or self.now - self.asked_at[0] > HEARTBEAT_S
                case PhaseChanged():
                    assert action.status.phase is not phase
                    assert action.reason
                    phase = action.status.phase
                case Updated():
                    if action.is_resync:
                        epoch_is_new = replica.epoch != epoch
                        assert epoch_is_new or action.number >= number
                        assert View(action.value) == action.fields
                    else:
                        assert action.number == number + 1
                    epoch, number = replica.epoch, action.number
                    self._check(replica.epoch, action.number, action.value)
                    self._check_run(replica.epoch)
        assert phase is replica.phase
        if not self.tells_all and (replica.epoch, replica.number) == (epoch, number + 1):
            self.counts["kept"] += 1
            number += 1
        assert number == replica.number
        self.check()

    def check(self) -> None:
        """The promise: a prefix of the updates; and LIVE only if no more than that was heard of."""
        replica = self.replica
        if replica.epoch is not None:
            # a look merges what was kept, so there is not always one
            if self.tells_all or self.rng.random() < 0.5:
                self._check(replica.epoch, replica.number, replica.value)
            if replica.phase is Phase.LIVE:
                assert replica.number >= self.heard.get(replica.epoch, -1)
        for now in (self.now, self.now + STALE_AFTER_S):
            status = replica.status(now)
            assert status.phase is not Phase.LIVE or (status.age_s or 0.0) < STALE_AFTER_S
        assert len(replica._buffer) <= BUFFER_SIZE
        assert replica.status(self.now).mismatches == 0
        assert len(self.requests) + len(self.answers) <= 100

    @property
    def late(self) -> int:
        return self.replica.status(self.now).late

    def _check(self, epoch: int | None, number: int, value: Any) -> None:
        assert epoch is not None
        assert number in self.histories[epoch]
        assert View(value) == self.histories[epoch][number]

    def _check_run(self, epoch: int | None) -> None:
        """A value of a publisher that is gone never takes the place of its successor's."""
        assert epoch is not None
        assert self.runs[epoch] >= self.newest_run
        self.newest_run = self.runs[epoch]

    def end_faults(self) -> None:
        """Requests and answers under way are lost; the rest comes, and all goes well from now."""
        self.requests.clear()
        self.answers.clear()
        self.wait(2 * HEARTBEAT_S, in_full=True)
        replica, publisher = self.replica, self.publisher
        assert replica.phase is Phase.LIVE
        assert (replica.epoch, replica.number) == (publisher.epoch, publisher.number)
        assert replica.value == publisher.value
        assert replica.status(self.now).error is None
