"""What must not break a delta state: silence, loss, restarts, poison."""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors.replication.status import Phase
from tests.support.state_pair import following, kill, leading, lose, model, towards
from tests.support.waiting import PATIENCE_S, stalls, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.state_pair import Follower, Leader

pytestmark = pytest.mark.slow

OUT, IN = "delta_update_out", "delta_update_in"
ONE = {"title": "one", "bids": {Decimal("1.50"): Decimal(2)}}


@contextmanager
def in_step(**creation: Any) -> Iterator[tuple[Leader, Follower]]:
    """Run a publisher with these creation arguments and a replica that has its first value."""
    with (
        leading(model(OUT, **creation)) as leader,
        following(model(IN), towards(leader.addresses)) as follower,
    ):
        leader.send(**ONE)
        follower.wait_for(ONE)
        yield leader, follower


def test_a_publisher_that_starts_again_is_another_epoch_and_the_value_is_fetched(
    tmp_path: Path,
) -> None:
    addresses = {"publisher": f"ipc://{tmp_path}/p", "replyer": f"ipc://{tmp_path}/r"}
    with ExitStack() as replicas:
        with leading(model(OUT), addresses=addresses) as leader:
            leader.send(title="old", bids={Decimal(1): Decimal(1)})
            follower = replicas.enter_context(following(model(IN), towards(addresses)))
            follower.wait_for({"title": "old", "bids": {Decimal(1): Decimal(1)}})
            follower.wait_for_phase(Phase.LIVE)
            before = follower.status.epoch
        with leading(model(OUT), addresses=addresses) as leader:
            leader.send(title="new", bids={})
            args, value = follower.wait_for({"title": "new", "bids": {}})[-1]
            assert args == value
            status = follower.wait_for_phase(Phase.LIVE)
            # the number is the same as before: only the epoch tells
            assert (status.number, status.resyncs) == (0, 1)
            assert status.epoch not in (before, None)


def test_a_publisher_within_the_process_can_start_again() -> None:
    addresses = {"publisher": "inproc://again-p", "replyer": "inproc://again-r"}
    with ExitStack() as replicas:
        with leading(model(OUT), addresses=addresses) as leader:
            leader.send(title="old", bids={})
            follower = replicas.enter_context(
                following(model(IN, stale_after_s=0.3), towards(addresses))
            )
            follower.wait_for({"title": "old", "bids": {}})
        follower.wait_for_phase(Phase.STALE)
        with leading(model(OUT), addresses=addresses) as leader:
            leader.send(title="new", bids={})
            follower.wait_for({"title": "new", "bids": {}})
            follower.wait_for_phase(Phase.LIVE)


def test_silence_makes_a_replica_stale_and_a_sign_of_life_live_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with (
        leading(model(OUT, heartbeat_s=0.05)) as leader,
        following(model(IN, stale_after_s=0.2), towards(leader.addresses)) as follower,
    ):
        leader.send(**ONE)
        follower.wait_for(ONE)
        with monkeypatch.context() as silenced:
            silenced.setattr(leader.actor.publication, "send_sign_of_life", lambda: None)
            status = follower.wait_for_phase(Phase.STALE)
        assert status.age_s is not None
        assert status.age_s >= 0.2
        assert follower.value == ONE
        status = follower.wait_for_phase(Phase.LIVE)
        assert (status.resyncs, status.gaps) == (0, 0)


def test_a_publisher_gives_signs_of_life() -> None:
    with (
        leading(model(OUT, heartbeat_s=0.05)) as leader,
        following(model(IN, stale_after_s=0.4), towards(leader.addresses)) as follower,
    ):
        follower.wait_for_phase(Phase.LIVE)
        begun = monotonic()
        received = follower.stats["received"]
        with stalls() as stalled:
            until(lambda: follower.stats["received"] >= received + 20)
            age_s, is_as_before = follower.status.age_s, follower.phases.empty()
        assert monotonic() - begun > 0.4
        assert age_s is not None
        # a machine that lets this process stand still makes it stale
        assert stalled.total_s > 0.2 or (age_s < 0.4 and is_as_before)


def test_the_last_update_lost_is_noticed_by_the_heartbeat() -> None:
    with in_step() as (leader, follower):
        follower.wait_for_phase(Phase.LIVE)
        lose(leader, title="lost")
        args, value = follower.next_update()
        # the publisher's log has it still, so it comes as the delta that it was
        assert (args, value) == ({"title": "lost"}, {**ONE, "title": "lost"})
        assert follower.wait_for_phase(Phase.LIVE).gaps == 1
        assert follower.status.resyncs == 0


