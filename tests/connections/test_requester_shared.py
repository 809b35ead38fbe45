"""The shared connection: its callers read it for each other, and each gets its own reply."""

from __future__ import annotations

import queue
import random
import signal
import threading
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from benchmarks.ports import free_port
from sf_actors import RequestTimeout, ServiceStopped
from sf_actors.actors.inbox import Wakeup
from sf_actors.connections import shared_connection
from sf_actors.connections.requester import ALONE
from sf_actors.connections.shared_connection import Call, SharedConnection
from sf_actors.sockets.frames import MAX_FRAMES
from tests.support.bare_sockets import PATIENCE_MS, bare, packed, unpacked
from tests.support.models import PATIENCE_S, until
from tests.support.questions import asking, doubling

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.bare_sockets import Socket

SHORT_S = 0.05
MANY = 3 * ALONE


class Shared:
    """A shared connection to a bare ROUTER socket, and callers in threads of their own."""

    def __init__(self, connection: SharedConnection, router: Socket, closing: Wakeup) -> None:
        self.connection = connection
        self.router = router
        self.closing = closing
        self.outcomes: queue.Queue[tuple[bytes, Any]] = queue.Queue()
        self.threads: list[threading.Thread] = []

    def ask(self, frame: bytes, timeout_s: float = PATIENCE_S) -> bytes | None:
        return self.connection.ask(frame, monotonic() + timeout_s)

    def start(self, frame: bytes, timeout_s: float = PATIENCE_S) -> None:
        """Ask in a thread; what comes of it goes to `outcomes`."""

        def call() -> None:
            try:
                self.outcomes.put((frame, self.ask(frame, timeout_s)))
            except (zmq.ZMQError, ServiceStopped) as error:
                self.outcomes.put((frame, type(error)))

        self.threads.append(threading.Thread(target=call))
        self.threads[-1].start()

    def begin(self, frame: bytes) -> Call:
        """Begin a call in this thread, which then has the turn, and does not wait for it."""
        call = Call(b"it")
        self.connection._begin(call, frame)
        return call

    def received(self, count: int) -> list[list[bytes]]:
        return [self.router.recv_multipart() for _ in range(count)]

    def outcome(self, count: int) -> dict[bytes, Any]:
        return dict(self.outcomes.get(timeout=PATIENCE_S) for _ in range(count))


@contextmanager
def sharing(address: str) -> Iterator[Shared]:
    closing = Wakeup()
    with bare(zmq.ROUTER, bind=address) as router, bare(zmq.DEALER) as dealer:
        dealer.immediate = True
        dealer.connect(address)
        assert dealer.poll(PATIENCE_MS, zmq.POLLOUT)
        connection = SharedConnection(dealer, closing.fd, where="here")
        shared = Shared(connection, router, closing)
        try:
            yield shared
        finally:
            for thread in shared.threads:
                thread.join(PATIENCE_S)
            connection.close()
            closing.close()
        assert not connection._waiting
        assert not connection._ready
        assert not connection._held_back
        assert connection._turn is None


def on_its_way(connection: SharedConnection) -> Call:
    """Return a call that has its reply and the turn, and does not leave by itself."""
    call = Call(b"on its way")
    call.may_go = True
    call.opened_at = monotonic()
    connection._turn = call
    return call


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Shared]:
    with sharing(f"ipc://{tmp_path}/it") as shared:
        yield shared


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
    others = [Call(name) for name in (b"a", b"b", b"c")]
    connection._ready.extend(others)
    # the future: a processor that is busy meanwhile does not make it late
    first.opened_at = monotonic() + PATIENCE_S if not late_s else monotonic() - late_s
    connection._leave(first)

    assert [call.gate.locked() for call in others] == [False] * opened + [True] * (3 - opened)
    assert [call.may_go for call in others] == [True] * opened + [False] * (3 - opened)
    assert connection._turn is others[opened - 1]
    for call in others[opened - 1 :]:
        call.opened_at = monotonic() + PATIENCE_S
        connection._leave(call)


