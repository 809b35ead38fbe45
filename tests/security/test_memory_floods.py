"""What others send takes little more memory than it has bytes; in a process of its own."""

from __future__ import annotations

import signal
from contextlib import closing
from itertools import pairwise
from threading import Event
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from tests.security.victim import Victim, message
from tests.support.bare_sockets import Socket, ask, bare, packed, unpacked
from tests.support.effort import effort
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

#: Bytes of a flood, and by how much the memory of the process may grow at most while it is read:
#: what libzmq holds of it, and a copy or two. Unpacked it takes eighty times its bytes.
SIZE = effort(16_000_000, brief=4_000_000)
GROWTH_MB = effort(64, brief=32)

#: The snapshot of the service's own state, in megabytes, and how many of them may be held.
SNAPSHOT_MB = 5.0
SNAPSHOTS_HELD = 8

#: Requests for it that come at once, and those that come one after the other.
REQUESTS = effort(450, brief=90)
ROUNDS = effort(50, brief=10)

#: Bytes of messages that wait for a handler, and how many there are.
WAITING_SIZE = 190_000
WAITING = effort(60, brief=20)

EMPTY_LIST, EMPTY_DICT, NUMBER, NEGATIVE = b"\x90", b"\x80", b"\x01", b"\xf0"


def flood(of: bytes) -> bytes:
    """Return a packed list of many items of a byte."""
    return b"\xdd" + SIZE.to_bytes(4) + of * SIZE


def flood_of_dicts(item: bytes) -> bytes:
    """Return a packed list of many small dicts, of as many bytes."""
    count = SIZE // len(item)
    return b"\xdd" + count.to_bytes(4) + item * count


def args_with(name: str, flooded: bytes) -> bytes:
    """Return packed fields, one of them a flood."""
    return b"\x82" + packed("n") + packed(1) + packed(name) + flooded


ONE = packed({"n": 1})

