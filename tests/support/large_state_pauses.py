"""Measures how long a state with many keys blocks its process: `python -m … KEYS`."""

from __future__ import annotations

import gc
import multiprocessing
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import msgspec

from sf_actors.replication.status import Phase
from sf_actors.replication.values.frozen import freeze
from tests.support.state_pair import following, leading, lose, model, towards

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

#: No Decimals, since from Python 3.13 on the garbage collector visits each of them.
LEVELS = {"title": str, "bids": {str: float}}

QUIET: dict[str, Any] = {"heartbeat_s": 1.0}

PATIENCE_S = 200.0


class Pauses(threading.Thread):
    """Measures how long this thread does not run while others of the process do.

    It counts CPU time of the process: other processes do not count, and two threads that run at
    once count twice.
    """

    def __init__(self, side: str) -> None:
        super().__init__(name="pauses", daemon=True)
        self._side = side
        self._longest_s = self.longest_ms = 0.0

    @classmethod
    def begun(cls, side: str) -> Pauses:
        """Return a started one."""
        gc.collect()
        gc.freeze()  # so that collections visit only the objects of the state
        pauses = cls(side)
        pauses.start()
        return pauses

    def run(self) -> None:
        last = time.process_time()
        soon = threading.Event()
        while True:
            soon.wait(0.001)
            now = time.process_time()
            self._longest_s = max(self._longest_s, now - last)
            last = now

    def told(self, what: str) -> None:
        """Print the longest pause since the last call."""
        pause_ms, self._longest_s = 1000 * self._longest_s, 0.0
        self.longest_ms = max(self.longest_ms, pause_ms)
        print(f"{self._side}: {what}: {pause_ms:.1f} ms", flush=True)  # noqa: T201


def look_until(is_so: Callable[[], bool]) -> None:
    """Check until a condition holds, however long the many keys take."""
    deadline = time.monotonic() + PATIENCE_S
    between_looks = threading.Event()
    while not is_so():
        assert time.monotonic() < deadline, "it never came to be"
        between_looks.wait(0.01)


def in_one_go(levels: dict[str, float]) -> float:
    """Return how long decoding and freezing a whole value at once takes, in milliseconds."""
    packed = msgspec.msgpack.encode(levels)
    began = time.thread_time()
    freeze(msgspec.msgpack.decode(packed, type=dict[str, float]))
    return 1000 * (time.thread_time() - began)


def hear(heard: Connection) -> Any:
    """Return the next message of the other process."""
    assert heard.poll(PATIENCE_S), "the other process says nothing"
    return heard.recv()


def follow(keys: int, leader: Connection) -> None:
    """Follow the state of another process, and print the pauses of this one."""
    pauses = Pauses.begun("replica")
    replica = model("delta_update_in", LEVELS, **QUIET)
    with following(replica, towards(hear(leader)), has_handler=False) as follower:
        look_until(lambda: follower.status.phase is Phase.LIVE)
        pauses.told("it joins")
        leader.send(None)
        look_until(lambda: follower.value["title"] == "d")
        pauses.told("it gets a whole value")
        leader.send(None)
        look_until(lambda: follower.value["title"] == "e")
        assert follower.status.resyncs == 1
        assert len(follower.value["bids"]) == keys
        pauses.told("a snapshot closes a gap")
    leader.send(pauses.longest_ms)


def lead(keys: int, follower: Connection) -> float:
    """Publish a state that another process follows, and print the pauses of this one."""
    bids = {f"level {n}": n / 2 for n in range(keys)}
    pauses = Pauses.begun("publisher")
    with leading(model("delta_update_out", LEVELS, **QUIET)) as leader:
        leader.send(title="a", bids=bids, is_snapshot=True)
        pauses.told("a whole value is sent")
        follower.send(leader.addresses)
        hear(follower)
        pauses.told("a replica joins")
        leader.send(title="d", bids=bids, is_snapshot=True)
        hear(follower)
        pauses.told("another whole value is sent")
        lose(leader, title="lost")
        leader.actor.publication.log._log.clear()  # so that a snapshot closes the gap
        leader.send(title="e")
        theirs_ms: float = hear(follower)
        pauses.told("a snapshot closes a gap")
    return max(pauses.longest_ms, theirs_ms)


def measure(keys: int) -> None:
    """Print the pauses; the last line has the time for a whole value, and the longest pause."""
    at_once_ms = in_one_go({f"level {n}": n / 2 for n in range(keys)})
    # Each side has its own process, as usual. In one process two threads would be busy at the same
    # time, and even two threads that only count keep a third from running for up to 37 ms (CPython
    # 3.11), which is not what we measure.
    processes = multiprocessing.get_context("spawn")
    ours, theirs = processes.Pipe()
    replica = processes.Process(target=follow, args=(keys, theirs), daemon=True)
    replica.start()
    longest_ms = lead(keys, ours)
    replica.join(PATIENCE_S)
    assert replica.exitcode == 0
    print(at_once_ms, longest_ms)  # noqa: T201


if __name__ == "__main__":
    measure(int(sys.argv[1]))
