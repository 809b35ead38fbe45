from __future__ import annotations

import pytest

from tests.replication.follower import Follower


@pytest.fixture
def fresh() -> Follower:
    return Follower()


@pytest.fixture
def live() -> Follower:
    """A follower in step at number 5, after a calm while."""
    follower = Follower()
    follower.heartbeat(5)
    follower.snapshot(5)
    follower.wait(1.5)
    follower.heartbeat(5)
    follower.updates.clear()
    follower.asked.clear()
    follower.phases.clear()
    return follower
