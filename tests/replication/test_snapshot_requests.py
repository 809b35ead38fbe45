"""When a snapshot is asked for, and which requests are remembered."""

from __future__ import annotations

import random

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
