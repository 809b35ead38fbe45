"""Many subscribers that come and go, each with as many topics as it may have.

By default 50 of them; ``SF_ACTORS_SOAK=1`` makes it 100.
"""

from __future__ import annotations

import os
from time import monotonic

import pytest

from tests.sockets.test_subscriptions import TOPIC, a_publisher, resident_mb
from tests.support.processes import Process

pytestmark = pytest.mark.slow

PEERS = 100 if "SF_ACTORS_SOAK" in os.environ else 50

#: What one send may take, in seconds. libzmq goes through all topics for each peer that leaves, so
#: this grows with the square of the peers, up to what all may subscribe to together.
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
