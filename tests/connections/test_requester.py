"""The requester: each call ends in exactly one of reply, error or timeout."""

from __future__ import annotations

import queue
import threading
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from sf_actors import (
    InvalidArguments,
    MessageTooLarge,
    RemoteError,
    RequestTimeout,
    ServiceStopped,
)
from sf_actors.testing import running
from tests.support.bare_sockets import bare, packed, unpacked
from tests.support.doubling_service import N, asking, doubling
from tests.support.models import Sender, at, replyer, requester, service
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(params=["ipc", "inproc", "tcp"])
def address(request: pytest.FixtureRequest, tmp_path: Path, new_address: Callable[[], str]) -> str:
    if request.param == "ipc":
        return f"ipc://{tmp_path}/it"
    return "inproc://it" if request.param == "inproc" else new_address()


def test_a_call_returns_the_fields_of_the_reply(address: str) -> None:
    with doubling(address), asking(address) as ours:
        assert ours.ask(21) == {"n": 42}


def test_counters_of_a_requester_add_up(address: str) -> None:
    with doubling(address), asking(address) as ours:
        for n in range(5):
            ours.ask(n)

        assert ours.counters == {
            "sent": 5,
            "received": 5,
            "in_flight": 0,
            "timeouts": 0,
            "retries": 0,
            "behind": 0,
            "unknown_fields": 0,
            "dropped": {},
            "last_error": None,
        }


def test_arguments_that_fail_the_model_are_not_sent(address: str) -> None:
    with doubling(address), asking(address) as ours:
        with pytest.raises(InvalidArguments, match="'n': expected int, got str"):
            ours.ask("1")
        assert ours.counters["sent"] == 0


