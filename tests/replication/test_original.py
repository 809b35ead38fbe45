"""The original's replica, its own code without its sockets, behind our publisher."""

from __future__ import annotations

import importlib
import random
from typing import Any

import pytest

from sf_actors.replication.publisher_log import PublisherLog
from sf_actors.replication.values.frozen import thaw
from tests.replication.shapes import SHAPE

HEARTBEAT = {"current_num": -2, "is_snapshot": False, "state": {}}


@pytest.mark.parametrize("seed", range(20))
def test_the_originals_replica_follows_our_publisher_through_losses(seed: int) -> None:
    rng = random.Random(seed)
    log = PublisherLog(SHAPE, epoch=5)
    original: Any = importlib.import_module("service_framework.states.in.delta_update_in")
    follower = original.DeltaUpdateIn.__new__(original.DeltaUpdateIn)
    follower.current_state, follower.current_num = {}, -1

    def reset() -> None:
        follower.current_state, follower.current_num = thaw(log.value), log.number

    follower._reset_state = reset
    for price in range(40):
        is_snapshot = rng.random() < 0.2
        fields = {"price": price, "book": {}} if is_snapshot else {"price": price}
        number = log.publish(fields, is_snapshot=is_snapshot)
        follower.update_state(HEARTBEAT)
        if rng.random() < 0.7 or price == 39:
            delta = {"current_num": number, "is_snapshot": is_snapshot, "state": fields}
            follower.update_state(delta)
            assert follower.current_num == log.number
            assert follower.current_state == thaw(log.value)
