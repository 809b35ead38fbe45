"""Inboxes: no message and no wake-up is lost, whatever comes at once."""

from __future__ import annotations

import socket
import threading
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from sf_actors.actors.inbox import (
    ALARM,
    STEP,
    TICK,
    Inbox,
    Pollable,
    SocketInbox,
    SocketSource,
    WaitFailed,
)
from sf_actors.actors.pykka_actor import LAST, Envelope
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    Pair = tuple[zmq.Socket[bytes], zmq.Socket[bytes]]


@pytest.fixture
def inbox() -> Iterator[SocketInbox]:
    inbox = SocketInbox()
    yield inbox
    inbox.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Two connected sockets, the first of which is to be read."""
    context = zmq.Context()
    reading, writing = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
    reading.bind("inproc://pair")
    writing.connect("inproc://pair")
    yield reading, writing
    context.destroy(linger=0)


def get_in_time(inbox: Inbox | SocketInbox) -> Any:
    """Return the next message, or fail when none comes."""
    got: list[Any] = []
    thread = threading.Thread(target=lambda: got.append(inbox.get().message), daemon=True)
    thread.start()
    thread.join(PATIENCE_S)
    assert got, "nothing came"
    return got[0]


def read_all(source: SocketSource) -> list[bytes]:
    found = []
    while True:
        try:
            found.append(source.socket.recv(zmq.NOBLOCK))
        except zmq.Again:
            source.drained()
            return found


@pytest.mark.parametrize("kind", [Inbox, SocketInbox])
def test_messages_come_in_their_order(kind: type[Inbox | SocketInbox]) -> None:
    inbox = kind()
    for number in range(100):
        inbox.put(Envelope(number))

    assert [inbox.get().message for _ in range(100)] == list(range(100))
    assert inbox.empty()
    if isinstance(inbox, SocketInbox):
        inbox.close()


@pytest.mark.parametrize("kind", [Inbox, SocketInbox])
def test_no_wake_up_is_lost_when_many_threads_put(kind: type[Inbox | SocketInbox]) -> None:
    inbox = kind()
    threads, each = 8, 2_000
    counts: dict[int, int] = dict.fromkeys(range(threads), 0)
    done = threading.Event()

    def read() -> None:
        for _ in range(threads * each):
            writer, number = inbox.get().message
            assert number == counts[writer]
            counts[writer] += 1
        done.set()

    def write(writer: int) -> None:
        for number in range(each):
            inbox.put(Envelope((writer, number)))

    running = [threading.Thread(target=read, daemon=True)]
    running += [threading.Thread(target=write, args=(n,), daemon=True) for n in range(threads)]
    for thread in running:
        thread.start()

    assert done.wait(3 * PATIENCE_S), f"stuck at {counts}"
    for thread in running:
        thread.join(PATIENCE_S)
    if isinstance(inbox, SocketInbox):
        inbox.close()


def test_each_of_many_turns_between_two_threads_wakes_the_other() -> None:
    here, there = Inbox(), SocketInbox()
    turns = 5_000

    def play() -> None:
        for _ in range(turns):
            here.put(there.get())

    thread = threading.Thread(target=play, daemon=True)
    thread.start()
    started = monotonic()
    for number in range(turns):
        there.put(Envelope(number))
        assert here.get().message == number
        assert monotonic() - started < 3 * PATIENCE_S
    thread.join(PATIENCE_S)
    there.close()


def test_messages_and_a_socket_at_once_lose_nothing(inbox: SocketInbox, pair: Pair) -> None:
    reading, writing = pair
    source = SocketSource(reading)
    inbox.watch(source)
    count = 3_000
    frames: list[bytes] = []
    messages: list[int] = []
    done = threading.Event()

    def read() -> None:
        while len(frames) < count or len(messages) < count:
            message = inbox.get().message
            if message is source:
                frames.extend(read_all(source))
            else:
                messages.append(message)
        done.set()

    def write_frames() -> None:
        for number in range(count):
            writing.send(b"%d" % number)

    def put_messages() -> None:
        for number in range(count):
            inbox.put(Envelope(number))

    threads = [threading.Thread(target=f, daemon=True) for f in (read, write_frames, put_messages)]
    for thread in threads:
        thread.start()

    assert done.wait(3 * PATIENCE_S), f"stuck with {len(frames)} frames, {len(messages)} messages"
    for thread in threads:
        thread.join(PATIENCE_S)
    assert frames == [b"%d" % number for number in range(count)]
    assert messages == list(range(count))


def test_a_deadline_comes_as_a_tick_once(inbox: SocketInbox) -> None:
    inbox.deadline = monotonic() + 0.02

    assert get_in_time(inbox) is TICK
    assert inbox.deadline is None


def test_an_alarm_comes_once_and_leaves_the_deadline_alone(inbox: SocketInbox) -> None:
    alarm = inbox.alarm = monotonic() + 0.02
    far = inbox.deadline = alarm + 3_600
    assert get_in_time(inbox) is ALARM
    assert monotonic() >= alarm
    assert (inbox.alarm, inbox.deadline) == (None, far)
    deadline = inbox.deadline = monotonic() + 0.02
    assert get_in_time(inbox) is TICK
    assert monotonic() >= deadline


def test_an_alarm_comes_without_a_deadline_and_beside_work(inbox: SocketInbox) -> None:
    inbox.alarm = monotonic()
    assert get_in_time(inbox) is ALARM
    inbox.has_work, inbox.alarm = True, monotonic()
    assert ALARM in {get_in_time(inbox) for _ in range(3)}


def test_a_deadline_does_not_come_early(inbox: SocketInbox) -> None:
    deadline = inbox.deadline = monotonic() + 0.05

    get_in_time(inbox)

    assert monotonic() >= deadline


def test_a_paused_socket_is_not_read_until_it_is_resumed(inbox: SocketInbox, pair: Pair) -> None:
    reading, writing = pair
    source = SocketSource(reading)
    inbox.watch(source)
    inbox.pause(source)
    writing.send(b"x")
    inbox.deadline = monotonic() + 0.05

    assert get_in_time(inbox) is TICK
    inbox.resume(source)
    assert get_in_time(inbox) is source
    assert read_all(source) == [b"x"]


def test_an_actor_is_given_what_can_be_read_within_get(inbox: SocketInbox, pair: Pair) -> None:
    reading, writing = pair
    found: list[bytes] = []

    def on_receive(source: SocketSource) -> None:
        found.extend(read_all(source))
        if len(found) < 3:
            writing.send(b"next")
        else:
            inbox.put(Envelope("enough"))

    inbox.watch(SocketSource(reading))
    inbox.on_receive = on_receive
    writing.send(b"first")

    assert get_in_time(inbox) == "enough"
    assert found == [b"first", b"next", b"next"]


def test_an_actor_that_leaves_its_inbox_ends_before_the_messages_in_it(
    inbox: SocketInbox, pair: Pair
) -> None:
    reading, writing = pair

    def on_receive(_source: object) -> None:
        inbox.put(Envelope("for who takes over"))
        inbox.leave()

    inbox.watch(SocketSource(reading))
    inbox.on_receive = on_receive
    writing.send(b"x")

    assert get_in_time(inbox) is LAST.message
    assert inbox.close() == ["for who takes over"]


def test_a_plain_descriptor_comes_as_its_message_once_it_is_readable(inbox: SocketInbox) -> None:
    ours, theirs = socket.socketpair()
    awaited = Pollable(ours.fileno(), "there")
    with ours, theirs:
        inbox.watch(awaited)
        inbox.deadline = monotonic() + 0.05
        assert get_in_time(inbox) is TICK
        theirs.send(b"x")
        assert get_in_time(inbox) == "there"
        ours.recv(1)
        awaited.drained()
        inbox.deadline = monotonic() + 0.05
        assert get_in_time(inbox) is TICK
        inbox.forget(awaited)


def test_busy_sockets_do_not_starve_another_nor_one_that_comes_to_life_meanwhile(
    inbox: SocketInbox,
) -> None:
    context = zmq.Context()
    sources, ends = [], []
    for name in ("a", "b", "c"):
        reading, writing = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
        reading.bind(f"inproc://{name}")
        writing.connect(f"inproc://{name}")
        source = SocketSource(reading)
        inbox.watch(source)
        sources.append(source)
        ends.append(writing)

    came = [get_in_time(inbox) for _ in range(9)]  # none of them says that it is drained

    assert {came.count(source) for source in sources} == {3}
    sources[0].drained()
    assert sources[0] not in [get_in_time(inbox) for _ in range(9)]
    ends[0].send(b"x")
    assert sources[0] in [get_in_time(inbox) for _ in range(6)]
    for source in sources:
        inbox.forget(source)
    context.destroy(linger=0)


def test_a_wait_that_fails_is_told_instead_of_raised(inbox: SocketInbox) -> None:
    inbox._polled = [("no socket", 1)]

    assert isinstance(get_in_time(inbox), WaitFailed)


def test_closing_gives_back_what_nobody_will_read() -> None:
    inbox = SocketInbox()
    inbox.put(Envelope("left"))

    assert inbox.close() == ["left"]
    inbox.put(Envelope("too late"))


def test_work_is_done_in_turn_with_what_can_be_read(inbox: SocketInbox, pair: Pair) -> None:
    reading, writing = pair
    source = SocketSource(reading)
    inbox.watch(source)
    for _ in range(3):
        writing.send(b"x")
    inbox.has_work = True
    got = [inbox.get().message for _ in range(6)]
    assert got == [source, STEP] * 3
    inbox.put(Envelope("first"))
    assert inbox.get().message == "first"
    source.drained()
    read_all(source)
    assert [inbox.get().message for _ in range(3)] == [STEP] * 3
    inbox.has_work = False
    inbox.put(Envelope("last"))
    assert get_in_time(inbox) == "last"


def test_work_does_not_keep_the_deadline_from_coming(inbox: SocketInbox) -> None:
    inbox.has_work = True
    inbox.deadline = monotonic()
    assert inbox.get().message is TICK
    assert inbox.get().message is STEP


@pytest.mark.parametrize(("waited_s", "is_probably_single"), [(0.0, False), (0.001, True)])
def test_a_source_knows_whether_it_was_waited_for(
    inbox: SocketInbox,
    pair: Pair,
    monkeypatch: pytest.MonkeyPatch,
    waited_s: float,
    is_probably_single: bool,
) -> None:
    reading, writing = pair
    source = SocketSource(reading)
    source.drained()
    inbox.watch(source)
    writing.send(b"x")
    times = iter([5.0, 5.0 + waited_s])
    monkeypatch.setattr("sf_actors.actors.inbox.monotonic", lambda: next(times))

    assert inbox.get().message is source
    assert source.is_probably_single is is_probably_single
