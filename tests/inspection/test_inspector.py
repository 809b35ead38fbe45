"""The inspector among hostile and slow askers, and its faults."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import ExitStack
from time import monotonic
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import zmq

import sf_actors
from tests.inspection.asking import Asker, asker_of
from tests.support.services import echo_service
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator

PING = msgspec.msgpack.encode({"args": {"verb": "ping"}})


@pytest.fixture
def address() -> Iterator[str]:
    """Give the address of the inspector of this process."""
    inspection = sf_actors.inspect()
    assert inspection.address is not None
    yield inspection.address
    inspection.close()


@pytest.fixture
def asker(address: str) -> Iterator[Asker]:
    """Give an asker at the inspector of this process."""
    with asker_of(address) as found:
        yield found


@pytest.fixture
def dealer(address: str) -> Iterator[Any]:
    """Give a socket that may send anything."""
    context = zmq.Context()
    found = context.socket(zmq.DEALER)
    found.linger = 0
    found.connect(address)
    yield found
    found.close()
    context.term()


def dropped(asker: Asker) -> int:
    """Return how many of what came were no requests."""
    count: int = asker.ask("stats")["process"]["inspector_dropped"]
    return count


def deep(levels: int) -> bytes:
    """Return a list in a list in a list…"""
    return b"\x91" * levels + b"\xc0"


@pytest.mark.parametrize(
    "frames",
    [
        [b""],
        [b"", b""],
        [PING],
        [b"", PING, PING],
        [b"", b"\xc1"],
        [b"", b"\x80"],
        [b"", msgspec.msgpack.encode({"args": [1, 2], "workflow_id": 1})[:-3]],
        [b"", msgspec.msgpack.encode([1])],
        [b"", deep(100_000)],
        [b"x" * 1000, b"", b"\xc1"],
    ],
)
def test_what_is_no_request_is_dropped_and_counted(
    asker: Asker, dealer: Any, frames: list[bytes]
) -> None:
    before = dropped(asker)
    dealer.send_multipart(frames)
    until(lambda: dropped(asker) == before + 1, "the count")
    assert not dealer.poll(0)


@pytest.mark.parametrize(
    "args",
    [
        {},
        {"verb": 1},
        {"verb": "ping", "what": 1},
        {"verb": "stats", "service": 5},
        {"verb": "\x1b[2J" * 1000},
        {"verb": "ask", "service": "x", "model": ["y"]},
        [1, 2],
        "text",
        {"verb": "ping", b"\xff": 1},
    ],
)
def test_a_wrong_question_is_an_error_of_one_line(asker: Asker, args: Any) -> None:
    asker.socket.send(msgspec.msgpack.encode({"args": args, "workflow_id": "w"}))
    answer = asker.receive()
    assert answer["error"]["type"] == "InvalidArguments"
    assert "\n" not in answer["error"]["message"]
    assert answer["workflow_id"] == "w"


@pytest.mark.parametrize("timeout_s", [-1, float("nan"), float("inf"), 1e300])
def test_a_time_that_nobody_can_wait_is_refused(asker: Asker, timeout_s: float) -> None:
    with echo_service():
        error = asker.error_of(
            "ask", service="service_under_test", model="echo", args={"n": 1}, timeout_s=timeout_s
        )
        assert error["type"] == "InvalidArguments"


def test_a_frame_above_a_mebibyte_is_not_taken(asker: Asker, address: str) -> None:
    with asker_of(address) as other:
        other.send("ask", service="x", model="y", args={"a": b"x" * 2**20})
        assert not other.socket.poll(300)
        assert asker.ask("ping")["services"] == []


def test_one_that_reads_no_answers_holds_up_nobody(asker: Asker, dealer: Any) -> None:
    dealer.rcvhwm = 1
    for _ in range(20_000):
        try:
            dealer.send_multipart([b"", PING], zmq.NOBLOCK)
        except zmq.Again:
            break
    for _ in range(10):
        began = monotonic()
        asker.ask("ping")
        assert monotonic() - began < 5


def test_connections_that_say_nothing_hold_up_nobody(asker: Asker, address: str) -> None:
    path = address.removeprefix("ipc://")
    with ExitStack() as stack:
        for number in range(50):
            plain = stack.enter_context(socket.socket(socket.AF_UNIX))
            plain.connect(path)
            plain.sendall(b"GET / HTTP/1.1\r\n" if number % 2 else b"\xff")
        assert asker.ask("ping")["services"] == []


def test_a_fault_in_an_answer_costs_that_answer_alone(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError("a fault")

    asker.ask("ping")
    monkeypatch.setattr("sf_actors.inspection.answers.process_numbers", fail)
    error = asker.error_of("stats")
    assert error["message"] == "a fault"
    assert asker.ask("ping")["services"] == []


def test_more_asks_than_may_wait_are_refused(
    asker: Asker, monkeypatch: pytest.MonkeyPatch, gate: Any
) -> None:
    monkeypatch.setattr("sf_actors.inspection.injections.MAX_UNDER_WAY", 1)
    with echo_service() as service, asker_of(sf_actors.inspect().address) as other:
        model = {"service": "service_under_test", "model": "echo", "args": {"n": 1}}
        service._run.state.run_context.handler_lock._lock.acquire()
        other.send("ask", **model)
        until(lambda: service.stats()["connections"]["in"]["echo"]["in_flight"] == 1)
        assert "ask again later" in asker.error_of("ask", **model)["message"]
        service._run.state.run_context.handler_lock._lock.release()
        assert other.receive(PATIENCE_S)["return_args"] == {"n": 1}


def test_one_of_the_process_may_end_and_begin_again_many_times() -> None:
    addresses = set()
    for _ in range(20):
        inspection = sf_actors.inspect()
        addresses.add(inspection.address)
        with asker_of(inspection.address) as asker:
            asker.ask("ping")
        inspection.close()
    assert len(addresses) > 1


def test_it_goes_on_after_a_fault_of_its_own(
    asker: Asker, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_arguments: object) -> None:
        raise RuntimeError("a fault")

    asker.ask("ping")
    with monkeypatch.context() as patched:
        patched.setattr("sf_actors.inspection.answers.Answers.take", fail)
        with asker_of(sf_actors.inspect().address) as other:
            other.send("ping")
            until(lambda: "the inspector failed" in capfd.readouterr().err)
    assert asker.ask("ping")["services"] == []


def test_it_takes_a_thread_and_a_few_descriptors() -> None:
    with echo_service():
        threads = set(threading.enumerate())
        descriptors = len(os.listdir("/proc/self/fd"))
        inspection = sf_actors.inspect()
        more = set(threading.enumerate()) - threads
        # its own, and what libzmq takes for a socket: its mailbox and where it listens
        assert len(os.listdir("/proc/self/fd")) - descriptors <= 4
        assert {"sf_actors/inspector"} == {thread.name for thread in more if thread.is_alive()}
        inspection.close()