def test_a_caller_may_be_made_the_leader_again_before_it_has_come_to_wait(shared: Shared) -> None:
    connection = shared.connection
    first = on_its_way(connection)
    call = shared.begin(b"a")
    connection._leave(first)
    assert connection._turn is call
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
    until(lambda: connection._turn is call, "the turn")
    shared.router.send_multipart(one)
    while not call.may_go:
        connection._lead(PATIENCE_S)
    connection._leave(call)
    assert call.reply == b"a"


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


def test_an_interrupt_of_the_leader_leaves_the_others_alone(shared: Shared) -> None:
    def interrupt() -> None:
        until(lambda: shared.connection._turn is not None, "the leader")
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
            other = Call(b"other")
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
    begun: list[Call] = []
    read = threading.Event()

    def begin_and_wait(call: Call, frame: bytes) -> None:
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
    assert connection._turn is None
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
    assert connection._turn is leader

    def broken(*_: object) -> None:
        raise zmq.ContextTerminated

    with monkeypatch.context() as patched:
        patched.setattr(connection, "_send", broken)
        connection._lead(PATIENCE_S)
    assert shared.outcome(3) == dict.fromkeys((b"a", b"b", b"c"), zmq.ContextTerminated)
    shared.router.send_multipart(request)
    until(lambda: connection._turn is leader, "the turn")
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
    assert connection._turn is not None
    connection._leave(leader)
    for request in requests:
        shared.router.send_multipart(request)

    assert shared.outcome(1) == {b"other": b"other"}


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