def test_a_request_that_is_too_large_is_not_sent(tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/it"
    with asking(address, max_message_bytes=20) as ours:
        with pytest.raises(MessageTooLarge, match="max_message_bytes allows 20"):
            ours.ask(1)
        assert ours.counters["sent"] == 0


def test_the_largest_request_that_is_allowed_arrives(tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/it"
    size = 10_000
    model = {
        "connection_type": "replyer",
        "required_creation_arguments": {"f": lambda args: None},
        "optional_creation_arguments": {"max_message_bytes": size},
        "required_arguments": {"b": bytes},
    }
    out = requester({"b": bytes}, timeout_s=PATIENCE_S, max_message_bytes=size)
    sender = Sender()
    with (
        running(service("large", {"it": model}), addresses=at({"it": address})),
        running(
            service("out", outbound={"it": out}, init_function=sender.__call__),
            addresses=at(outbound={"it": address}),
        ),
    ):
        over = 0
        for length in range(size - 100, size):
            try:
                assert sender.connection("it", {"b": b"x" * length}) == {}
            except MessageTooLarge:
                over += 1
        assert 10 < over < 90, "the limit lies between"


def test_calls_from_many_threads_get_each_its_own_reply(address: str) -> None:
    threads, each = 16, 40
    wrong: queue.Queue[Any] = queue.Queue()
    with doubling(address), asking(address, timeout_s=PATIENCE_S) as ours:

        def call(offset: int) -> None:
            for n in range(offset, offset + each):
                reply = ours.ask(n)
                if reply != {"n": n * 2}:
                    wrong.put((n, reply))

        running_threads = [
            threading.Thread(target=call, args=(number * each,)) for number in range(threads)
        ]
        for thread in running_threads:
            thread.start()
        for thread in running_threads:
            thread.join(3 * PATIENCE_S)

        assert wrong.empty()
        numbers = ours.counters
        assert numbers["sent"] == numbers["received"] == threads * each
        assert numbers["in_flight"] == 0


def test_concurrent_calls_do_not_wait_for_each_other(tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/it"
    count = 70
    with (
        asking(address, timeout_s=PATIENCE_S) as ours,
        bare(zmq.ROUTER, bind=address) as router,
    ):
        got: queue.Queue[Any] = queue.Queue()
        threads = [
            threading.Thread(target=lambda n=n: got.put((n, ours.ask(n)))) for n in range(count)
        ]
        for thread in threads:
            thread.start()
        requests = [router.recv_multipart() for _ in range(count)]  # all under way at once
        assert ours.counters["in_flight"] == count
        for *address_frames, frame in reversed(requests):
            n = unpacked(frame)["args"]["n"]
            router.send_multipart([*address_frames, packed({"return_args": {"n": n + 1}})])

        replies = dict(got.get(timeout=PATIENCE_S) for _ in range(count))
        assert replies == {n: {"n": n + 1} for n in range(count)}
        for thread in threads:
            thread.join(PATIENCE_S)
        until(lambda: ours.counters["in_flight"] == 0, "the end of all calls")


def test_the_error_of_the_other_side_has_its_type_and_message(tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/it"

    def handler(args: dict[str, Any]) -> None:
        raise LookupError("nobody there")

    with (
        running(service("failing", {"it": replyer(handler, N, N)}), addresses=at({"it": address})),
        asking(address) as ours,
    ):
        with pytest.raises(RemoteError, match="LookupError: nobody there") as caught:
            ours.ask(1)
        assert (caught.value.type, caught.value.message) == ("LookupError", "nobody there")
        assert "Traceback" not in str(caught.value)


def test_a_stop_ends_the_calls_that_wait(tmp_path: Path) -> None:
    errors: queue.Queue[Any] = queue.Queue()

    def call() -> None:
        try:
            ours.ask(1)
        except ServiceStopped as error:
            errors.put(error)

    with asking(f"ipc://{tmp_path}/nobody", timeout_s=60) as ours:
        threads = [threading.Thread(target=call) for _ in range(5)]
        for thread in threads:
            thread.start()
        until(lambda: ours.counters["in_flight"] == 5, "the calls")
        started = monotonic()
        ours.service.stop_service()

        for _ in threads:
            errors.get(timeout=PATIENCE_S)
        assert monotonic() - started < PATIENCE_S
        for thread in threads:
            thread.join(PATIENCE_S)
        assert ours.service.failure is None
        assert ours.counters["timeouts"] == 0
        with pytest.raises(ServiceStopped):
            ours.ask(1)


@pytest.mark.slow
def test_two_services_that_ask_each_other_time_out_and_say_why(tmp_path: Path) -> None:
    errors: queue.Queue[Any] = queue.Queue()

    def asks_back(args: dict[str, Any], to_send: Any) -> dict[str, Any]:
        try:
            return to_send("connection", "other", args)  # type: ignore[no-any-return]
        except RequestTimeout as error:
            errors.put(str(error))
            raise

    def peer(mine: str, theirs: str) -> Any:
        inbound = {"it": replyer(asks_back, N, N)}
        module = service(mine, inbound, {"other": requester(N, N, timeout_s=0.3)})
        addresses = at({"it": f"ipc://{tmp_path}/{mine}"}, {"other": f"ipc://{tmp_path}/{theirs}"})
        return running(module, addresses=addresses, stop_timeout_s=3)

    with (
        peer("a", "b") as a,
        peer("b", "a"),
        asking(f"ipc://{tmp_path}/a", timeout_s=PATIENCE_S) as ours,
    ):
        with pytest.raises(RemoteError) as caught:
            ours.ask(1)
        assert caught.value.type in {"RequestTimeout", "RemoteError"}
        message = errors.get(timeout=PATIENCE_S)
        assert "the call came from within" in message
        assert "neither can answer" in message
        started = monotonic()
        a.stop_service()
        assert monotonic() - started < PATIENCE_S


def test_a_very_long_deadline_is_no_error(tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/it"
    with doubling(address), asking(address, timeout_s=9_000_000) as ours:
        assert ours.ask(2) == {"n": 4}


def test_none_as_arguments_is_no_fields(tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/it"
    sender = Sender()
    with (
        running(service("s", {"it": replyer(lambda args: None)}), addresses=at({"it": address})),
        running(
            service("a", outbound={"it": requester()}, init_function=sender.__call__),
            addresses=at(outbound={"it": address}),
        ),
    ):
        assert sender.to_send("connection", "it", None) == {}


def test_the_reply_to_a_lonely_call_is_signalled(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It need not be looked for: libzmq wakes who waits, if the last look was thorough."""
    monkeypatch.setattr("sf_actors.connections.exchange.FIRST_WAIT_S", 2 * PATIENCE_S)
    with doubling(address), asking(address, timeout_s=PATIENCE_S) as ours:
        for n in range(300):
            assert ours.ask(n) == {"n": 2 * n}
