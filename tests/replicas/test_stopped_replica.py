"""A replica's process that is frozen for longer than can be kept for it."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.replicas.ledger import FIELDS, OPTIONAL, Ledger
from tests.replicas.state_processes import Replica
from tests.support.bare_peers import subscribed
from tests.support.freezing import freeze
from tests.support.state_pair import leading, model, towards

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

#: More than both kernels' buffers hold, with what libzmq keeps.
UPDATES, BYTES = 1_500, 20_000


def test_a_replica_frozen_past_the_high_water_mark_is_right_again_after_one_resync(
    tmp_path: Path,
) -> None:
    ledger = Ledger(5)
    published = -1
    out = model("delta_update_out", FIELDS, OPTIONAL, heartbeat_s=0.2, high_water_mark=100)
    with leading(out) as leader:

        def publish(count: int, **more: str) -> int:
            nonlocal published
            for _ in range(count):
                published += 1
                leader.send(**ledger.delta(published), **more)
            return published

        replica = Replica(tmp_path, towards(leader.addresses))
        with replica.process:
            replica.wait_for(phase="LIVE")
            replica.wait_for(n=publish(20))
            freeze(replica.process.popen.pid)
            os.waitid(os.P_PID, replica.process.popen.pid, os.WSTOPPED)
            publish(UPDATES, pad="x" * BYTES)
            last = publish(1, pad="")
            with subscribed(leader.addresses["publisher"]) as other:
                for _ in range(6):  # as many heartbeats as make a replica stale, and more
                    other.next()
            replica.process.interrupt(signal.SIGCONT)
            replica.wait_for(n=last)
            status = replica.wait_for(phase="LIVE")
            replica.wait_for(n=publish(20))
            replica.process.interrupt(signal.SIGINT)
            assert replica.process.wait() == 0
    # one that was frozen in the middle of reading goes on to read before it looks at the time, and
    # on a busy machine it may be STALE at any time
    assert [phase for phase in replica.phases if phase not in {"LIVE", "STALE"}] == ["SYNCING"]
    assert replica.phases[-1] == "LIVE"
    assert (status["number"], status["resyncs"]) == (last, 1)
    assert status["gaps"] >= 1
    numbers = [told["n"] for told in replica.updates]
    assert numbers == sorted(set(numbers))
    assert len(numbers) < published + 1, "nothing was lost: the buffers were too large"
    for told in replica.updates:
        value = ledger.value(told["n"])
        assert (told["h"], dict(told["rows"])) == (value["h"], value["rows"])
