"""What somebody else says on the publisher's bus, in its name."""

from __future__ import annotations

import pytest

from sf_actors.replication.status import Phase
from tests.replication.follower import WHOLE, Follower

FAR = 2**63


@pytest.fixture
def live() -> Follower:
    follower = Follower()
    follower.heartbeat(5)
    follower.snapshot(5)
    follower.wait(2.0)
    follower.heartbeat(5)
    for said in (follower.asked, follower.updates, follower.phases):
        said.clear()
    return follower


def answer_until_live(follower: Follower, number: int) -> int:
    """Answer each question with what the publisher has; return how many there were."""
    answered = 0
    while follower.status.phase is not Phase.LIVE:
        while len(follower.asked) == answered:
            follower.wait(0.05)
            assert follower.now < 20
        if follower.asked[-1].after is None:
            follower.snapshot(number)
        else:
            follower.fill(*range(follower.asked[-1].after + 1, number + 1))
        answered += 1
    return answered


def test_a_head_that_two_answers_do_not_bear_out_counts_for_nothing(live: Follower) -> None:
    live.heartbeat(FAR)
    assert live.status.phase is Phase.SYNCING
    assert answer_until_live(live, 5) == 2
    assert (live.status.number, live.price) == (5, 5)


def test_a_head_that_one_answer_does_not_bear_out_may_be_ahead_of_a_slow_one(
    live: Follower,
) -> None:
    live.heartbeat(9)
    live.fill(6, 7)
    assert live.status.phase is Phase.SYNCING
    live.wait(0.5)
    live.fill(8, 9)
    assert (live.status.phase, live.status.number) == (Phase.LIVE, 9)


def test_updates_go_on_after_a_false_head(live: Follower) -> None:
    live.heartbeat(FAR)
    live.delta(6)
    answer_until_live(live, 6)
    live.delta(7)
    live.heartbeat(7)
    assert (live.status.phase, live.price) == (Phase.LIVE, 7)


def test_a_loss_is_noticed_after_a_false_head(live: Follower) -> None:
    live.heartbeat(FAR)
    answer_until_live(live, 5)
    live.heartbeat(8)
    assert live.status.phase is Phase.SYNCING


def test_a_head_out_of_reach_that_was_proved_false_is_not_believed_again(live: Follower) -> None:
    live.heartbeat(FAR)
    answer_until_live(live, 5)
    live.heartbeat(FAR + 1)
    assert live.status.phase is Phase.LIVE
    assert live.status.late == 1


def test_where_a_head_was_false_before_one_answer_tells_of_the_next(live: Follower) -> None:
    live.heartbeat(1_000)
    assert answer_until_live(live, 5) == 2
    live.asked.clear()
    live.heartbeat(2_000)
    assert answer_until_live(live, 5) == 1


def test_a_publisher_that_was_started_again_may_have_any_number(live: Follower) -> None:
    live.heartbeat(FAR)
    answer_until_live(live, 5)
    live.asked.clear()
    live.heartbeat(FAR, epoch=999)
    live.wait(1.0)
    live.snapshot(FAR, epoch=999)
    assert (live.status.phase, live.status.number) == (Phase.LIVE, FAR)


def test_a_false_whole_value_is_never_shown(live: Follower) -> None:
    live.whole_delta(10**6, {**WHOLE, "price": -1})
    assert (live.status.phase, live.price) == (Phase.SYNCING, 5)
    answer_until_live(live, 6)
    assert (live.status.number, live.price) == (6, 6)
    live.delta(7)
    assert (live.status.phase, live.price) == (Phase.LIVE, 7)


def test_answers_of_no_use_are_asked_for_ever_more_slowly(live: Follower) -> None:
    live.heartbeat(6)
    for _ in range(100):
        live.wait(1.0)
        live.heartbeat(6)
        live.replica.on_failure(live.now, live.asked[-1].token, "rubbish")
    assert len(live.asked) < 15
