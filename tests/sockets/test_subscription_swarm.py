"""Many subscribers that come and go, each with as many topics as it may have."""

from __future__ import annotations

from time import monotonic

import pytest

from tests.sockets.test_subscriptions import TOPIC, a_publisher, resident_mb
from tests.support.processes import Process

pytestmark = pytest.mark.slow

PEERS = 20

#: What one send may take, in seconds. libzmq goes through all topics for each peer that leaves, and
#: takes in what came meanwhile before it lets us look: this grows faster than the peers, and no
#: bound of ours holds for hundreds of them.
LONGEST_SEND_S = 5.0

MOST_MB = 150

SWARM = """
import os, sys, time, zmq
context = zmq.Context()
swarm = [context.socket(zmq.XSUB) for _ in range(int(sys.argv[2]))]
for one in swarm:
    one.linger = one.sndhwm = 0
    one.connect(sys.argv[1])
    for _ in range(300):
        one.send(bytes([1]) + os.urandom(299))
time.sleep(0.3)
for one in swarm:
    one.close()
context.term()
print('gone')
"""


def test_a_swarm_that_comes_and_goes_holds_up_no_send_for_long() -> None:
    with (
        a_publisher("127.0.0.1:0", topic=TOPIC) as published,
        Process("-c", SWARM, published.endpoint, str(PEERS), module=None) as swarm,
    ):
        before_mb, slowest_s = resident_mb(), 0.0
        while swarm.popen.poll() is None:
            began_at = monotonic()
            published.publish()
            slowest_s = max(slowest_s, monotonic() - began_at)
        swarm.wait_for_line("gone")
        assert published.refused
        assert slowest_s < LONGEST_SEND_S
        assert resident_mb() - before_mb < MOST_MB
