"""Faults in any order: the promises hold after each, and two heartbeats repair them all."""

from __future__ import annotations

import contextlib
import os
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from sf_actors.errors import MessageError
from sf_actors.replication.patch import PatchRefused
from sf_actors.replication.replica import Replica
from tests.replication.shapes import patches, wholes
from tests.replication.simulation import BUFFER_SIZE, Delta, Simulation

EXAMPLES = int(os.environ.get("SF_ACTORS_EXAMPLES", "100"))
PROFILE = settings(
    max_examples=EXAMPLES,
    stateful_step_count=50,
    deadline=None,
    database=None,
    print_blob=False,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)


def let_run(world: Simulation, rng: random.Random, events: int, faults: float) -> None:
    """Publish, and have messages arrive from whichever side, each with a fault now and then."""
    sides: list[list[Any]] = [world.subscription, world.requests, world.answers]
    speeds = [rng.choice((0.02, 0.5, 1.0)) for _ in sides]
    rate = rng.choice((0.05, 0.3, 0.6))
    for _ in range(events):
        if rng.random() < rate:
            fields = rng.choice(({"price": 1}, {"book": {"a": 2}}, {"book": {"a": None}}, {}))
            world.publish(fields, is_snapshot=False, number=None)
        if rng.random() < 0.05:
            world.wait(rng.choice((0.05, 0.5, 1.5)))
        if rng.random() < faults / 20:
            world.start_publisher()
        [side] = rng.choices(sides, speeds)
        if side:
            move(world, rng, side, faults)


def move(world: Simulation, rng: random.Random, side: list[Any], faults: float) -> None:
    """Have one message of one side arrive, or not."""
    place = rng.randrange(len(side)) if rng.random() < faults else 0
    is_faulty = rng.random() < faults
    if side is world.subscription:
        carry(world, side, place, rng.choice(FAULTS) if is_faulty else "")
    elif side is world.requests:
        request = side.pop(place)
        if not is_faulty:
            world.answers.append(world.answer(request))
    else:
        fault = rng.choice(("lose", "repeat", "damage")) if is_faulty else ""
        answer = side[place] if fault == "repeat" else side.pop(place)
        if fault == "damage":
            world.fail_answer(answer)
        elif fault != "lose":
            world.deliver_answer(answer)


FAULTS = ("lose", "repeat", "repeat late", "damage")


def carry(world: Simulation, messages: list[Any], place: int, fault: str) -> None:
    """Have one message of the subscription arrive, or not."""
    message = messages[place] if fault == "repeat" else messages.pop(place)
    if fault == "repeat late":
        messages.append(message)
    elif fault == "damage" and isinstance(message, Delta):
        world.deliver(replace(message, is_damaged=True))
    elif fault != "lose":
        world.deliver(message)


class Faults(RuleBasedStateMachine):
    """One replica behind a network at its worst."""

    replica_type: type[Replica] = Replica

    def __init__(self) -> None:
        super().__init__()
        self.world = Simulation(self.replica_type)

    @rule(fields=patches)
    def publish(self, fields: dict[str, Any]) -> None:
        with contextlib.suppress(PatchRefused):
            self.world.publish(fields, is_snapshot=False, number=None)

    @rule(fields=wholes)
    def publish_a_whole_value(self, fields: dict[str, Any]) -> None:
        self.world.publish(fields, is_snapshot=True, number=None)

    @rule(count=st.integers(2, 2 * BUFFER_SIZE), left_out=st.sampled_from((0, 0, 1, 3)))
    def publish_a_burst(self, count: int, left_out: int) -> None:
        number = self.world.publisher.number + 1 + left_out
        for price in range(count):
            self.world.publish({"price": price}, is_snapshot=False, number=number + price)

    @rule(
        events=st.integers(1, 60),
        faults=st.sampled_from((0.0, 0.1, 0.3)),
        seed=st.integers(0, 2**32 - 1),
    )
    def let_it_run(self, events: int, faults: float, seed: int) -> None:
        let_run(self.world, random.Random(seed), events, faults)

    @precondition(lambda self: self.world.subscription)
    @rule()
    def lose_what_is_on_its_way(self) -> None:
        self.world.subscription.clear()

    @rule(seconds=st.sampled_from((0.01, 0.3, 1.0, 4.0)))
    def wait(self, seconds: float) -> None:
        self.world.wait(seconds)

    @rule(kind=st.sampled_from(("restart", "join", "catch up")))
    def turn(self, kind: str) -> None:
        if kind == "restart":
            self.world.start_publisher()
        elif kind == "join":
            self.world.join()
        else:
            self.world.end_faults()

    def teardown(self) -> None:
        self.world.end_faults()