@pytest.fixture(params=["ipc", "tcp"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"ipc://{tmp_path}/it" if request.param == "ipc" else f"127.0.0.1:{free_port()}"


def zmq_address(address: str) -> str:
    return address if "://" in address else f"tcp://{address}"


class Crowd:
    """Many calls at once to a requester whose peer is a bare ROUTER socket."""

    def __init__(self, ours: Any, router: Socket) -> None:
        self.ours = ours
        self.router = router
        self.outcomes: queue.Queue[Any] = queue.Queue()
        self.threads: list[threading.Thread] = []

    def start(self, numbers: range) -> list[list[bytes]]:
        """Start calls and return their requests, none of them answered."""

        def call(n: int) -> None:
            try:
                self.outcomes.put(self.ours.ask(n)["n"])
            except RequestTimeout:
                self.outcomes.put("timeout")

        threads = [threading.Thread(target=call, args=(n,)) for n in numbers]
        self.threads += threads
        for thread in threads:
            thread.start()
        return [self.router.recv_multipart() for _ in numbers]

    def answer(self, requests: list[list[bytes]]) -> None:
        for *address, frame in requests:
            n = unpacked(frame)["args"]["n"]
            self.router.send_multipart([*address, packed({"return_args": {"n": n}})])

    def ended(self, count: int) -> list[Any]:
        return [self.outcomes.get(timeout=PATIENCE_S) for _ in range(count)]

    def share(self) -> list[list[bytes]]:
        """Return the requests of many calls once most of them share a connection."""

        def shared() -> list[list[bytes]] | None:
            requests = self.start(range(MANY))
            if len({request[0] for request in requests}) == ALONE + 1:
                return requests
            self.answer(requests)  # it was not connected yet
            self.ended(MANY)
            return None

        requests: list[list[bytes]] = until(shared, "a shared connection")
        return requests

    def join(self) -> None:
        for thread in self.threads:
            thread.join(PATIENCE_S)


@contextmanager
def crowd(address: str, **creation: Any) -> Iterator[Crowd]:
    with (
        asking(address, **creation) as ours,
        bare(zmq.ROUTER, bind=zmq_address(address)) as router,
    ):
        crowd = Crowd(ours, router)
        yield crowd
        crowd.join()


def test_many_calls_at_once_share_a_connection(address: str) -> None:
    with crowd(address, timeout_s=PATIENCE_S) as calls:
        requests = calls.share()
        assert calls.ours.counters["in_flight"] == MANY
        calls.answer(requests[::-1])

        assert sorted(calls.ended(MANY)) == list(range(MANY))
        calls.join()
        numbers = calls.ours.counters
        assert numbers["sent"] == numbers["received"]
        assert (numbers["in_flight"], numbers["timeouts"], numbers["dropped"]) == (0, 0, {})


def test_a_call_alone_has_a_socket_of_its_own(address: str) -> None:
    with crowd(address, timeout_s=PATIENCE_S) as calls:
        calls.answer(calls.share())
        calls.ended(MANY)
        calls.join()
        requests = calls.start(range(1))
        assert requests[0][1] == b"", "a REQ socket sends no id"
        calls.answer(requests)
        assert calls.ended(1) == [0]


def test_after_a_timeout_further_calls_leave_the_connection_to_the_others(address: str) -> None:
    with crowd(address, timeout_s=1.0) as calls:
        requests = calls.share()
        (old,) = {request[0] for request in requests if request[1]}
        unanswered = next(request for request in requests if request[1])
        calls.answer([request for request in requests if request is not unanswered])
        calls.ended(MANY - 1)
        assert calls.ended(1) == ["timeout"]

        requests = calls.share()
        assert old not in {request[0] for request in requests}
        calls.router.send_multipart([*unanswered[:-1], packed({"return_args": {"n": 111}})])
        calls.answer(requests)
        assert sorted(calls.ended(MANY)) == list(range(MANY))


def test_requests_whose_time_was_over_are_not_carried_out_when_the_server_comes(
    address: str,
) -> None:
    with asking(address, timeout_s=0.2) as ours:
        outcomes: queue.Queue[str] = queue.Queue()

        def call(n: int) -> None:
            with pytest.raises(RequestTimeout):
                ours.ask(n)
            outcomes.put("timeout")

        threads = [threading.Thread(target=call, args=(n,)) for n in range(MANY)]
        for thread in threads:
            thread.start()
        for thread in threads:
            outcomes.get(timeout=PATIENCE_S)
            thread.join(PATIENCE_S)
        assert ours.counters["timeouts"] == MANY

        with bare(zmq.ROUTER, bind=zmq_address(address)) as router:
            calls = Crowd(ours, router)
            (request,) = calls.start(range(1000, 1001))
            assert unpacked(request[-1])["args"] == {"n": 1000}
            calls.answer([request])
            calls.join()


def test_many_calls_wait_for_a_server_that_comes_late(address: str) -> None:
    with asking(address, timeout_s=PATIENCE_S) as ours:
        outcomes: queue.Queue[Any] = queue.Queue()
        threads = [
            threading.Thread(target=lambda n=n: outcomes.put((n, ours.ask(n)["n"])))
            for n in range(MANY)
        ]
        for thread in threads:
            thread.start()
        until(lambda: ours.counters["in_flight"] == MANY, "the calls")
        with doubling(address):
            replies = dict(outcomes.get(timeout=PATIENCE_S) for _ in threads)
        assert replies == {n: 2 * n for n in range(MANY)}
        for thread in threads:
            thread.join(PATIENCE_S)


def test_many_calls_reach_a_server_that_was_restarted(address: str) -> None:
    with asking(address, timeout_s=0.5) as ours:

        def all_answered() -> bool:
            outcomes: queue.Queue[Any] = queue.Queue()

            def call(n: int) -> None:
                try:
                    outcomes.put(ours.ask(n)["n"] == 2 * n)
                except RequestTimeout:
                    outcomes.put(None)

            threads = [threading.Thread(target=call, args=(n,)) for n in range(MANY)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(PATIENCE_S)
            found = [outcomes.get_nowait() for _ in threads]
            assert False not in found
            return None not in found

        for _ in range(3):
            with doubling(address):
                assert until(all_answered, "all replies")


def test_a_stop_ends_many_calls_that_wait(address: str) -> None:
    with crowd(address, timeout_s=60) as calls:
        outcomes: queue.Queue[Any] = queue.Queue()

        def call() -> None:
            try:
                outcomes.put(calls.ours.ask(1))
            except ServiceStopped as error:
                outcomes.put(type(error))

        calls.answer(calls.share())
        calls.ended(MANY)
        threads = [threading.Thread(target=call) for _ in range(MANY)]
        for thread in threads:
            thread.start()
        for _ in threads:
            calls.router.recv_multipart()
        calls.ours.service.stop_service()
        assert {outcomes.get(timeout=PATIENCE_S) for _ in threads} == {ServiceStopped}
        for thread in threads:
            thread.join(PATIENCE_S)
        assert calls.ours.service.failure is None
