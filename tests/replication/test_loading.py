"""A publisher that was started and has not published yet, but will."""

from __future__ import annotations

import pytest

from sf_actors.replication.publisher_log import PublisherLog
from sf_actors.replication.reasons import Reason
from sf_actors.replication.status import Phase
from tests.replication.follower import NEW, OLD, WHOLE, Follower
from tests.replication.shapes import SHAPE


@pytest.fixture
def waiting(live: Follower) -> Follower:
    """A follower whose publisher was started again and is loading."""
    live.heartbeat(-1, epoch=NEW, is_loading=True)
    return live


@pytest.fixture
def asking(waiting: Follower) -> Follower:
    """A follower that has asked the publisher that loads."""
    waiting.wait(1.0)
    waiting.heartbeat(-1, epoch=NEW, is_loading=True)
    waiting.wait(1.0)
    assert len(waiting.asked) == 1
    return waiting


def test_a_replica_keeps_its_value_while_its_publisher_loads(waiting: Follower) -> None:
    for _ in range(10):
        waiting.wait(1.0)
        waiting.heartbeat(-1, epoch=NEW, is_loading=True)
        if waiting.asked:
            waiting.snapshot(-1, {}, epoch=NEW, is_loading=True)
        assert (waiting.status.phase, waiting.price) == (Phase.SYNCING, 5)
    assert (waiting.status.number, waiting.status.epoch, waiting.updates) == (5, OLD, [])
    assert waiting.replica.trouble is not None
    assert waiting.replica.trouble[0] is Reason.LOADING
    assert 3 <= len(waiting.asked) <= 10


def test_an_update_ends_the_loading(asking: Follower) -> None:
    asking.snapshot(-1, {}, epoch=NEW, is_loading=True)
    asking.whole_delta(0, {**WHOLE, "price": 8}, epoch=NEW)
    asking.wait(0.1)
    asking.snapshot(0, {**WHOLE, "price": 8}, epoch=NEW)
    assert (asking.status.phase, asking.price, asking.status.error) == (Phase.LIVE, 8, None)


def test_a_publisher_that_has_loaded_without_an_update_is_an_empty_one(asking: Follower) -> None:
    asking.snapshot(-1, {}, epoch=NEW, is_loading=True)
    asking.heartbeat(-1, epoch=NEW)
    asking.wait(0.1)
    asking.snapshot(-1, {}, epoch=NEW)
    assert (asking.status.phase, asking.status.number) == (Phase.LIVE, -1)
    assert dict(asking.replica.value.items()) == {}


def test_an_answer_that_ends_the_loading_is_taken(asking: Follower) -> None:
    asking.snapshot(3, epoch=NEW)
    assert (asking.status.phase, asking.price) == (Phase.LIVE, 3)


def test_a_publisher_that_has_published_in_this_run_is_not_loading(live: Follower) -> None:
    live.heartbeat(5, is_loading=True)
    assert (live.status.phase, live.asked) == (Phase.LIVE, [])
    live.delta(6)
    live.heartbeat(6, is_loading=True)
    assert (live.status.phase, live.price) == (Phase.LIVE, 6)


def test_a_replica_without_a_value_waits_for_a_publisher_that_loads(fresh: Follower) -> None:
    fresh.wait(1.0)
    fresh.snapshot(-1, {}, is_loading=True)
    assert (fresh.status.phase, fresh.updates) == (Phase.SYNCING, [])
    asked = len(fresh.asked)
    fresh.wait(0.9)
    assert len(fresh.asked) == asked
    fresh.wait(1.2)
    assert len(fresh.asked) == asked + 1


def test_a_log_is_loading_until_it_is_told_otherwise_or_has_an_update() -> None:
    assert not PublisherLog(SHAPE, epoch=5).is_loading
    log = PublisherLog(SHAPE, epoch=5, is_loading=True)
    assert log.is_loading
    log.loaded()
    assert not log.is_loading
    log = PublisherLog(SHAPE, epoch=5, is_loading=True)
    log.publish({"price": 1}, is_snapshot=False)
    assert not log.is_loading
