"""When a snapshot is asked for, and which requests are remembered."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from sf_actors.replication.snapshot_requests import SnapshotRequests


def test_an_answer_that_comes_in_parts_is_wanted_however_often_is_asked_meanwhile() -> None:
    asking = SnapshotRequests(random.Random(1), heartbeat_s=1.0, first_due=0.0)
    first, other = asking.send(0.0, 5), asking.send(1.0, 6)
    for turn in range(100):
        assert asking.extend(first, float(turn))
        for _ in range(10):
            asking.send(float(turn), 7)
    assert asking.end(other) is None
    assert asking.end(first) == 5


def test_a_part_puts_off_the_next_request_and_no_more() -> None:
    asking = SnapshotRequests(random.Random(1), heartbeat_s=1.0, first_due=0.0)
    token = asking.send(0.0, 5)
    assert asking.extend(token, 0.9)
    assert not asking.expire(1.8)
    assert asking.expire(1.9)
    asking.forget()
    assert not asking.extend(token, 2.0)
    assert asking.deadline is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from((0.0, 0.0, 0.0, 0.01, 0.06, 1.1)),
            st.sampled_from(("hurry", "hurry", "want", "cease", "tick")),
        ),
        min_size=20,
        max_size=60,
    ),
    st.integers(0, 2**32 - 1),
)
def test_no_more_than_eight_requests_go_out_within_a_heartbeat_whatever_is_heard(
    steps: list[tuple[float, str]], seed: int
) -> None:
    asking = SnapshotRequests(random.Random(seed), heartbeat_s=1.0, first_due=0.0)
    now, sent = 0.0, []
    for seconds, step in steps:
        now += seconds
        if step == "hurry":
            asking.hurry(now)
        elif step == "cease":
            asking.cease(now)
        elif step == "want":
            asking.want(now)
        if asking.due is not None and now >= asking.due:
            # each is answered at once, and in vain
            asking.end(asking.send(now, 0))
            sent.append(now)
            asking.want(now)
    for first, ninth in zip(sent, sent[8:], strict=False):
        assert ninth - first > 1.0


def test_who_is_heard_again_is_asked_at_once_and_soon_where_that_was_just_so() -> None:
    asking = SnapshotRequests(random.Random(1), heartbeat_s=1.0, first_due=0.0)
    asking.end(asking.send(0.0, 5))
    asking.want(0.0, pause_s=20.0)
    asking.hurry(9.0)
    assert asking.due == 9.0
    asking.end(asking.send(9.0, 5))
    asking.want(9.0, pause_s=20.0)
    asking.hurry(9.1)
    assert asking.due is not None
    assert 9.1 < asking.due < 9.2
