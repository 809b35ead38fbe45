"""Calls without a reply: late, restarted and dead servers, retries."""

from __future__ import annotations

import queue
import socket
import threading
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from sf_actors import RequestTimeout
from sf_actors.testing import running
from tests.support.bare_sockets import bare, packed, unpacked
from tests.support.doubling_service import N, asking, attempt, doubling, until_told
from tests.support.models import at, counters, replyer, service
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.fixture(params=["ipc", "inproc", "tcp"])
def address(request: pytest.FixtureRequest, tmp_path: Path, new_address: Callable[[], str]) -> str:
    if request.param == "ipc":
        return f"ipc://{tmp_path}/it"
    return "inproc://it" if request.param == "inproc" else new_address()


def test_nobody_there_is_a_timeout_at_the_deadline_that_names_the_address(address: str) -> None:
    with asking(address, timeout_s=0.2) as ours:
        started = monotonic()
        with pytest.raises(RequestTimeout, match=r"no reply from .* within 0\.2 s") as caught:
            ours.ask(1)

        assert 0.2 <= monotonic() - started < PATIENCE_S
        assert address.rpartition("/")[2] in str(caught.value)
        assert "neither can answer" not in str(caught.value)
        assert (ours.counters["timeouts"], ours.counters["in_flight"]) == (1, 0)
        assert "RequestTimeout" in ours.counters["last_error"]


def test_who_ends_the_handshake_is_not_said_to_be_nobody() -> None:
    """As a service with keys does with who has none that it knows."""

    def turn_away() -> None:
        with suppress(OSError):
            while True:
                listening.accept()[0].close()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=turn_away)
        thread.start()
        place = f"127.0.0.1:{listening.getsockname()[1]}"
        with asking(place, timeout_s=0.3) as ours:
            until_told(ours, f"; {place} ends each connection before it is")
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(PATIENCE_S)
    with asking(place, timeout_s=0.2) as ours:
        until_told(ours, "nobody listens")


