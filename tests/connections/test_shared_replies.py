"""The shared connection: each of its callers gets its own reply, and nothing else."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from sf_actors import ServiceStopped
from sf_actors.connections import shared_connection
from sf_actors.sockets.frames import MAX_FRAMES
from tests.support.bare_sockets import PATIENCE_MS
from tests.support.shared_connections import SHORT_S, Shared, on_its_way, sharing
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.bare_sockets import Socket


def test_replies_in_any_order_reach_each_its_caller(shared: Shared) -> None:
    frames = [b"%d" % number for number in range(40)]
    for frame in frames:
        shared.start(frame)
    requests = shared.received(len(frames))
    random.Random(4).shuffle(requests)
    for request in requests:
        shared.router.send_multipart([*request[:-1], b"to " + request[-1]])

    assert shared.outcome(len(frames)) == {frame: b"to " + frame for frame in frames}


def test_a_request_has_an_id_and_an_empty_frame_before_it(shared: Shared) -> None:
    for frame in (b"a", b"b"):
        shared.start(frame)
    (_, first, empty, _), (_, second, _, _) = requests = shared.received(2)
    assert empty == b""
    assert first
    assert first != second
    for request in requests:
        shared.router.send_multipart(request)
    shared.outcome(2)


@pytest.mark.parametrize(
    "garbage",
    [
        [b"x"],
        [b""],
        [b"", b"x"],
        [b"", b"", b"x"],
        [b"unknown!", b"", b"x"],
        [b"a", b"b", b"c", b"d", b"e", b""],
        ["id"],
        ["id", b""],
        ["id", b"x"],
        ["id", b"x", b"", b"y"],
        ["id", b"x", b"y", b"z"],
        ["other id", b"", b"x"],
        ["other id"],
        ["id", b"", *[b"x"] * MAX_FRAMES],
    ],
)
def test_garbage_is_dropped_and_the_reply_is_taken(shared: Shared, garbage: list[Any]) -> None:
    shared.start(b"question")
    ((address, call_id, *_),) = shared.received(1)
    named = {"id": call_id, "other id": call_id[:-1] + b"\xff"}
    for _ in range(3):
        shared.router.send_multipart([address, *(named.get(frame, frame) for frame in garbage)])
    shared.router.send_multipart([address, call_id, b"", b"answer"])

    assert shared.outcome(1) == {b"question": b"answer"}


@pytest.mark.parametrize("beginning", [["id"], ["id", b""], ["other id", b"", b"x", "id", b""]])
@pytest.mark.parametrize("rest", [[b"x"], [b"", b"x"], [b"", b"", b"x"], [b"y", b"x"]])
def test_a_reply_in_two_messages_is_none(
    shared: Shared, beginning: list[Any], rest: list[bytes]
) -> None:
    shared.start(b"question")
    ((address, call_id, *_),) = shared.received(1)
    named = {"id": call_id, "other id": call_id[:-1] + b"\xff"}
    shared.router.send_multipart([address, *(named.get(frame, frame) for frame in beginning)])
    shared.router.send_multipart([address, *rest])
    shared.router.send_multipart([address, call_id, b"", b"answer"])

    assert shared.outcome(1) == {b"question": b"answer"}


def test_of_several_frames_the_last_is_the_reply(shared: Shared) -> None:
    for frame in (b"a", b"b"):
        shared.start(frame)
    for *address, frame in shared.received(2):
        shared.router.send_multipart([*address, b"1", b"", b"last of " + frame])

    assert shared.outcome(2) == {b"a": b"last of a", b"b": b"last of b"}


def test_a_second_reply_to_one_request_is_dropped(shared: Shared) -> None:
    for frame in (b"a", b"b"):
        shared.start(frame)
    first, second = shared.received(2)
    for reply in (b"1", b"2"):
        shared.router.send_multipart([*first[:-1], reply])
    assert shared.outcome(1) == {first[-1]: b"1"}
    shared.router.send_multipart([*first[:-1], b"3"])
    shared.router.send_multipart([*second[:-1], b"4"])

    assert shared.outcome(1) == {second[-1]: b"4"}


def test_a_late_reply_is_dropped(shared: Shared) -> None:
    assert shared.ask(b"late", SHORT_S) is None
    ((*late, _),) = shared.received(1)
    shared.start(b"next")
    ((*address, _),) = shared.received(1)
    shared.router.send_multipart([*late, b"late"])
    shared.router.send_multipart([*address, b"in time"])

    assert shared.outcome(1) == {b"next": b"in time"}


def test_the_end_of_the_service_ends_all_calls(shared: Shared) -> None:
    for number in range(6):
        shared.start(b"%d" % number)
    shared.received(6)
    shared.closing.set()

    assert set(shared.outcome(6).values()) == {ServiceStopped}
    with pytest.raises(ServiceStopped):
        shared.ask(b"afterwards")


def test_what_cannot_leave_is_refused(tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/it"
    with sharing(address) as shared:
        shared.router.unbind(address)
        shared.router.close()
        until(lambda: not shared.connection.socket.poll(0, zmq.POLLOUT), "the end of the peer")
        with pytest.raises(zmq.Again):
            shared.ask(b"question")


def test_what_was_held_back_and_cannot_leave_is_refused(tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/it"
    with sharing(address) as shared:
        connection = shared.connection
        first = on_its_way(connection)
        for frame in (b"a", b"b"):
            shared.start(frame)
        until(lambda: len(connection._held_back) == 2, "both requests")
        shared.router.unbind(address)
        shared.router.close()
        until(lambda: not connection.socket.poll(0, zmq.POLLOUT), "the end of the peer")
        connection._leave(first)

        assert shared.outcome(2) == {b"a": zmq.Again, b"b": zmq.Again}


def test_what_was_held_back_leaves_with_the_last_who_gets_a_reply(shared: Shared) -> None:
    connection = shared.connection
    first = on_its_way(connection)
    for frame in (b"a", b"b"):
        shared.start(frame)
    until(lambda: len(connection._held_back) == 2, "both requests")
    assert not shared.router.poll(0)
    connection._leave(first)
    for request in shared.received(2):
        shared.router.send_multipart(request)

    assert shared.outcome(2) == {b"a": b"a", b"b": b"b"}


def test_a_request_whose_time_is_over_while_it_is_held_back_never_leaves(shared: Shared) -> None:
    connection = shared.connection
    first = on_its_way(connection)
    assert shared.ask(b"held back", SHORT_S) is None
    connection._leave(first)
    shared.start(b"next")
    (request,) = shared.received(1)
    assert request[-1] == b"next"
    shared.router.send_multipart(request)
    shared.outcome(1)


def test_many_callers_and_a_peer_of_any_manners_end_in_a_reply_or_in_time(shared: Shared) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    chance = random.Random(seed)
    callers, each = 24, 60
    wrong: list[Any] = []
    over = threading.Event()

    def call(number: int) -> None:
        mine = random.Random(seed + number)
        for n in range(each):
            frame = b"%d %d" % (number, n)
            hurried = mine.random() < 0.2
            reply = shared.ask(frame, mine.uniform(0, 0.002) if hurried else PATIENCE_S)
            if reply not in ({frame, None} if hurried else {frame}):
                wrong.append((frame, reply))

    def serve() -> None:
        kept: list[list[bytes]] = []
        while not over.is_set():
            if shared.router.poll(1):
                kept.append(shared.router.recv_multipart())
                if chance.random() < 0.5:
                    continue
            chance.shuffle(kept)
            for request in kept:
                for _ in range(chance.choice((1, 1, 1, 2))):
                    shared.router.send_multipart(request)
                if chance.random() < 0.1:
                    shared.router.send_multipart([request[0], b"", b"garbage"])
            kept.clear()

    server = threading.Thread(target=serve)
    server.start()
    shared.threads += [threading.Thread(target=call, args=(n,)) for n in range(callers)]
    for thread in shared.threads:
        thread.start()
    for thread in shared.threads:
        thread.join(3 * PATIENCE_S)
    over.set()
    server.join(PATIENCE_S)

    assert wrong == []


def test_a_reply_to_what_has_not_left_yet_is_dropped(shared: Shared) -> None:
    connection = shared.connection
    shared.start(b"first")
    ((address, call_id, *_),) = shared.received(1)
    guessed = (int.from_bytes(call_id, "big") + 1).to_bytes(len(call_id), "big")
    shared.router.send_multipart([address, call_id, b"", b"reply"])
    assert shared.outcome(1) == {b"first": b"reply"}
    leaving = on_its_way(connection)
    shared.start(b"second")
    until(lambda: connection._held_back, "the request")
    shared.router.send_multipart([address, guessed, b"", b"too early"])
    assert connection.socket.poll(PATIENCE_MS)
    with connection._lock:
        connection._read()
    connection._leave(leaving)
    ((*address_and_id, _, _),) = shared.received(1)
    assert address_and_id == [address, guessed]
    shared.router.send_multipart([*address_and_id, b"", b"in time"])

    assert shared.outcome(1) == {b"second": b"in time"}


def test_a_request_that_is_refused_in_the_middle_is_ended_all_the_same(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else libzmq takes the next one for the rest of it, and drops that."""
    sent: list[tuple[bytes, int]] = []

    def send(_: Socket, frame: bytes, flags: int) -> None:
        sent.append((frame, flags & zmq.SNDMORE))
        if not frame:
            raise zmq.Again  # as when the peer leaves in between

    monkeypatch.setattr(shared_connection, "send_frame", send)
    with pytest.raises(zmq.Again):
        shared.ask(b"refused")
    assert sent[1:] == [(b"", zmq.SNDMORE), (b"refused", 0)]