def test_the_promises_hold_through_any_faults_and_two_heartbeats_repair_them() -> None:
    run_state_machine_as_test(Faults, settings=PROFILE)


class BlindToGaps(Replica):
    """Takes any later number for the next one."""

    def on_delta(self, now, epoch, number, is_snapshot, fields):  # type: ignore[no-untyped-def]
        if epoch == self.epoch and number > self.number:
            self.number = number - 1
        return super().on_delta(now, epoch, number, is_snapshot, fields)


class BlindToEpochs(Replica):
    """Takes all runs of the publisher for one."""

    def on_delta(self, now, epoch, number, is_snapshot, fields):  # type: ignore[no-untyped-def]
        return super().on_delta(now, self._one(epoch), number, is_snapshot, fields)

    def on_heartbeat(self, now, epoch, head, digest=None):  # type: ignore[no-untyped-def]
        return super().on_heartbeat(now, self._one(epoch), head)

    def _one(self, epoch: int | None) -> int | None:
        return epoch if self.epoch is None else self.epoch


class BelievesLateAnswers(Replica):
    """Believes an answer whenever it was asked for."""

    def _take_answer(self, now: float, token: int, epoch: int | None) -> int | None:
        self._asking._asked[token] = self._heard.head
        return super()._take_answer(now, token, epoch)


class TakesStaleSnapshots(BelievesLateAnswers):
    """Takes a snapshot whenever it comes and however old it is."""

    def _is_news(self, epoch: int | None, number: int) -> bool:
        return True


class TrustsSnapshots(Replica):
    """Says LIVE after any snapshot, whatever else was heard of."""

    def _install(self, epoch, number, fields):  # type: ignore[no-untyped-def]
        self._heard.head = number
        return super()._install(epoch, number, fields)


class LosesItsBuffer(Replica):
    """Forgets what came while it waited for the snapshot, and that it came."""

    def _drain(self, actions):  # type: ignore[no-untyped-def]
        self._buffer.clear()
        self._heard.head = min(self._heard.head, self.number)
        return super()._drain(actions)


class AppliesItsBufferAcrossGaps(Replica):
    """Applies whatever is in the buffer in order, holes or not."""

    def _drain(self, actions):  # type: ignore[no-untyped-def]
        for number in sorted(kept for kept in self._buffer if kept > self.number):
            if self._is_followed():
                self._try(actions, number, *self._buffer.pop(number))
        return super()._drain(actions)


class NeverEmptiesItsBuffer(Replica):
    """Keeps all that comes."""

    def _keep(self, number, is_snapshot, fields):  # type: ignore[no-untyped-def]
        self._buffer[number] = (is_snapshot, fields)


class DeafToHeads(Replica):
    """Does not look at the number that a heartbeat carries."""

    def on_heartbeat(self, now, epoch, head, digest=None):  # type: ignore[no-untyped-def]
        return super().on_heartbeat(now, epoch, min(head, self.number))


class WaitsForEver(Replica):
    """Has no deadline for an answer."""

    def on_tick(self, now):  # type: ignore[no-untyped-def]
        if self._asking.deadline is not None:
            self._asking.deadline = now + 1.0
        return super().on_tick(now)


class LeavesDamageBe(Replica):
    """Skips what it cannot apply."""

    def _advance(self, number, is_snapshot, fields, is_resync=False):  # type: ignore[no-untyped-def]
        try:
            return super()._advance(number, is_snapshot, fields, is_resync)
        except (PatchRefused, MessageError):
            return super()._advance(number, False, {}, is_resync)


BROKEN = [
    BlindToGaps,
    BlindToEpochs,
    BelievesLateAnswers,
    TakesStaleSnapshots,
    TrustsSnapshots,
    LosesItsBuffer,
    AppliesItsBufferAcrossGaps,
    NeverEmptiesItsBuffer,
    DeafToHeads,
    WaitsForEver,
    LeavesDamageBe,
]


@pytest.mark.parametrize("broken", BROKEN)
def test_a_replica_with_one_rule_broken_is_found_out(broken: type[Replica]) -> None:
    class Broken(Faults):
        replica_type = broken

    hunt = settings(
        PROFILE,
        max_examples=2000,
        phases=[Phase.generate],
        derandomize=True,
    )
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Broken, settings=hunt)
