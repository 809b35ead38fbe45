"""Many calls of a requester at once share a connection, also when its server comes and goes."""

from __future__ import annotations

import queue
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from sf_actors import RequestTimeout, ServiceStopped
from tests.support.bare_sockets import bare, packed, unpacked
from tests.support.doubling_service import asking, attempt, doubling
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.bare_sockets import Socket

MANY = 24


@pytest.fixture(params=["ipc", "tcp"])
def address(request: pytest.FixtureRequest, tmp_path: Path, new_address: Callable[[], str]) -> str:
    return f"ipc://{tmp_path}/it" if request.param == "ipc" else new_address()


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
        requests = calls.start(range(MANY))
        assert calls.ours.counters["in_flight"] == MANY
        calls.answer(requests[::-1])

        assert sorted(calls.ended(MANY)) == list(range(MANY))
        calls.join()
        numbers = calls.ours.counters
        assert numbers["sent"] == numbers["received"]
        assert (numbers["in_flight"], numbers["timeouts"], numbers["dropped"]) == (0, 0, {})


@pytest.mark.slow
def test_a_timeout_costs_no_connection(address: str) -> None:
    with crowd(address, timeout_s=1.0) as calls:
        requests = calls.start(range(MANY))
        peers = {request[0] for request in requests}
        *answered, unanswered = requests
        calls.answer(answered)
        calls.ended(MANY - 1)
        assert calls.ended(1) == ["timeout"]

        requests = calls.start(range(MANY))
        assert {request[0] for request in requests} <= peers
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_stop_ends_many_calls_that_wait(address: str) -> None:
    with crowd(address, timeout_s=60) as calls:
        outcomes: queue.Queue[Any] = queue.Queue()

        def call() -> None:
            try:
                outcomes.put(calls.ours.ask(1))
            except ServiceStopped as error:
                outcomes.put(type(error))

        calls.answer(calls.start(range(MANY)))
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


class Caller:
    """A thread that asks one number after the other."""

    def __init__(self, ours: Any) -> None:
        self._ours = ours
        self._numbers: queue.Queue[int | None] = queue.Queue()
        self.outcomes: queue.Queue[Any] = queue.Queue()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def ask(self, n: int) -> None:
        self._numbers.put(n)

    def end(self) -> None:
        self._numbers.put(None)
        self._thread.join(PATIENCE_S)

    def _run(self) -> None:
        while (n := self._numbers.get(timeout=PATIENCE_S)) is not None:
            self.outcomes.put(attempt(self._ours, n))


@contextmanager
def two_callers(
    address: str, monkeypatch: pytest.MonkeyPatch, timeout_s: float
) -> Iterator[tuple[Caller, Caller, Crowd]]:
    """Give a caller with a connection of its own, one without, and the socket they ask."""
    monkeypatch.setattr("sf_actors.connections.requester.MAX_PRIVATE", 1)
    with crowd(address, timeout_s=timeout_s) as many:
        callers = Caller(many.ours), Caller(many.ours)
        try:
            for caller in callers:
                caller.ask(0)
                many.answer([many.router.recv_multipart()])
                assert caller.outcomes.get(timeout=PATIENCE_S) == {"n": 0}
            yield (*callers, many)
        finally:
            for caller in callers:
                caller.end()


@pytest.mark.slow
def test_calls_beyond_those_with_a_connection_each_go_through_one_and_later_through_their_own(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with two_callers(address, monkeypatch, PATIENCE_S) as (first, second, many):
        first.ask(1)
        alone = many.router.recv_multipart()
        many.answer([alone])
        assert first.outcomes.get(timeout=PATIENCE_S) == {"n": 1}
        second.ask(2)
        beside = many.router.recv_multipart()
        first.ask(3)
        together = many.router.recv_multipart()
        assert beside[0] == together[0] != alone[0]
        many.answer([beside, together])
        assert first.outcomes.get(timeout=PATIENCE_S) == {"n": 3}
        first.ask(4)
        again = many.router.recv_multipart()
        assert again[0] == alone[0]
        many.answer([again])


@pytest.mark.slow
def test_a_thread_stays_where_a_call_of_it_may_still_be_under_way(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with two_callers(address, monkeypatch, 0.5) as (first, second, many):
        first.ask(1)
        unanswered = many.router.recv_multipart()
        assert first.outcomes.get(timeout=PATIENCE_S) is None, "nobody answered"
        second.ask(2)
        many.router.recv_multipart()
        first.ask(3)
        assert many.router.recv_multipart()[0] == unanswered[0]
