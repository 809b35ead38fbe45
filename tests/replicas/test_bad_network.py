"""Replicas behind a network that loses, doubles, delays, reorders, damages and cuts."""

from __future__ import annotations

import queue
import random
from time import monotonic
from typing import Any

import pytest

from sf_actors.replication.status import Phase
from sf_actors.wire.envelope import decode_delta
from sf_actors.wire.messages import HEARTBEAT_NUMBER
from tests.replicas.fault_proxy import between, faultless, seeded, telling_seed
from tests.replicas.ledger import FIELDS, Ledger
from tests.support.state_pair import Follower, Update, following, kill, leading, model
from tests.support.waiting import stalls, until, until_at_most

pytestmark = pytest.mark.slow

OUT, IN = "delta_update_out", "delta_update_in"
HEARTBEAT_S = 1.0
SLOW: dict[str, Any] = {"heartbeat_s": HEARTBEAT_S}
ROUNDS, ROUND = 10, 40

#: Before these rounds the publisher's actor dies: its successor has another epoch.
RESTARTS = {4, 7}

#: What a busy machine may add to a time, in seconds.
SLACK_S = 1.0


def all_updates(follower: Follower, last: int) -> list[Update]:
    """Return what the handler was called with, up to a number."""
    updates: list[Update] = []
    while not updates or updates[-1].value["n"] < last:
        updates.append(follower.next_update())
    return updates


@pytest.mark.parametrize("chance", range(4))
def test_a_replica_behind_a_bad_network_shows_nothing_but_what_was_published(chance: int) -> None:
    seed = telling_seed(ROUNDS * ROUND)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    rng = random.Random(seed)
    ledger = Ledger(seed)
    n = -1
    with (
        leading(model(OUT, FIELDS, digest=True, **SLOW)) as leader,
        between(leader.addresses) as proxy,
        following(model(IN, FIELDS, **SLOW), proxy.addresses) as follower,
    ):
        follower.wait_for_phase(Phase.LIVE)
        proxy.judge = seeded(seed)
        for round_ in range(ROUNDS):
            if round_ in RESTARTS:
                kill(leader.actor)
            # now and then the replica is given the time to recover from the last faults; whether
            # it can, while they go on, is left to chance
            if rng.random() < 0.3:
                until_at_most(2 * HEARTBEAT_S, lambda: follower.status.phase is Phase.LIVE)
            for _ in range(ROUND):
                n += 1
                leader.send(**ledger.delta(n))
            proxy.wait_for(n)
        proxy.judge = faultless
        healed = monotonic()
        with stalls() as stalled:
            until(lambda: follower.status.number == n and follower.status.phase is Phase.LIVE)
            took_s = monotonic() - healed
        assert took_s < 2 * HEARTBEAT_S + SLACK_S + stalled.total_s
        assert follower.value == ledger.value(n)
        updates = all_updates(follower, n)
        assert ledger.check(updates) == n
        status = follower.stats["status"]
        assert status["gaps"] > 0
        assert status["duplicates"] > 0
        assert status["resyncs"] > 0
        assert (status["mismatches"], status["error"]) == (0, None)
        assert {fault for channel, fault in proxy.counts if channel == "deltas"} >= {
            "",
            "drop",
            "duplicate",
            "delay",
            "reorder",
            "truncate",
            "cut",
        }


def test_a_snapshot_that_comes_again_when_it_is_old_is_dropped_and_counted() -> None:
    ledger = Ledger(8)

    def judge(channel: str, index: int, _frame: bytes) -> str:
        return "repeat later" if (channel, index) == ("answers", 0) else ""

    with (
        leading(model(OUT, FIELDS)) as leader,
        between(leader.addresses, judge) as proxy,
    ):
        leader.send(**ledger.delta(0))
        with following(model(IN, FIELDS), proxy.addresses) as follower:
            follower.wait_for_phase(Phase.LIVE)
            for n in range(1, 5):
                leader.send(**ledger.delta(n))
            until(lambda: follower.status.late == 1)
            leader.send(**ledger.delta(5))
            updates = all_updates(follower, 5)
            assert len(updates) == 6
            assert ledger.check(updates) == 5
            assert (follower.status.gaps, follower.status.resyncs) == (0, 0)
            assert follower.phases.empty()


def test_the_last_delta_lost_before_a_silence_is_there_within_two_heartbeats() -> None:
    ledger = Ledger(1)
    lost: queue.Queue[float] = queue.Queue()
    last = 20

    def judge(channel: str, _index: int, frame: bytes) -> str:
        if channel == "deltas" and decode_delta(frame).args.current_num == last:
            lost.put(monotonic())
            return "drop"
        return ""

    with (
        leading(model(OUT, FIELDS, heartbeat_s=0.5)) as leader,
        between(leader.addresses, judge) as proxy,
        following(model(IN, FIELDS, heartbeat_s=0.5), proxy.addresses) as follower,
        stalls() as stalled,
    ):
        follower.wait_for_phase(Phase.LIVE)
        for n in range(last + 1):
            leader.send(**ledger.delta(n))
        since = lost.get(timeout=10)
        updates = all_updates(follower, last)
        assert monotonic() - since < 2 * 0.5 + stalled.total_s
        assert ledger.check(updates) == last
        assert len(updates) == last + 1
        assert (follower.status.gaps, follower.status.resyncs) == (1, 0)


def test_a_heartbeat_lost_with_the_last_delta_delays_the_repair_by_one_heartbeat() -> None:
    ledger = Ledger(2)
    faults = iter(["drop", "drop"])

    def judge(channel: str, _index: int, frame: bytes) -> str:
        if channel != "deltas":
            return ""
        args, head = decode_delta(frame).args, decode_delta(frame).head
        is_last = args.current_num == 5 or (args.current_num == HEARTBEAT_NUMBER and head == 5)
        return next(faults, "") if is_last else ""

    with (
        leading(model(OUT, FIELDS, heartbeat_s=0.3)) as leader,
        between(leader.addresses, judge) as proxy,
        following(model(IN, FIELDS, heartbeat_s=0.3), proxy.addresses) as follower,
    ):
        follower.wait_for_phase(Phase.LIVE)
        for n in range(6):
            leader.send(**ledger.delta(n))
        assert ledger.check(all_updates(follower, 5)) == 5
        assert proxy.counts["deltas", "drop"] == 2
