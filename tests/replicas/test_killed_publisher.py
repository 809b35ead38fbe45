"""A publisher that is killed and started again on the same ports."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from sf_actors.replication.status import Phase
from tests.replicas.ledger import FIELDS, Ledger
from tests.replicas.state_processes import bound_by, publishing
from tests.support.state_pair import following, model, towards

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.state_pair import Follower, Update

pytestmark = pytest.mark.slow

FOLLOWING = model("delta_update_in", FIELDS, heartbeat_s=0.2, high_water_mark=1_000_000)
COUNT = 300


def updates_until(follower: Follower, run: int, n: int) -> list[Update]:
    """Return what the handler was called with, up to a number of a run."""
    updates: list[Update] = []
    while not updates or updates[-1].value["run"] != run or updates[-1].value["n"] < n:
        updates.append(follower.next_update())
    return updates


def check_runs(updates: list[Update], *ledgers: Ledger) -> None:
    """Check that one run follows the other, each without a gap or a double."""
    runs = [update.value["run"] for update in updates]
    assert runs == sorted(runs)
    for ledger in ledgers:
        ledger.check(update for update in updates if update.value["run"] == ledger.run)


def test_a_killed_publisher_that_comes_back_at_the_same_number_is_told_apart(
    tmp_path: Path,
) -> None:
    """Nothing but the epoch tells: the successor has published just as many updates."""
    old, new = Ledger(1), Ledger(2)
    with publishing(tmp_path, 1, COUNT, ports=(0, 0)) as publisher:
        addresses = bound_by(publisher)
        with following(FOLLOWING, towards(addresses)) as follower:
            updates = updates_until(follower, 1, COUNT - 1)
            before = follower.wait_for_phase(Phase.LIVE)
            assert before.number == COUNT - 1
            publisher.interrupt(signal.SIGKILL)
            assert publisher.wait() == -signal.SIGKILL
            ports = tuple(int(a.rpartition(":")[2]) for a in addresses.values())
            with publishing(tmp_path, 2, COUNT, ports=(ports[0], ports[1])):
                updates += updates_until(follower, 2, COUNT - 1)
                follower.wait_for_phase(Phase.LIVE)
                after = follower.status
                assert follower.value == new.value(COUNT - 1)
            assert (after.number, after.resyncs) == (COUNT - 1, 1)
            assert after.epoch != before.epoch
            check_runs(updates, old, new)


@pytest.mark.parametrize("ahead", [0, 1, 500])
def test_a_killed_publisher_that_comes_back_flat_out_is_told_apart(
    tmp_path: Path, ahead: int
) -> None:
    """Its numbers go on where the old ones ended, or a little later, when it is heard again."""
    old, new = Ledger(3), Ledger(4)
    with publishing(tmp_path, 3, COUNT, ports=(0, 0)) as publisher:
        addresses = bound_by(publisher)
        with following(FOLLOWING, towards(addresses)) as follower:
            updates = updates_until(follower, 3, COUNT - 1)
            follower.wait_for_phase(Phase.LIVE)
            publisher.interrupt(signal.SIGKILL)
            publisher.wait()
            ports = tuple(int(a.rpartition(":")[2]) for a in addresses.values())
            with publishing(tmp_path, 4, COUNT + ahead, flat_out=True, ports=(ports[0], ports[1])):
                updates += updates_until(follower, 4, COUNT + ahead + 100)
            check_runs(updates, old, new)
            assert follower.status.resyncs == 1
            assert follower.status.gaps == 0