def test_a_short_gap_is_filled_without_a_snapshot_and_each_update_is_handled() -> None:
    with in_step(heartbeat_s=5.0) as (leader, follower):
        lose(leader, title="a")
        lose(leader, title="b")
        leader.send(title="c")
        titles = [follower.next_update().args["title"] for _ in range(3)]
        assert titles == ["a", "b", "c"]
        status = follower.wait_for_phase(Phase.LIVE)
        while status.number < 3:
            status = follower.wait_for_phase(Phase.LIVE)
        assert (status.gaps, status.resyncs) == (1, 0)


def test_a_long_gap_takes_one_resync_and_all_fields_are_handed_on() -> None:
    with in_step(heartbeat_s=5.0) as (leader, follower):
        for n in range(1030):  # more than the log keeps
            lose(leader, title=str(n))
        leader.send(bids={Decimal(7): Decimal(7)})
        whole = {"title": "1029", "bids": {**ONE["bids"], Decimal(7): Decimal(7)}}
        assert follower.next_update() == (whole, whole)
        assert (follower.status.gaps, follower.status.resyncs) == (1, 1)


def test_a_wrong_value_that_no_handler_is_called_with_is_found_by_the_digest_as_well() -> None:
    with (
        leading(model(OUT, digest=True, heartbeat_s=0.5)) as leader,
        following(
            model(IN, heartbeat_s=0.5), towards(leader.addresses), has_handler=False
        ) as follower,
    ):
        leader.send(**ONE)
        until(lambda: follower.value == ONE)
        replica = follower.actor._replica
        until(lambda: replica._comparison.digest is not None)
        wrong = replica.value.set("title", "wrong")
        replica._pending.replace(wrong)
        slot = follower.actor._slot
        slot.version = (wrong, *slot.version[1:])
        until(lambda: follower.value == ONE)
        assert follower.status.resyncs == 1


def test_a_replica_whose_value_is_wrong_is_found_by_the_digest_within_two_heartbeats() -> None:
    with (
        leading(model(OUT, digest=True, heartbeat_s=0.5)) as leader,
        following(model(IN, heartbeat_s=0.5), towards(leader.addresses)) as follower,
    ):
        leader.send(**ONE)
        follower.wait_for(ONE)
        leader.send(title="two")
        right = {**ONE, "title": "two"}
        follower.wait_for(right)
        replica = follower.actor._replica
        until(lambda: replica._comparison.digest is not None)
        with stalls() as stalled:
            replica._pending.replace(replica.value.set("title", "wrong"))
            flipped = monotonic()
            args, value = follower.next_update()
            took_s = monotonic() - flipped
        assert took_s < 2 * 0.5 + stalled.total_s
        assert args == value == right
        assert follower.status.resyncs == 1
        leader.send(title="three")
        follower.wait_for({**right, "title": "three"})
        assert follower.status.error is None


@pytest.mark.parametrize("declared", [{"state": {str: int}}, {"a": int}])
def test_the_digests_of_an_empty_state_agree(declared: dict[str, Any]) -> None:
    with (
        leading(model(OUT, declared, digest=True, heartbeat_s=0.05)) as leader,
        following(model(IN, declared), towards(leader.addresses)) as follower,
    ):
        follower.wait_for_phase(Phase.LIVE)
        received = follower.stats["received"]
        until(lambda: follower.stats["received"] >= received + 4)
        leader.to_send("state", "book", {})
        received = follower.stats["received"]
        until(lambda: follower.stats["received"] >= received + 4)
        assert (follower.status.error, follower.status.resyncs) == (None, 0)


def test_a_snapshot_above_the_limit_is_an_error_in_the_status() -> None:
    with leading(model(OUT, max_message_bytes=1000)) as leader:
        for n in range(300):
            leader.send(title="", bids={Decimal(n): Decimal(n)})
        with following(model(IN), towards(leader.addresses)) as follower:
            until(lambda: follower.status.error is not None)
            assert "max_message_bytes allows 1000" in str(follower.status.error)
            assert follower.status.phase is Phase.SYNCING
        assert set(leader.stats["dropped"]) == {"too_large"}


