"""Snapshots in parts, of peers that mean ill and for such; in a process of its own."""

from __future__ import annotations

from contextlib import closing
from threading import Event
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from tests.security.victim import Victim
from tests.support.bare_sockets import Socket, ask, bare, packed, unpacked
from tests.support.effort import IS_FULL, effort
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

SIZE = effort(16_000_000, brief=4_000_000)
GROWTH_MB = effort(64, brief=32)

#: Peers that read nothing, and the megabytes of the value that they ask for, packed.
GREEDY = 20
VALUE_MB = 20.0
LIMIT = 1_000_000

ARGS = packed({"state": {}, "current_num": 5})
LIST, BIN = b"\xdd", b"\xc6"


def many(item: bytes) -> bytes:
    """Return a packed list of many small items."""
    count = SIZE // len(item)
    return LIST + count.to_bytes(4) + item * count


def binary(content: bytes) -> bytes:
    """Return packed bytes."""
    return BIN + len(content).to_bytes(4) + content


def one_piece(of: bytes) -> bytes:
    """Return the pieces of a part that has one."""
    return b"\x91" + binary(of)


FLOODS = {
    "pieces of nothing": lambda: many(b"\xc4\x00"),
    "pieces of two bytes": lambda: many(b"\xc4\x02ab"),
    "pieces that are lists": lambda: many(b"\x90"),
    "a piece that is a flood of lists": lambda: one_piece(
        b"\x81" + packed("things") + many(b"\x90")
    ),
    "a piece that is a flood of dicts": lambda: one_piece(
        b"\x81" + packed("things") + many(b"\x81\xa1a\x01")
    ),
    "a piece that is no map": lambda: one_piece(many(b"\x90")),
}


#: Parts that an answer says it has: too few, too many, and as many as there may be.
NEVER = [-1, 0, 2**63 - 1, 1, 2**20, 2**20 + 1]


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Victim]:
    with Victim(tmp_path) as running:
        yield running


def answer_in_parts(victim: Victim, parts: int, *pieces: bytes, first: int = 0) -> bool:
    """Answer a request, should one come, with a first part and some others; whether one did."""
    villain = victim.villain
    if not villain.snapshots.poll(50):
        return False
    address, empty, request = villain.snapshots.recv_multipart()
    villain.asked_at.append(monotonic())
    token = unpacked(request)["workflow_id"]
    start = {"workflow_id": token, "epoch": 7, "parts": parts}
    begun = packed({**start, "part": first, "return_args": {"state": {}, "current_num": 5}})
    villain.snapshots.send_multipart([address, empty, begun])
    for place, packed_pieces in enumerate(pieces, first + 1):
        head = packed({**start, "part": place, "return_args": {"state": {}, "current_num": 5}})
        frame = bytes([head[0] + 1]) + head[1:] + packed("pieces") + packed_pieces
        villain.snapshots.send_multipart([address, empty, frame])
    return True


def book(victim: Victim) -> Any:
    return victim.counters("states", "in", "book")


@pytest.mark.parametrize("kind", FLOODS)
def test_parts_that_are_floods_take_little_memory(victim: Victim, kind: str) -> None:
    flooded = FLOODS[kind]()
    victim.forget_highest()
    before_mb = victim.highest_mb()
    answered, end, pause = 0, monotonic() + 20, Event()
    while answered < 2 and monotonic() < end:
        victim.villain.heartbeat(5)
        answered += answer_in_parts(victim, 3, flooded)
        pause.wait(0.02)
    until(lambda: book(victim)["status"]["error"] is not None)
    assert victim.highest_mb() - before_mb < GROWTH_MB
    # an honest answer is taken after that, with a higher count: the same one would fail again
    end = monotonic() + 30
    while book(victim)["status"]["phase"] != "LIVE":
        assert monotonic() < end, book(victim)
        victim.villain.heartbeat(6)
        victim.villain.answer_with(0.05, 6, packed({"n": 1}))


@pytest.mark.parametrize("parts", NEVER if IS_FULL else NEVER[::2], ids="{} parts".format)
def test_parts_that_never_come_take_no_memory_and_are_asked_for_again(
    victim: Victim, parts: int
) -> None:
    victim.forget_highest()
    before_mb = victim.highest_mb()
    end, pause = monotonic() + 30, Event()
    while len(victim.villain.asked_at) < 4 and monotonic() < end:
        victim.villain.heartbeat(5)
        answer_in_parts(victim, parts)
        pause.wait(0.02)
    assert len(victim.villain.asked_at) == 4
    assert book(victim)["status"]["phase"] == "SYNCING"
    assert victim.highest_mb() - before_mb < 8


def test_a_part_in_the_wrong_place_is_dropped_with_all_before_it(victim: Victim) -> None:
    piece = one_piece(packed({"n": 1}))
    end, pause = monotonic() + 30, Event()
    while len(victim.villain.asked_at) < 3 and monotonic() < end:
        victim.villain.heartbeat(5)
        answer_in_parts(victim, 9, piece, first=3)
        pause.wait(0.02)
    assert len(victim.villain.asked_at) == 3
    status = book(victim)["status"]
    assert (status["phase"], status["number"]) == ("SYNCING", -1)


def test_who_asks_for_parts_and_reads_none_makes_the_publisher_hold_few(victim: Victim) -> None:
    endpoint = victim.endpoint("many.replyer")
    request = {"args": {}, "workflow_id": 1, "max_message_bytes": LIMIT}
    victim.forget_highest()
    before_mb = victim.highest_mb()
    context: zmq.Context[Socket] = zmq.Context()
    greedy = [context.socket(zmq.DEALER) for _ in range(GREEDY)]
    for idle in greedy:
        idle.linger = 0
        idle.rcvhwm, idle.rcvbuf = 1, 4_096
        idle.connect(endpoint)
        for _ in range(20):
            idle.send_multipart([b"", packed(request)])
    until(lambda: victim.counters("states", "out", "many")["received"] == 20 * GREEDY)
    with closing(context.socket(zmq.DEALER)) as honest:
        honest.linger = 0
        honest.connect(endpoint)
        honest.send_multipart([b"", packed(request)])
        count, parts = 0, 1
        while count < parts:
            assert honest.poll(10_000)
            frame = honest.recv_multipart()[1]
            assert len(frame) <= LIMIT
            parts, count = unpacked(frame)["parts"], count + 1
    grown_mb = victim.highest_mb() - before_mb
    for idle in greedy:
        idle.close()
    context.term()

    # the packed value three times while it is put together, and two parts for each; the whole
    # value for each would be 400
    assert grown_mb < 3 * VALUE_MB + 2 * GREEDY * LIMIT / 1e6 + 20
    with bare(zmq.REQ, connect=victim.endpoint("echo.replyer")) as asking:
        assert ask(asking, {"args": {"n": 1}})["return_args"] == {"n": 1}
