"""`to_send`: what it takes, and what it says to what it cannot take."""

from __future__ import annotations

import queue
import signal
import threading
from contextlib import ExitStack
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from sf_actors import InvalidArguments, RemoteError, ServiceStopped, SfActorsError
from sf_actors.log import WORKFLOW_ID
from sf_actors.testing import running
from tests.support.bare_sockets import ask, bare, packed
from tests.support.models import (
    ANY_PORT,
    Sender,
    address_of,
    at,
    external,
    publisher,
    replyer,
    requester,
    service,
    subscriber,
)
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def to_send() -> Iterator[Any]:
    """A service with connections `price`, `both` and states `book`, `both`."""
    sender = Sender()

    def state(name: str) -> dict[str, Any]:
        return {"state_type": "full_update_out", "required_arguments": {"n": int}}

    module = service(
        outbound={
            "price": publisher({"n": int}),
            "both": publisher({"n": int}),
            "answer": external(lambda n: {"n": n + 1}, {"n": int}, {"n": int}),
        },
        state_models={"out": {"book": state("book"), "both": state("both")}},
        init_function=sender.__call__,
    )
    addresses = at(outbound={"price": ANY_PORT, "both": ANY_PORT})
    addresses["states"] = {"out": {"book": ANY_PORT, "both": ANY_PORT}}
    with running(module, addresses=addresses):
        yield sender.to_send


def test_a_connection_with_a_reply_returns_it(to_send: Any) -> None:
    assert to_send("connection", "answer", {"n": 1}) == {"n": 2}


def test_a_publisher_returns_none_and_a_state_the_number_of_its_update(to_send: Any) -> None:
    assert to_send("connection", "price", {"n": 1}) is None
    number = to_send("state", "book", {"n": 1})
    assert to_send("state", "book", {"n": 1}) == number + 1


def test_the_kind_may_be_left_out_where_the_name_is_unique(to_send: Any) -> None:
    assert to_send("answer", {"n": 1}) == {"n": 2}
    assert isinstance(to_send("book", {"n": 1}), int)


def test_arguments_may_be_given_by_name(to_send: Any) -> None:
    assert to_send(output_type="connection", output_name="answer", args={"n": 1}) == {"n": 2}


def test_a_name_that_is_a_connection_and_a_state_needs_its_kind(to_send: Any) -> None:
    with pytest.raises(InvalidArguments, match="'both' is a connection and a state; say which"):
        to_send("both", {"n": 1})
    to_send("connection", "both", {"n": 1})
    to_send("state", "both", {"n": 1})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (("connection", "prise", {}), "no outbound connection is named 'prise'; did you mean 'pri"),
        (("state", "boook", {}), "no outbound state is named 'boook'; did you mean 'book'"),
        (("prise", {}), "no outbound connection or out-state is named 'prise'; did you mean 'pric"),
        (("conection", "price", {}), "expected 'connection' or 'state' first, got 'conection'; di"),
        (("connection", "book", {}), "the state has that name: to_send('state', 'book', args)"),
        (("state", "price", {}), "the connection has that name: to_send('connection', 'price', a"),
        (("connection", "price"), "expected to_send('connection', name, args), got no args"),
        (("price", "price", {}), "expected 'connection' or 'state' first, got 'price'"),
        (({}, {}), "no outbound connection or out-state is named {}"),
        (("connection", [], {}), "no outbound connection is named []"),
        ((None, None, None), "expected 'connection' or 'state' first, got None"),
    ],
)
def test_what_cannot_be_meant_is_told(to_send: Any, call: tuple[Any, ...], message: str) -> None:
    with pytest.raises(InvalidArguments) as caught:
        to_send(*call)

    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("args", [{}, {"n": "1"}, {"n": 1, "m": 2}, {"n": True}, [1], "n", 5, None])
@pytest.mark.parametrize("call", [("connection", "price"), ("state", "book"), ("answer",)])
def test_arguments_that_fail_the_model_are_an_error_of_the_package(
    to_send: Any, call: tuple[str, ...], args: Any
) -> None:
    with pytest.raises(InvalidArguments):
        to_send(*call, args)
    assert issubclass(InvalidArguments, SfActorsError)


def test_after_the_stop_nothing_is_sent() -> None:
    sender = Sender()
    module = service(
        outbound={"answer": external(lambda: None)}, init_function=sender.__call__, name="gone"
    )
    with running(module) as served:
        sender.to_send("answer", {})
    with pytest.raises(ServiceStopped, match="gone"):
        sender.to_send("answer", {})
    assert served.failure is None


def test_it_shows_what_it_sends_to(to_send: Any) -> None:
    assert "connection 'price'" in repr(to_send)
    assert "state 'book'" in repr(to_send)


def test_each_send_that_belongs_to_nothing_has_a_workflow_id_of_its_own() -> None:
    ids: queue.Queue[Any] = queue.Queue()

    def main(to_send: Any) -> None:
        for _ in range(2):
            to_send("target", {})
        ids.put(WORKFLOW_ID.get())

    one = service(
        outbound={"target": external(lambda: ids.put(WORKFLOW_ID.get()))}, main=main, name="one"
    )
    with running(one, as_main=True) as served:
        assert served.wait(PATIENCE_S)
        first, second, afterwards = (ids.get(timeout=PATIENCE_S) for _ in range(3))

    assert isinstance(first, str)
    assert first != second
    assert afterwards is None