#: each kind of message that is far larger when it is unpacked
FLOODS = {
    "a workflow id of lists": lambda: message(args=ONE, workflow_id=flood(EMPTY_LIST)),
    "a list of lists": lambda: message(args=args_with("things", flood(EMPTY_LIST))),
    "a list of dicts": lambda: message(args=args_with("things", flood(EMPTY_DICT))),
    "a list of numbers": lambda: message(args=args_with("things", flood(NEGATIVE))),
    "a list of dicts of an item": lambda: message(
        args=args_with("things", flood_of_dicts(b"\x81\xa1a\x01"))
    ),
    "a dict with a list of lists": lambda: message(
        args=args_with("anything", b"\x81\xa1x" + flood(EMPTY_LIST))
    ),
}


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Victim]:
    with Victim(tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
def flooded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    """Give one that gets one flood after the other, of which it keeps nothing."""
    with Victim(tmp_path_factory.mktemp("flooded")) as running:
        running.leave_alone()
        yield running


def dropped(victim: Victim, name: str) -> int:
    counters = victim.counters("connections", "in", name)
    return sum(counters["dropped"].values())


@pytest.mark.parametrize("kind", FLOODS)
def test_a_request_that_is_a_flood_takes_little_memory_and_is_answered_with_an_error(
    flooded: Victim, kind: str
) -> None:
    request = FLOODS[kind]()
    before = dropped(flooded, "open")
    flooded.forget_highest()
    before_mb = flooded.highest_mb()
    with bare(zmq.REQ, connect=flooded.endpoint("open.replyer")) as asking:
        asking.rcvtimeo = 60_000
        reply = ask(asking, request)
    grown_mb = flooded.highest_mb() - before_mb

    assert "error" in reply
    assert dropped(flooded, "open") == before + 1
    assert grown_mb < GROWTH_MB


@pytest.mark.parametrize("kind", FLOODS)
def test_a_published_flood_takes_little_memory_and_is_dropped(flooded: Victim, kind: str) -> None:
    published = FLOODS[kind]()
    before = dropped(flooded, "told")
    with bare(zmq.PUB, connect=flooded.endpoint("told.subscriber")) as publisher:
        flooded.be_told(publisher)
        flooded.forget_highest()
        before_mb = flooded.highest_mb()
        publisher.send(published)
        until(lambda: dropped(flooded, "told") > before, "it is dropped", patience_s=60)
        grown_mb = flooded.highest_mb() - before_mb

    assert dropped(flooded, "told") == before + 1
    assert grown_mb < GROWTH_MB


def test_a_reply_that_is_a_flood_takes_little_memory(victim: Victim) -> None:
    reply = message(return_args=args_with("things", flood(EMPTY_LIST)))
    victim.forget_highest()
    before_mb = victim.highest_mb()
    with bare(zmq.REQ, connect=victim.endpoint("ask.replyer")) as asking:
        ask(asking, {"args": {"n": 1}})
    victim.villain.replyer.recv()
    victim.villain.replyer.send(reply)
    victim.process.wait_for_line("the call failed")

    assert victim.highest_mb() - before_mb < GROWTH_MB


def test_what_waits_for_a_handler_takes_little_memory_however_many_messages_it_is(
    victim: Victim,
) -> None:
    things = b"\xdd" + WAITING_SIZE.to_bytes(4) + EMPTY_LIST * WAITING_SIZE
    request = message(args=args_with("things", things))
    victim.forget_highest()
    before_mb = victim.highest_mb()
    with bare(zmq.DEALER, connect=victim.endpoint("open.replyer")) as asking:
        asking.send_multipart([b"", packed({"args": {"n": -1}})])
        for _ in range(WAITING):
            asking.send_multipart([b"", request])
        wait_for_the_peak(victim)
        victim.process.interrupt(signal.SIGUSR1)
        asking.rcvtimeo = 60_000
        for _ in range(1 + WAITING):
            assert "return_args" in unpacked(asking.recv_multipart()[-1])
    grown_mb = victim.highest_mb() - before_mb

    # each message by itself is as small as to take so much for each of its bytes
    assert grown_mb < 2 * WAITING * WAITING_SIZE / 2**20 + 48


def wait_for_the_peak(victim: Victim) -> None:
    """Wait until the memory of the process has not grown for a while."""
    pause, highest_mb, grew_at = Event(), 0.0, monotonic()
    while monotonic() < grew_at + 1.0:
        pause.wait(0.05)
        if victim.highest_mb() > highest_mb:
            highest_mb, grew_at = victim.highest_mb(), monotonic()


def test_an_answer_of_very_many_deltas_takes_little_memory_and_is_asked_for_ever_more_slowly(
    victim: Victim,
) -> None:
    deltas = flood(NUMBER)
    victim.forget_highest()
    before_mb = victim.highest_mb()
    least, end, pause = monotonic() + effort(4, brief=2), monotonic() + 30, Event()
    while monotonic() < least or (len(victim.villain.asked_at) < 5 and monotonic() < end):
        # the publisher goes on to be heard
        victim.villain.heartbeat(5)
        victim.villain.answer(0.0, deltas=deltas)
        pause.wait(0.02)
    grown_mb = victim.highest_mb() - before_mb
    asked_at = victim.villain.asked_at
    pauses_s = [after - before for before, after in pairwise(asked_at)]

    # only the first few follow each other soon
    assert len(pauses_s) >= 4
    assert max(pauses_s) > 2 * min(pauses_s), pauses_s
    assert pauses_s[-1] > min(pauses_s), pauses_s
    assert grown_mb < GROWTH_MB


def test_who_asks_for_snapshots_and_reads_none_makes_the_publisher_hold_few(
    victim: Victim,
) -> None:
    victim.forget_highest()
    before_mb = victim.highest_mb()
    context: zmq.Context[Socket] = zmq.Context()
    with closing(context.socket(zmq.DEALER)) as greedy:
        greedy.linger = 0
        greedy.rcvhwm, greedy.rcvbuf = 1, 4_096
        greedy.connect(victim.endpoint("big.replyer"))
        for _ in range(REQUESTS):
            greedy.send_multipart([b"", packed({"args": {}})])
        with bare(zmq.REQ, connect=victim.endpoint("big.replyer")) as asking:
            for _ in range(ROUNDS):
                greedy.send_multipart([b"", packed({"args": {}})])
                # another's answer comes when this one has been given to the socket
                answer = ask(asking, {"args": {}})
                assert len(answer["return_args"]["state"]["text"]) == 5_000_000
        until(lambda: big(victim)["received"] == REQUESTS + 2 * ROUNDS, "all are read")
        grown_mb = victim.highest_mb() - before_mb
    context.term()

    assert grown_mb < SNAPSHOTS_HELD * SNAPSHOT_MB


def big(victim: Victim) -> Any:
    return victim.counters("states", "out", "big")
