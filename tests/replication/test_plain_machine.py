"""Faults in any order before a replica of a publisher without epochs."""

from __future__ import annotations

import random
from collections import Counter
from typing import ClassVar

import pytest
from hypothesis import seed, settings
from hypothesis.stateful import run_state_machine_as_test

from sf_actors.replication.plain_peer import PlainPeer
from sf_actors.replication.replica import Replica
from tests.replication.plain_simulation import PlainFaults
from tests.replication.test_machine import EXAMPLES, PROFILE
from tests.support.effort import IS_FULL
from tests.support.hunting import hunt

pytestmark = pytest.mark.slow

FAULTS = {"start", "join", "low", "lose", "repeat", "reorder", "damage", "updated", "live"}


def test_a_replica_of_a_peer_without_epochs_is_right_or_says_that_it_is_not() -> None:
    number = random.SystemRandom().randrange(2**32)
    print(f"seed {number}")  # noqa: T201 - shown when the test fails

    @seed(number)
    class Machine(PlainFaults):
        counts: ClassVar[Counter[str]] = Counter()

    run_state_machine_as_test(Machine, settings=settings(PROFILE, max_examples=EXAMPLES))
    assert Machine.counts["live"]
    if IS_FULL:
        assert {name for name, count in Machine.counts.items() if count} >= FAULTS


class BelievesHeads(PlainPeer):
    """Takes a snapshot at what was heard before it, whatever number it has."""

    def count_of_snapshot(self, now, number, heard):  # type: ignore[no-untyped-def]
        count = super().count_of_snapshot(now, number, heard)
        return max(count, heard, self._heard.head)


class WithHeads(Replica):
    """Loses an update where the snapshot is older than what was heard."""

    def __init__(self, *args, **chosen):  # type: ignore[no-untyped-def]
        super().__init__(*args, **chosen)
        self._plain = BelievesHeads(self._heard, chosen["heartbeat_s"])


class DoubtsNoNumber(Replica):
    """Drops what it has had already, and thinks nothing of it."""

    def _take_low(self, now, actions, number, kept, *, is_ours):  # type: ignore[no-untyped-def]
        self.skipped += 1


class KeepsWhatItHad(Replica):
    """Keeps the deltas of the run before."""

    def _forget(self) -> None:
        kept = dict(self._buffer)
        super()._forget()
        self._buffer.update(kept)


class TakesAnyDeltaForOneInTheSnapshot(PlainPeer):
    """Doubts no number that is not above that of the snapshot, however late it comes."""

    def is_in_snapshot(self, now, number):  # type: ignore[no-untyped-def]
        return number <= self._in_snapshot


class Overtaken(Replica):
    """Takes low numbers for those that a snapshot has overtaken."""

    def __init__(self, *args, **chosen):  # type: ignore[no-untyped-def]
        super().__init__(*args, **chosen)
        self._plain = TakesAnyDeltaForOneInTheSnapshot(self._heard, chosen["heartbeat_s"])


BROKEN = [DoubtsNoNumber, KeepsWhatItHad, Overtaken]

#: What few examples meet; hunting for it takes long.
RARELY_MET = [WithHeads]


@pytest.mark.parametrize(
    "broken", BROKEN + (RARELY_MET if IS_FULL else []), ids=lambda kind: kind.__name__
)
def test_a_replica_with_one_rule_for_such_peers_broken_is_found_out(broken: type[Replica]) -> None:
    class Broken(PlainFaults):
        replica_type = broken

    with pytest.raises(AssertionError):
        hunt(Broken, PROFILE, examples=2000)
