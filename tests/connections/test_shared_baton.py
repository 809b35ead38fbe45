"""The shared connection: its callers read it for each other, one at a time in turn."""

from __future__ import annotations

import random
import signal
import threading
from time import monotonic

import pytest
import zmq

from sf_actors.connections import shared_connection
from sf_actors.connections.shared_connection import SharedCall
from tests.support.bare_sockets import PATIENCE_MS
from tests.support.shared_connections import SHORT_S, Shared, on_its_way
from tests.support.waiting import PATIENCE_S, until


def test_the_others_get_their_replies_after_the_leader_has_left(shared: Shared) -> None:
    shared.start(b"leader", SHORT_S)
    requests = shared.received(1)
    for number in range(5):
        shared.start(b"%d" % number)
    requests += shared.received(5)
    assert shared.outcome(1) == {b"leader": None}
    for *address, frame in requests:
        shared.router.send_multipart([*address, frame])

    assert shared.outcome(5) == {b"%d" % number: b"%d" % number for number in range(5)}


def test_callers_whose_time_is_over_leave_in_any_order(shared: Shared) -> None:
    chance = random.Random(7)
    for _ in range(30):
        shared.start(b"%d" % len(shared.threads), chance.uniform(0.0, SHORT_S))

    assert set(shared.outcome(30).values()) == {None}


@pytest.mark.parametrize(("late_s", "opened"), [(0.0, 1), (1.0, 3)])
def test_a_caller_that_comes_late_lets_all_go_and_else_the_next(
    shared: Shared, late_s: float, opened: int
) -> None:
    connection = shared.connection
    first = on_its_way(connection)
    others = [SharedCall(name) for name in (b"a", b"b", b"c")]
    connection._ready.extend(others)
    # the future: a processor that is busy meanwhile does not make it late
    first.opened_at = monotonic() + PATIENCE_S if not late_s else monotonic() - late_s
    connection._leave(first)

    assert [call.gate.locked() for call in others] == [False] * opened + [True] * (3 - opened)
    assert [call.may_go for call in others] == [True] * opened + [False] * (3 - opened)
    assert connection._holder is others[opened - 1]
    for call in others[opened - 1 :]:
        call.opened_at = monotonic() + PATIENCE_S
        connection._leave(call)


def test_a_caller_may_be_made_the_leader_again_before_it_has_come_to_wait(shared: Shared) -> None:
    connection = shared.connection
    first = on_its_way(connection)
    call = shared.begin(b"a")
    connection._leave(first)
    assert connection._holder is call
    assert not call.may_go
    with connection._lock:
        connection._send_held_back()
    shared.start(b"b")
    one, other = shared.received(2)
    until(lambda: other[1] in connection._waiting, "the end of its sending")
    shared.router.send_multipart(other)
    while other[1] in connection._waiting:
        connection._lead(PATIENCE_S)
    assert shared.outcome(1) == {b"b": b"b"}
    until(lambda: connection._holder is call, "the baton")
    shared.router.send_multipart(one)
    while not call.may_go:
        connection._lead(PATIENCE_S)
    connection._leave(call)
    assert call.reply == b"a"


def test_an_interrupt_of_the_leader_leaves_the_others_alone(shared: Shared) -> None:
    def interrupt() -> None:
        until(lambda: shared.connection._holder is not None, "the leader")
        shared.start(b"other")
        shared.received(2)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    old = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            shared.ask(b"interrupted")
        thread.join(PATIENCE_S)
    finally:
        signal.signal(signal.SIGINT, old)
    shared.start(b"next")
    ((address, call_id, *_),) = shared.received(1)
    other = int.from_bytes(call_id, "big") - 1
    for reply_to in (call_id, other.to_bytes(16, "big")):
        shared.router.send_multipart([address, reply_to, b"", b"reply"])
    assert shared.outcome(2) == {b"other": b"reply", b"next": b"reply"}