def test_an_error_of_a_send_tells_the_workflow_id_that_was_sent() -> None:
    ids: queue.Queue[Any] = queue.Queue()
    sender = Sender()

    def fail() -> None:
        ids.put(WORKFLOW_ID.get())
        raise ValueError("no")

    with ExitStack() as stack:
        it = service("failing", {"it": replyer(fail)})
        there = address_of(stack.enter_context(running(it, addresses=at({"it": ANY_PORT}))), "it")
        asking = service("asking", None, {"it": requester()}, init_function=sender)
        stack.enter_context(running(asking, addresses=at(None, {"it": there})))

        with pytest.raises(RemoteError) as caught:
            sender.to_send("it", {})
        assert caught.value.workflow_id == ids.get(timeout=PATIENCE_S)

        WORKFLOW_ID.set("w")
        try:
            with pytest.raises(RemoteError) as caught:
                sender.to_send("it", {})
            with pytest.raises(InvalidArguments) as refused:
                sender.to_send("it", {"n": 1})
        finally:
            WORKFLOW_ID.set(None)
        assert caught.value.workflow_id == ids.get(timeout=PATIENCE_S) == "w"
        assert refused.value.workflow_id == "w"


def test_an_error_before_anything_is_sent_has_no_workflow_id(to_send: Any) -> None:
    with pytest.raises(InvalidArguments) as caught:
        to_send("nothing", {})

    assert caught.value.workflow_id is None


def test_a_workflow_id_travels_unchanged_through_every_service(tmp_path: Path) -> None:
    """A bare request, a replyer that asks another and publishes, a subscriber at the end."""
    ids: queue.Queue[Any] = queue.Queue()
    n = {"n": int}

    def path(name: str) -> str:
        return f"ipc://{tmp_path}/{name}"

    def front(args: dict[str, Any], to_send: Any) -> Any:
        ids.put(WORKFLOW_ID.get())
        return to_send("back", args)

    def back(args: dict[str, Any], to_send: Any) -> Any:
        ids.put(WORKFLOW_ID.get())
        to_send("news", args)
        return args

    reader = subscriber(lambda args: ids.put(WORKFLOW_ID.get()), n)
    with (
        running(service("reader", {"news": reader}), addresses=at({"news": path("news")})),
        running(
            service("back", {"it": replyer(back, n, n)}, {"news": publisher(n)}),
            addresses=at({"it": path("back")}, {"news": path("news")}),
        ),
        running(
            service("front", {"it": replyer(front, n, n)}, {"back": requester(n, n)}),
            addresses=at({"it": path("front")}, {"back": path("back")}),
        ),
        bare(zmq.REQ, connect=path("front")) as req,
    ):

        def seen() -> list[Any]:
            reply = ask(req, {"args": {"n": 1}, "workflow_id": {"trace": [1, "x"]}})
            assert reply["workflow_id"] == {"trace": [1, "x"]}
            got = [ids.get(timeout=PATIENCE_S) for _ in range(2)]
            try:
                return [*got, ids.get(timeout=0.05)]
            except queue.Empty:
                return []  # the subscription was not there yet

        assert list(map(repr, until(seen, "all three"))) == ["{'trace': [1, 'x']}"] * 3


@pytest.mark.slow
def test_what_begins_here_gets_an_id_of_its_own(tmp_path: Path) -> None:
    sender = Sender()
    address = f"ipc://{tmp_path}/it"
    module = service(outbound={"it": requester(timeout_s=0.3)}, init_function=sender.__call__)
    with (
        running(module, addresses=at(outbound={"it": address})),
        bare(zmq.ROUTER, bind=address) as r,
    ):
        import msgpack

        from sf_actors import RequestTimeout

        for _ in range(2):
            with pytest.raises(RequestTimeout):
                sender.to_send("it", {})
        first, second = (msgpack.unpackb(r.recv_multipart()[-1]) for _ in range(2))
        assert isinstance(first["workflow_id"], str)
        assert first["workflow_id"] != second["workflow_id"]
        assert packed(first["workflow_id"])


def state_and_publisher() -> tuple[Any, Sender, Any]:
    """A service with a connection `price` and a delta state `book`."""
    sender = Sender()
    book = {"state_type": "delta_update_out", "required_arguments": {"levels": {str: int}}}
    module = service(
        outbound={"price": publisher({"n": int})},
        state_models={"out": {"book": book}},
        init_function=sender.__call__,
    )
    addresses = at(outbound={"price": ANY_PORT})
    addresses["states"] = {"out": {"book": {"publisher": ANY_PORT, "replyer": ANY_PORT}}}
    return module, sender, addresses


@pytest.mark.parametrize(
    ("kind", "name", "args"),
    [("connection", "price", {"n": 1}), ("state", "book", {"levels": {"a": 1}})],
)
@pytest.mark.slow
def test_a_signal_handler_that_raises_within_a_send_does_not_block_the_next(
    kind: str, name: str, args: dict[str, Any]
) -> None:
    def ring(*_: object) -> None:
        raise TimeoutError

    module, sender, addresses = state_and_publisher()
    with running(module, addresses=addresses):
        before = signal.signal(signal.SIGALRM, ring)
        try:
            for _ in range(300):
                try:
                    signal.setitimer(signal.ITIMER_REAL, 0.001)
                    deadline = monotonic() + PATIENCE_S
                    while monotonic() < deadline:
                        sender.to_send(kind, name, args)
                except TimeoutError:
                    continue
                pytest.fail("what the signal handler raised was lost")
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        last = threading.Thread(target=sender.to_send, args=(kind, name, args), daemon=True)
        last.start()
        last.join(PATIENCE_S)
        assert not last.is_alive()