def test_who_takes_connections_and_says_nothing_is_not_said_to_be_nobody() -> None:
    """As a service that is frozen does, for which the kernel takes them."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        place = f"127.0.0.1:{listening.getsockname()[1]}"
        with asking(place, timeout_s=0.3) as ours:
            until_told(ours, f"; {place} takes connections, but has not greeted yet")
            listening.close()
            until_told(ours, "nobody listens")


def test_a_server_that_starts_late_answers_the_call_that_waits(address: str) -> None:
    with asking(address, timeout_s=PATIENCE_S) as ours:
        got: queue.Queue[Any] = queue.Queue()
        thread = threading.Thread(target=lambda: got.put(ours.ask(1)))
        thread.start()
        until(lambda: ours.counters["in_flight"] == 1, "the call")
        with doubling(address):
            assert got.get(timeout=PATIENCE_S) == {"n": 2}
        thread.join(PATIENCE_S)


def test_the_next_call_works_after_a_timeout(address: str) -> None:
    with asking(address, timeout_s=0.2) as ours:
        with pytest.raises(RequestTimeout):
            ours.ask(1)
        with doubling(address):
            assert until(lambda: attempt(ours, 2), "a reply") == {"n": 4}


def test_a_server_that_was_restarted_answers_the_next_call(address: str) -> None:
    with asking(address, timeout_s=1.0) as ours:
        for n in range(3):
            with doubling(address):
                assert until(lambda n=n: attempt(ours, n), "a reply")


def test_a_server_that_dies_in_between_is_a_timeout_and_the_next_call_works(
    tmp_path: Path,
) -> None:
    address = f"ipc://{tmp_path}/it"
    with asking(address, timeout_s=0.3) as ours:
        with bare(zmq.REP, bind=address) as rep:
            thread = threading.Thread(target=rep.recv)
            thread.start()
            with pytest.raises(RequestTimeout):
                ours.ask(1)
            thread.join(PATIENCE_S)
        with doubling(address):
            assert until(lambda: attempt(ours, 5), "a reply") == {"n": 10}


def test_a_late_reply_is_never_taken_for_that_of_another_call(tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/it"
    with asking(address, timeout_s=1.0) as ours, bare(zmq.ROUTER, bind=address) as router:
        with pytest.raises(RequestTimeout):
            ours.ask(1)
        first = router.recv_multipart()
        got: queue.Queue[Any] = queue.Queue()
        thread = threading.Thread(target=lambda: got.put(attempt(ours, 2)))
        thread.start()
        second = router.recv_multipart()
        assert unpacked(second[-1])["args"] == {"n": 2}
        router.send_multipart([*first[:-1], packed({"return_args": {"n": 111}})])
        router.send_multipart([*second[:-1], packed({"return_args": {"n": 222}})])

        assert got.get(timeout=PATIENCE_S) == {"n": 222}
        thread.join(PATIENCE_S)


def test_frames_that_nobody_reads_behind_a_reply_do_not_hinder_the_next_call(
    tmp_path: Path,
) -> None:
    address = f"ipc://{tmp_path}/it"
    with asking(address) as ours, bare(zmq.ROUTER, bind=address) as router:

        def answer() -> None:
            for n in (1, 2):
                *back, _ = router.recv_multipart()
                router.send_multipart([*back, packed({"return_args": {"n": n}}), b"behind it"])

        thread = threading.Thread(target=answer)
        thread.start()
        assert [ours.ask(0), ours.ask(0)] == [{"n": 1}, {"n": 2}]
        thread.join(PATIENCE_S)


def test_each_retry_has_its_own_deadline_and_the_same_request_id(tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/it"
    with (
        asking(address, timeout_s=0.3, retries=2) as ours,
        bare(zmq.ROUTER, bind=address) as router,
    ):
        with pytest.raises(RequestTimeout, match="tried 3 times"):
            ours.ask(1)

        requests = [unpacked(router.recv_multipart()[-1]) for _ in range(3)]
        assert len({request["request_id"] for request in requests}) == 1
        assert len({request["workflow_id"] for request in requests}) == 1
        numbers = ours.counters
        assert (numbers["sent"], numbers["timeouts"], numbers["retries"]) == (3, 3, 2)


def test_another_call_has_another_request_id(tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/it"
    with (
        asking(address, timeout_s=0.3, retries=1) as ours,
        bare(zmq.ROUTER, bind=address) as router,
    ):
        for _ in range(2):
            attempt(ours, 1)
        requests = [unpacked(router.recv_multipart()[-1]) for _ in range(4)]
        assert len({request["request_id"] for request in requests}) == 2


def test_a_retry_whose_first_attempt_is_still_handled_gets_the_one_reply(tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/it"
    calls: list[int] = []
    repeated = threading.Event()

    def slow(args: dict[str, Any]) -> dict[str, Any]:
        calls.append(args["n"])
        assert repeated.wait(PATIENCE_S)
        return {"n": len(calls)}

    models = {
        "it": replyer(slow, N, N, deduplicate=True),
        # holds the handler lock first, so that the other's calls queue and its socket is read on
        "busy": replyer(lambda args: repeated.wait(PATIENCE_S) and None),
    }
    addresses = at({"it": address, "busy": f"ipc://{tmp_path}/busy"})
    with (
        running(service("slow", models), addresses=addresses) as served,
        asking(address, timeout_s=0.2, retries=50) as ours,
        bare(zmq.REQ, connect=f"ipc://{tmp_path}/busy") as busy,
    ):
        busy.send(packed({"args": {}}))
        until(
            lambda: served._run.state.run_context.handler_lock.user_code.label, "the busy handler"
        )  # type: ignore[union-attr]
        got: queue.Queue[Any] = queue.Queue()
        thread = threading.Thread(target=lambda: got.put(ours.ask(7)))
        thread.start()
        until(lambda: counters(served, "it")["deduplicated"] >= 2, "two repetitions")
        repeated.set()

        assert got.get(timeout=PATIENCE_S) == {"n": 1}
        assert calls == [7]
        thread.join(PATIENCE_S)


@pytest.mark.parametrize("private", [8, 0])
def test_calls_of_one_thread_arrive_in_their_order_though_none_is_answered_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, private: int
) -> None:
    monkeypatch.setattr("sf_actors.connections.requester.MAX_PRIVATE", private)
    address = f"ipc://{tmp_path}/it"
    with bare(zmq.ROUTER, bind=address) as busy, asking(address, timeout_s=0.03) as ours:
        for n in range(10):
            assert attempt(ours, n) is None
        arrived = [unpacked(busy.recv_multipart()[-1])["args"]["n"] for _ in range(10)]
        assert arrived == list(range(10))