def test_a_refused_send_leaves_no_reply_unseen(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = shared.connection
    call = shared.begin(b"question")
    (request,) = shared.received(1)

    def refused(*_: object) -> None:
        # to look for events eats the signal, as every send does
        assert connection.socket.poll(PATIENCE_MS)
        raise zmq.Again

    class Poll:
        """A wait before which another caller is refused, after the leader has read."""

        @staticmethod
        def poll(timeout_ms: int) -> list[tuple[int, int]]:
            shared.router.send_multipart(request)
            monkeypatch.setattr(connection, "_send", refused)
            other = SharedCall(b"other")
            with pytest.raises(zmq.Again):
                connection._begin(other, b"refused")
            connection._leave(other)
            readable: list[tuple[int, int]] = poll.poll(timeout_ms)
            assert readable, "the leader would wait until its deadline"
            return readable

    poll = connection._poll
    monkeypatch.setattr(connection, "_poll", Poll)
    connection._lead(1.0)
    connection._leave(call)

    assert call.reply == b"question"


def test_a_caller_with_an_open_gate_does_not_leave_with_a_turn_that_is_still_to_come(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = shared.connection
    begin = connection._begin
    begun: list[SharedCall] = []
    read = threading.Event()

    def begin_and_wait(call: SharedCall, frame: bytes) -> None:
        begin(call, frame)
        # as one that was to lead, and did so before it came to wait
        call.gate.release()
        begun.append(call)
        assert read.wait(PATIENCE_S)

    leaving = on_its_way(connection)
    monkeypatch.setattr(connection, "_begin", begin_and_wait)
    for frame in (b"a", b"b"):
        shared.start(frame)
    until(lambda: len(begun) == 2, "both calls")
    with connection._lock:
        connection._send_held_back()
    for request in shared.received(2):
        shared.router.send_multipart(request)
    with connection._lock:
        while len(connection._ready) < 2:
            assert connection.socket.poll(PATIENCE_MS)
            connection._read()
    read.set()
    until(lambda: not any(call.gate.locked() is False for call in begun), "them at their gates")
    connection._leave(leaving)

    assert shared.outcome(2) == {b"a": b"a", b"b": b"b"}
    monkeypatch.undo()
    shared.start(b"next")
    for request in shared.received(1):
        shared.router.send_multipart(request)
    assert shared.outcome(1) == {b"next": b"next"}


def test_an_interrupt_while_a_request_is_sent_leaves_the_others_a_leader(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = shared.connection

    def interrupted(*_: object) -> None:
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(connection, "_send", interrupted)
    with pytest.raises(KeyboardInterrupt):
        shared.ask(b"interrupted")
    assert connection._holder is None
    shared.start(b"next")
    (request,) = shared.received(1)
    shared.router.send_multipart(request)
    assert shared.outcome(1) == {b"next": b"next"}


def test_an_error_while_requests_of_others_are_sent_is_theirs(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = shared.connection
    leader = shared.begin(b"leader")
    (request,) = shared.received(1)
    leaving = on_its_way(connection)
    for frame in (b"a", b"b", b"c"):
        shared.start(frame)
    until(lambda: len(connection._held_back) == 3, "the requests")
    connection._leave(leaving)
    assert connection._holder is leader

    def broken(*_: object) -> None:
        raise zmq.ContextTerminated

    with monkeypatch.context() as patched:
        patched.setattr(connection, "_send", broken)
        connection._lead(PATIENCE_S)
    assert shared.outcome(3) == dict.fromkeys((b"a", b"b", b"c"), zmq.ContextTerminated)
    shared.router.send_multipart(request)
    until(lambda: connection._holder is leader, "the baton")
    connection._lead(PATIENCE_S)
    connection._leave(leader)
    assert leader.reply == b"leader"


@pytest.mark.parametrize("error", [zmq.ContextTerminated, KeyboardInterrupt])
def test_a_leader_that_fails_makes_another_lead(
    shared: Shared, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    connection = shared.connection
    call = shared.begin(b"leader")
    for frame in (b"a", b"b"):
        shared.start(frame)
    requests = shared.received(3)
    until(lambda: len(connection._waiting) == 3, "the calls")

    def failing() -> bool:
        monkeypatch.undo()
        raise error

    monkeypatch.setattr(connection, "_read", failing)
    with pytest.raises(error):
        connection._lead(PATIENCE_S)
    connection._leave(call)
    for request in requests:
        shared.router.send_multipart(request)

    assert shared.outcome(2) == {b"a": b"a", b"b": b"b"}


def test_an_interrupt_after_the_turn_was_passed_on_wakes_who_has_it(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = shared.connection
    leader = shared.begin(b"leader")
    shared.start(b"other")
    requests = shared.received(2)
    until(lambda: len(connection._waiting) == 2, "the other")
    with monkeypatch.context() as patched:
        patched.setattr(shared_connection, "_open", lambda _: None)  # it comes before this
        connection._leave(leader)
    assert connection._holder is not None
    connection._leave(leader)
    for request in requests:
        shared.router.send_multipart(request)

    assert shared.outcome(1) == {b"other": b"other"}