def test_deltas_that_would_fill_a_gap_but_are_too_large_together_come_as_a_snapshot() -> None:
    with in_step(max_message_bytes=1000, heartbeat_s=5.0) as (leader, follower):
        for _ in range(3):
            lose(leader, title="x" * 500)
        leader.send(title="end")
        follower.wait_for({**ONE, "title": "end"})
        assert follower.status.resyncs == 1


def test_an_in_state_whose_actor_dies_is_restarted_and_its_value_stays_and_goes_on() -> None:
    with in_step() as (leader, follower):
        dead = follower.actor
        kill(dead)
        until(lambda: follower.stats["restarts"] == 1)
        assert follower.value == ONE
        follower.wait_for(ONE)
        leader.send(title="two")
        follower.wait_for({**ONE, "title": "two"})
        assert follower.actor is not dead
        assert follower.status.phase is Phase.LIVE


def test_an_out_state_whose_actor_dies_is_restarted_and_its_value_survives() -> None:
    with in_step() as (leader, follower):
        follower.wait_for_phase(Phase.LIVE)
        epoch = follower.status.epoch
        kill(leader.actor)
        leader.send(title="meanwhile")  # whether or not there is a socket just now
        until(lambda: leader.stats["restarts"] == 1)
        leader.send(bids={Decimal(5): Decimal(5)})
        follower.wait_for({"title": "meanwhile", "bids": {**ONE["bids"], Decimal(5): Decimal(5)}})
        follower.wait_for_phase(Phase.LIVE)
        assert follower.status.epoch != epoch
        with following(model(IN), towards(leader.addresses)) as late:
            late.wait_for({"title": "meanwhile", "bids": {**ONE["bids"], Decimal(5): Decimal(5)}})


def test_a_replica_in_step_is_told_its_value_again_by_a_publisher_that_was_replaced() -> None:
    with in_step() as (leader, follower):
        before = follower.status
        kill(leader.actor)
        assert follower.next_update() == (ONE, ONE)
        after = follower.status
        assert (after.number, after.resyncs) == (before.number, before.resyncs + 1)
        assert after.epoch != before.epoch


def test_updates_while_the_actor_is_replaced_are_kept() -> None:
    with leading(model(OUT)) as leader:
        leader.send(**ONE)
        publication = leader.actor.publication
        socket = publication.out.socket
        publication.detach()
        leader.send(title="kept")
        assert leader.stats["sent"] == 1
        with publication.out.lock:
            publication.out.socket = socket
        with following(model(IN), towards(leader.addresses)) as follower:
            follower.wait_for({**ONE, "title": "kept"})


def test_what_a_replica_cannot_apply_is_fetched_once_and_then_an_error() -> None:
    declared = {"n": int}
    with (
        leading(model(OUT, {"n": object}, heartbeat_s=0.2)) as leader,
        following(model(IN, declared), towards(leader.addresses)) as follower,
    ):
        follower.wait_for_phase(Phase.LIVE)
        leader.send(n=1)
        follower.wait_for({"n": 1})
        leader.send(n="poison")
        until(lambda: follower.status.error is not None)
        assert "n" in str(follower.status.error)
        assert follower.value == {"n": 1}
        asked = leader.stats["received"]
        received = follower.stats["received"]
        until(lambda: follower.stats["received"] >= received + 5)
        assert leader.stats["received"] <= asked + 3
        leader.send(n=2)
        follower.wait_for({"n": 2})
        assert follower.wait_for_phase(Phase.LIVE).error is None


def test_a_slow_handler_loses_nothing_silently() -> None:
    gate = threading.Event()
    # more than kernels buffer for a connection, so that most is lost, and more than the log holds
    last, pad = 5_000, bytes(20_000)
    fields = {"n": int, "pad": bytes}

    def slowly(_args: Any, _states: Any) -> None:
        gate.wait(PATIENCE_S)

    with (
        leading(model(OUT, fields, high_water_mark=10)) as leader,
        following(
            model(IN, fields, high_water_mark=10, stale_after_s=60.0),
            towards(leader.addresses),
            handler=slowly,
        ) as follower,
    ):
        for n in range(last + 1):
            leader.send(n=n, pad=pad)
        gate.set()
        seen = follower.wait_for({"n": last, "pad": pad})
        numbers = [update.value["n"] for update in seen]
        assert numbers == sorted(set(numbers))
        until(lambda: follower.status.phase is Phase.LIVE)
        assert follower.status.number == last
        assert follower.status.gaps >= 1
        assert follower.status.resyncs >= 1
