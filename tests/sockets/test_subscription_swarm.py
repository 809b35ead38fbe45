"""Many subscribers that come and go, each with as many topics as it may have."""

from __future__ import annotations

from time import monotonic

import pytest

from sf_actors.sockets.topic_limits import OF_STRANGERS
from tests.sockets.test_subscriptions import TOPIC, a_publisher, resident_mb
from tests.support.effort import effort
from tests.support.processes import Process

pytestmark = pytest.mark.slow

PEERS = effort(100, brief=12)

#: How often all come, and how long they stay, in seconds.
ROUNDS = effort(2, brief=1)
STAY_S = 0.5

#: What one send may take, in seconds. It is mostly below a tenth, beside other work once in a while
#: up to 3; with topics of any length and the bounds of those who are trusted it was 8 to 64.
LONGEST_SEND_S = 5.0

MOST_MB = 100

SWARM = """
import os, sys, time, zmq
context = zmq.Context()
topics, size = int(sys.argv[3]), int(sys.argv[4])
for _ in range(int(sys.argv[5])):
    swarm = [context.socket(zmq.XSUB) for _ in range(int(sys.argv[2]))]
    for one in swarm:
        one.linger = one.sndhwm = 0
        one.connect(sys.argv[1])
        for _ in range(topics):
            one.send(bytes([1]) + os.urandom(size))
    time.sleep(float(sys.argv[6]))
    for one in swarm:
        one.close()
context.term()
print('gone')
"""


@pytest.mark.parametrize(("topics", "size"), [(300, 299), (1_700, 51), (4_000, 20)])
def test_a_swarm_that_comes_and_goes_holds_up_no_send_for_long(topics: int, size: int) -> None:
    arguments = [str(number) for number in (PEERS, topics, size, ROUNDS, STAY_S)]
    with (
        a_publisher("127.0.0.1:0", topic=TOPIC) as published,
        Process("-c", SWARM, published.endpoint, *arguments, module=None) as swarm,
    ):
        before_mb, slowest_s = resident_mb(), 0.0
        while swarm.popen.poll() is None:
            began_at = monotonic()
            published.publish()
            slowest_s = max(slowest_s, monotonic() - began_at)
        swarm.wait_for_line("gone")
        # longer ones are refused by libzmq, which tells nobody
        assert published.refused or size > OF_STRANGERS.frame_bytes
        assert slowest_s < LONGEST_SEND_S
        assert resident_mb() - before_mb < MOST_MB
