"""A publisher without epochs that numbers properly, a replica, and a network between them.

As in `simulation`, with what such a publisher lacks: no heartbeats, no epochs, and no counts. The
first message of a run always arrives: if it were lost, a number that happens to be the next one
would tell of no new run.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sf_actors.errors import InvalidMessage
from sf_actors.replication.actions import Ask, Updated
from sf_actors.replication.plain_peer import BEFORE_FIRST
from sf_actors.replication.reasons import Reason
from sf_actors.replication.replica import Replica
from sf_actors.replication.status import Phase
from sf_actors.replication.values.frozen import View
from tests.replication.shapes import SHAPE, plain_merge

if TYPE_CHECKING:
    from collections.abc import Mapping

HEARTBEAT_S = 1.0
STALE_AFTER_S = 3.0
WHOLE: dict[str, Any] = {"price": 0, "book": {}}


@dataclass(frozen=True)
class Said:
    """A delta of a publisher, or a whole value."""

    number: int
    is_snapshot: bool
    fields: dict[str, Any]


class PlainSimulation:
    """One publisher's runs and one replica.

    :ivar history: the plain dict after each number of this run
    """

    def __init__(self, replica_type: type[Replica], seed: int) -> None:
        self.rng = random.Random(seed)
        self.replica_type = replica_type
        self.now = 100.0
        self.counts: Counter[str] = Counter()
        self.subscription: list[Said] = []
        self.requests: list[Ask] = []
        self.answers: list[tuple[Ask, int, Mapping[str, Any]]] = []
        self.start(first=1)
        self.join()

    def start(self, *, first: int) -> None:
        """Start the publisher (again); what the one before it said has arrived or is lost."""
        self.subscription.clear()
        self.requests.clear()
        self.answers.clear()
        self.number = first - 1
        # an empty snapshot numbered 0 is of before the first update, whatever number that has
        self.history: dict[int, dict[str, Any]] = {BEFORE_FIRST: {}, self.number: {}}

    def restart(self, *, is_whole: bool) -> None:
        self.counts["start"] += 1
        self.wait(1.1)
        self.start(first=1)
        self.publish({**WHOLE, "price": 5} if is_whole else {"note": 1}, is_snapshot=is_whole)
        self.deliver(self.subscription.pop())

    def join(self) -> None:
        """Start a replica that hears only what is sent from now on."""
        self.counts["join"] += 1
        self.subscription.clear()
        self.requests.clear()
        self.answers.clear()
        self.heard = -1
        self.replica = self.replica_type(
            SHAPE,
            now=self.now,
            heartbeat_s=HEARTBEAT_S,
            stale_after_s=STALE_AFTER_S,
            rng=self.rng,
            reports_all=self.rng.random() < 0.5,
            buffer_size=12,
        )

    def publish(self, fields: dict[str, Any], *, is_snapshot: bool) -> None:
        before = self.history[self.number]
        self.number += 1
        self.history[self.number] = fields if is_snapshot else plain_merge(before, fields)
        self.subscription.append(Said(self.number, is_snapshot, fields))

    def deliver(self, said: Said, *, is_damaged: bool = False) -> None:
        def read() -> dict[str, Any]:
            if is_damaged:
                raise InvalidMessage("damaged on its way")
            return dict(said.fields)

        self.counts["low"] += said.number <= self.heard
        is_later = not said.is_snapshot and said.number > self.heard
        self.heard = max(self.heard, said.number) if is_later else said.number
        if not said.is_snapshot and not is_later:
            # a low number is followed by a snapshot, whatever was heard before it
            self.heard = -1
        self._act(self.replica.on_delta(self.now, None, said.number, said.is_snapshot, read))

    def answer(self, *, is_damaged: bool = False) -> None:
        if self.answers:
            ask, number, value = self.answers.pop(0)
            if is_damaged:
                self._act(self.replica.on_failure(self.now, ask.token, "an error"))
            else:
                on_snapshot = self.replica.on_snapshot
                self._act(on_snapshot(self.now, ask.token, None, number, dict(value)))

    def reply(self) -> None:
        if self.requests:
            value = self.history[self.number]
            self.answers.append((self.requests.pop(0), self.number, value))

    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        while (due := self.replica.next_deadline) is not None and due <= end:
            self.now = max(self.now, due)
            self._act(self.replica.on_tick(self.now))
        self.now = end

    def _act(self, actions: Any) -> None:
        for action in actions:
            if isinstance(action, Ask):
                self.requests.append(action)
            elif isinstance(action, Updated):
                self.counts["updated"] += 1
        self.check()

    def check(self) -> None:
        """LIVE only with a prefix of the updates of the publisher that has all that was heard."""
        replica = self.replica
        if replica.phase is Phase.LIVE:
            assert replica.number in self.history
            assert View(replica.value) == self.history[replica.number]
            assert replica.number >= self.heard
            self.counts["live"] += 1

    def end_faults(self) -> None:
        """One more update arrives, all goes well from now, and the replica is in step."""
        self.publish({"price": 9}, is_snapshot=False)
        self.requests.clear()
        self.answers.clear()
        for _ in range(8):
            while self.subscription:
                self.deliver(self.subscription.pop(0))
            while self.requests:
                self.reply()
            while self.answers:
                self.answer()
            self.wait(HEARTBEAT_S / 2)
        assert self.replica.number == self.number
        assert View(self.replica.value) == self.history[self.number]
        trouble = self.replica.trouble
        if self.replica.phase is Phase.LIVE:
            assert trouble is None
        else:
            assert self.replica.phase is Phase.STALE
            assert trouble is not None
            assert trouble[0] is Reason.SILENT


places = st.integers(0, 19)
prices = st.integers(0, 9)


class PlainFaults(RuleBasedStateMachine):
    """A replica of a publisher without epochs, behind a network at its worst."""

    replica_type: type[Replica] = Replica
    counts: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.world = PlainSimulation(self.replica_type, 0)

    @invariant()
    def the_promise_holds(self) -> None:
        self.world.check()

    @rule(price=prices, name=st.sampled_from(("price", "note", "owner")))
    def publish(self, price: int, name: str) -> None:
        fields = {name: {"name": price} if name == "owner" else price}
        self.world.publish(fields, is_snapshot=False)

    @rule(price=prices)
    def publish_a_whole_value(self, price: int) -> None:
        self.world.publish({**WHOLE, "price": price}, is_snapshot=True)

    @precondition(lambda self: self.world.subscription)
    @rule(count=places)
    def deliver(self, count: int) -> None:
        for _ in range(min(count + 1, len(self.world.subscription))):
            self.world.deliver(self.world.subscription.pop(0))

    @precondition(lambda self: self.world.subscription)
    @rule(place=places, fault=st.sampled_from(("lose", "repeat", "reorder", "damage")))
    def deliver_with_a_fault(self, place: int, fault: str) -> None:
        messages = self.world.subscription
        place = min(place, len(messages) - 1)
        said = messages[place] if fault == "repeat" else messages.pop(place)
        self.world.counts[fault] += 1
        if fault != "lose":
            self.world.deliver(said, is_damaged=fault == "damage")

    @precondition(lambda self: self.world.requests)
    @rule(is_lost=st.booleans())
    def answer_or_lose_a_request(self, is_lost: bool) -> None:
        if is_lost:
            self.world.requests.pop(0)
        else:
            self.world.reply()

    @precondition(lambda self: self.world.answers)
    @rule(fault=st.sampled_from(("", "", "", "lose", "damage")))
    def deliver_or_lose_a_snapshot(self, fault: str) -> None:
        if fault == "lose":
            self.world.answers.pop(0)
        else:
            self.world.answer(is_damaged=bool(fault))

    @rule(seconds=st.sampled_from((0.01, 0.3, 1.0, 4.0)))
    def wait(self, seconds: float) -> None:
        self.world.wait(seconds)

    @rule(is_whole=st.booleans())
    def restart_the_publisher(self, is_whole: bool) -> None:
        self.world.restart(is_whole=is_whole)

    @rule()
    def join_late(self) -> None:
        self.world.join()

    @rule()
    def catch_up(self) -> None:
        self.world.end_faults()

    def teardown(self) -> None:
        self.world.end_faults()
        self.counts.update(self.world.counts)
