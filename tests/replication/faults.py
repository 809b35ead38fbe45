"""Every fault as a rule, to be tried in any order on one replica and one publisher."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from dataclasses import replace
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sf_actors.replication.actions import Ask
from sf_actors.replication.replica import Replica
from sf_actors.replication.values.patch import PatchRefused
from tests.replication.messages import Delta, Whole
from tests.replication.publishing import QUEUE_SIZE
from tests.replication.shapes import patches, wholes
from tests.replication.simulation import BUFFER_SIZE, Simulation


def let_run(world: Simulation, rng: random.Random, events: int, faults: float) -> None:
    """Publish, and have messages arrive from whichever side, each with a fault now and then."""
    sides: list[list[Any]] = [world.subscription, world.requests, world.answers]
    speeds = [rng.choice((0.02, 0.5, 1.0)) for _ in sides]
    rate = rng.choice((0.05, 0.3, 0.6))
    for _ in range(events):
        if rng.random() < rate:
            fields = rng.choice(({"price": 1}, {"book": {"a": 2}}, {"book": {"a": None}}, {}))
            world.publish(fields, is_snapshot=False, leap=rng.choice(LEAPS))
        if rng.random() < 0.05:
            world.wait(rng.choice((0.05, 0.5, 1.5)))
        if rng.random() < faults / 20:
            lost = rng.choice((None, None, 0, 1, 3))
            world.start_publisher(is_clock_set_back=rng.random() < 0.3, lost=lost)
        if rng.random() < faults / 20:
            world.intrude(is_larger=rng.random() < 0.5, head=rng.randrange(20))
        [side] = rng.choices(sides, speeds)
        if side:
            move(world, rng, side, faults)


def move(world: Simulation, rng: random.Random, side: list[Any], faults: float) -> None:
    """Have one message of one side arrive, or not."""
    place = rng.randrange(len(side)) if rng.random() < faults else 0
    is_faulty = rng.random() < faults
    if side is world.subscription:
        carry(world, place, rng.choice(FAULTS) if is_faulty else "")
    elif side is world.requests:
        ask(world, place, is_lost=is_faulty)
    elif is_faulty and rng.random() < 0.2:
        world.answers[place] = world.answer_of_a_stranger(
            Ask(world.answers[place].token, None, None)
        )
    else:
        reply(world, place, rng.choice(ANSWER_FAULTS) if is_faulty else "")


#: How far the numbers that a caller gives are from the next.
LEAPS = (0, 0, 0, 0, 0, 0, -1, -2, -100, 1, 3)

FAULTS = ("lose", "repeat", "delay", "damage")
ANSWER_FAULTS = ("lose", "repeat", "damage", "part")


def carry(world: Simulation, place: int, fault: str = "") -> None:
    """Have one message of the subscription arrive, or not."""
    messages = world.subscription
    message = messages[place] if fault == "repeat" else messages.pop(place)
    world.counts[fault] += 1
    world.counts["reorder"] += place > 0
    if fault == "delay":
        messages.append(message)
    elif fault == "damage" and isinstance(message, Delta):
        world.counts["cannot be applied"] += 1
        world.deliver(replace(message, is_damaged=True))
    elif fault != "lose":
        world.deliver(message)


def ask(world: Simulation, place: int, *, is_lost: bool) -> None:
    """Have one request arrive at the publisher, which answers it, or not."""
    request = world.requests.pop(place)
    world.counts["request lost"] += is_lost
    if not is_lost:
        world.answers.append(world.answer(request))


def reply(world: Simulation, place: int, fault: str = "") -> None:
    """Have one answer arrive, or not."""
    answers, log, late = world.answers, world.publisher, world.late
    answer = answers[place] if fault in {"repeat", "part"} else answers.pop(place)
    world.counts[f"answer {fault}"] += 1
    if fault == "part":
        # what is left of it may come, or get lost
        world.deliver_part(answer)
    elif fault == "damage":
        world.fail_answer(answer)
    elif fault != "lose":
        world.deliver_answer(answer)
        if isinstance(answer, Whole):
            is_stale = (answer.epoch, answer.count) != (log.epoch, log.count)
            world.counts["snapshot"] += 1
            world.counts["snapshot stale"] += is_stale
            world.counts["snapshot late"] += world.late > late


#: Of each example.
STEPS = 50

_places = st.integers(0, QUEUE_SIZE - 1)


class Faults(RuleBasedStateMachine):
    """One replica behind a network at its worst.

    :cvar counts: how often each fault came about, over all examples
    """

    replica_type: type[Replica] = Replica
    counts: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.world = Simulation(self.replica_type)
        self._steps = -1  # the first check is of the beginning

    @invariant()
    def the_promises_hold(self) -> None:
        self.world.check()
        self._steps += 1

    # the publisher

    @rule(fields=patches, leap=st.sampled_from(LEAPS))
    def publish(self, fields: dict[str, Any], leap: int) -> None:
        with contextlib.suppress(PatchRefused):
            self.world.publish(fields, is_snapshot=False, leap=leap)

    @rule(fields=wholes, leap=st.sampled_from(LEAPS))
    def publish_a_whole_value(self, fields: dict[str, Any], leap: int) -> None:
        self.world.publish(fields, is_snapshot=True, leap=leap)

    @rule(count=st.integers(2, 2 * BUFFER_SIZE), left_out=st.sampled_from((0, 0, 1, 3)))
    def publish_more_than_a_slow_replica_reads(self, count: int, left_out: int) -> None:
        for price in range(count):
            leap = 0 if price else left_out
            self.world.publish({"price": price}, is_snapshot=False, leap=leap)

    @precondition(lambda self: self.world.publisher.is_loading)
    @rule()
    def finish_loading(self) -> None:
        self.world.finish_loading()

    # the subscription

    @precondition(lambda self: self.world.subscription)
    @rule(count=st.integers(1, QUEUE_SIZE))
    def deliver(self, count: int) -> None:
        for _ in range(min(count, len(self.world.subscription))):
            carry(self.world, 0)

    @precondition(lambda self: self.world.subscription)
    @rule(place=_places, count=st.integers(1, 3))
    def lose(self, place: int, count: int) -> None:
        del self.world.subscription[place : place + count - 1]
        self._carry(place, "lose")

    @precondition(lambda self: self.world.subscription)
    @rule(place=_places)
    def duplicate(self, place: int) -> None:
        self._carry(place, "repeat")

    @precondition(lambda self: self.world.subscription)
    @rule(place=_places)
    def reorder(self, place: int) -> None:
        self._carry(place, "")

    @precondition(lambda self: self.world.subscription)
    @rule(place=_places)
    def delay(self, place: int) -> None:
        self._carry(place, "delay")

    @precondition(lambda self: self.world.subscription)
    @rule(place=_places)
    def deliver_what_cannot_be_applied(self, place: int) -> None:
        self._carry(place, "damage")

    def _carry(self, place: int, fault: str) -> None:
        messages = self.world.subscription
        if messages:
            carry(self.world, min(place, len(messages) - 1), fault)

    # snapshots

    @precondition(lambda self: self.world.requests)
    @rule(is_lost=st.booleans())
    def answer_or_lose_a_request(self, is_lost: bool) -> None:
        ask(self.world, 0, is_lost=is_lost)

    @precondition(lambda self: self.world.answers)
    @rule(is_oldest=st.booleans())
    def deliver_a_snapshot(self, is_oldest: bool) -> None:
        """Another one than the oldest makes those before it late."""
        reply(self.world, 0 if is_oldest else -1)

    @precondition(lambda self: self.world.requests)
    @rule()
    def ask_a_stranger(self) -> None:
        self.world.answers.append(self.world.answer_of_a_stranger(self.world.requests.pop(0)))

    @rule(is_larger=st.booleans(), head=st.integers(-1, 20))
    def publish_as_somebody_else(self, is_larger: bool, head: int) -> None:
        self.world.intrude(is_larger=is_larger, head=head)

    @precondition(lambda self: self.world.answers)
    @rule(fault=st.sampled_from(ANSWER_FAULTS))
    def lose_repeat_damage_or_divide_a_snapshot(self, fault: str) -> None:
        reply(self.world, -1, fault)

    @precondition(lambda self: self.world.answers)
    @rule(cause=st.sampled_from(("loss", "restart", "restart with a clock set back")))
    def cut_off_an_answer_of_which_a_part_has_come(self, cause: str) -> None:
        reply(self.world, -1, "part")
        if cause == "loss":
            reply(self.world, -1, "lose")
        else:
            self.world.start_publisher(is_clock_set_back=cause != "restart")

    # time

    @rule(
        events=st.integers(1, 60),
        faults=st.sampled_from((0.0, 0.1, 0.3)),
        seed=st.integers(0, 2**32 - 1),
    )
    def let_it_run(self, events: int, faults: float, seed: int) -> None:
        let_run(self.world, random.Random(seed), events, faults)

    @rule(seconds=st.sampled_from((0.01, 0.3, 1.0, 4.0)))
    def wait(self, seconds: float) -> None:
        self.world.wait(seconds)

    @rule(lost=st.sampled_from((0, 0, 1, 3)), is_clock_set_back=st.booleans())
    def restart_from_a_store(self, lost: int, is_clock_set_back: bool) -> None:
        self.world.start_publisher(is_clock_set_back=is_clock_set_back, lost=lost)

    @rule(kind=st.sampled_from(("restart", "restart with a clock set back", "join", "catch up")))
    def turn(self, kind: str) -> None:
        if kind.startswith("restart"):
            self.world.start_publisher(is_clock_set_back=kind != "restart")
        elif kind == "join":
            self.world.join()
        else:
            self.world.end_faults()

    def teardown(self) -> None:
        self.world.end_faults()
        self.counts.update(self.world.counts)
        self.counts["examples in full"] += self._steps == STEPS
