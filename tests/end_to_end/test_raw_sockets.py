"""The wire as others speak it: bare sockets and the `msgpack` package on the other side."""

from __future__ import annotations

import json
import queue
from typing import TYPE_CHECKING, Any

import msgpack
import pytest
import zmq

from sf_actors import InvalidArguments, RemoteError
from sf_actors.testing import running
from tests.support.bare_sockets import TOO_DEEP, ask, bare, nested, packed, unpacked
from tests.support.models import (
    ANY_PORT,
    Sender,
    at,
    counters,
    endpoint_of,
    replyer,
    requester,
    service,
)
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sf_actors import Service
    from tests.support.bare_sockets import Socket

MAX_BYTES = 10_000


def double(args: dict[str, Any]) -> dict[str, Any]:
    if args["n"] == 13:
        raise ValueError("13 is out of luck")
    return {"n": args["n"] * 2}


@pytest.fixture
def doubling() -> Iterator[Service]:
    models = {"double": replyer(double, {"n": int}, {"n": int}, max_message_bytes=MAX_BYTES)}
    with running(service("doubling", models), addresses=at({"double": ANY_PORT})) as served:
        yield served


@pytest.fixture
def asking(doubling: Service) -> Iterator[Socket]:
    with bare(zmq.REQ, connect=endpoint_of(doubling, "double")) as socket:
        yield socket


# a bare REQ


def test_a_bare_request_is_answered_with_its_workflow_id(asking: Socket) -> None:
    reply = ask(asking, {"args": {"n": 4}, "workflow_id": "w-1"})

    assert reply == {"return_args": {"n": 8}, "workflow_id": "w-1"}


@pytest.mark.parametrize(
    "workflow_id",
    [17, ["a", 1], {"trace": "x"}, 2.5, b"\x00\xff", True, [msgpack.ExtType(5, b"abc")]],
)
def test_a_workflow_id_may_be_anything(asking: Socket, workflow_id: object) -> None:
    reply = ask(asking, {"args": {"n": 4}, "workflow_id": workflow_id})

    assert reply["workflow_id"] == workflow_id


def test_a_bare_request_without_a_workflow_id_is_answered_with_a_new_one(asking: Socket) -> None:
    first = ask(asking, {"args": {"n": 4}})
    second = ask(asking, {"args": {"n": 4}})

    assert first["return_args"] == {"n": 8}
    assert isinstance(first["workflow_id"], str)
    assert first["workflow_id"] != second["workflow_id"]


def test_unknown_keys_of_a_request_are_ignored(asking: Socket) -> None:
    reply = ask(asking, {"args": {"n": 1}, "workflow_id": "w", "colour": "red", "deep": {"a": [1]}})

    assert reply == {"return_args": {"n": 2}, "workflow_id": "w"}


def test_a_failing_handler_is_answered_with_type_and_message(asking: Socket) -> None:
    reply = ask(asking, {"args": {"n": 13}, "workflow_id": "w"})

    assert reply == {
        "error": {"type": "ValueError", "message": "13 is out of luck"},
        "workflow_id": "w",
    }


HUGE = {"args": {"n": 1}, "padding": b"x" * MAX_BYTES}


#: what comes in, and under which reason it is counted
BAD_REQUESTS = {
    "not MessagePack": (b"\xc1\xff\x00", "undecodable"),
    "nothing": (b"", "undecodable"),
    "text instead of a map": (packed("hello"), "undecodable"),
    "a map without args": (packed({"workflow_id": "w"}), "undecodable"),
    "truncated": (packed({"args": {"n": 1}})[:-1], "undecodable"),
    "a huge length prefix": (b"\xdf\xff\xff\xff\xff\xa1a", "undecodable"),
    "args that are no map": (packed({"args": [1, 2]}), "invalid"),
    "a field that is missing": (packed({"args": {}}), "invalid"),
    "a field twice": (b"\x81\xa4args\x82\xa1n\x01\xa1n\x02", "invalid"),
    "a wrong type": (packed({"args": {"n": "1"}}), "invalid"),
    "a bool where an int is declared": (packed({"args": {"n": True}}), "invalid"),
    "invalid UTF-8": (b"\x81\xa4args\x81\xa2\xff\xfe\x01", "invalid"),
    "args nested 1,000 deep": (b"\x81\xa4args\x81\xa1n" + nested(1000), TOO_DEEP),
    "a workflow id nested 1,000 deep": (
        b"\x82\xa4args\x81\xa1n\x01\xabworkflow_id" + nested(1000),
        "undecodable",
    ),
    "more bytes than allowed": (packed(HUGE), "too_large"),
}


@pytest.mark.parametrize("name", BAD_REQUESTS)
def test_a_bad_request_is_answered_with_an_error_and_counted(
    doubling: Service, asking: Socket, name: str
) -> None:
    frame, reason = BAD_REQUESTS[name]

    reply = ask(asking, frame)

    assert set(reply["error"]) == {"type", "message"}
    assert counters(doubling, "double")["dropped"] == {reason: 1}
    assert ask(asking, {"args": {"n": 2}})["return_args"] == {"n": 4}


def test_many_bad_requests_are_one_warning_with_the_reason(tmp_path: Path) -> None:
    log = tmp_path / "svc.log"
    models = {"double": replyer(double, {"n": int}, {"n": int})}
    with (
        running(
            service("doubling", models), addresses=at({"double": ANY_PORT}), log_path=log
        ) as served,
        bare(zmq.REQ, connect=endpoint_of(served, "double")) as asking,
    ):
        for _ in range(100):
            assert "error" in ask(asking, b"\xc1")
        assert "error" in ask(asking, packed({"args": {"n": "1"}}))
        assert counters(served, "double")["dropped"] == {"undecodable": 100, "invalid": 1}
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    dropped = [line for line in lines if line["event"] == "message dropped"]
    assert [(line["level"], line["reason"]) for line in dropped] == [
        ("warning", "undecodable"),
        ("warning", "invalid"),
    ]
    assert "MessagePack" in dropped[0]["error"]


def test_a_request_far_above_the_limit_is_not_even_read(doubling: Service) -> None:
    endpoint = endpoint_of(doubling, "double")
    with bare(zmq.REQ, connect=endpoint) as flooding, bare(zmq.REQ, connect=endpoint) as asking:
        flooding.send(b"\x00" * (20 * MAX_BYTES))

        assert ask(asking, {"args": {"n": 2}})["return_args"] == {"n": 4}
        flooding.rcvtimeo = 50
        with pytest.raises(zmq.Again):
            flooding.recv()
        assert counters(doubling, "double")["received"] == 1


def test_a_request_of_exactly_the_limit_is_served(asking: Socket) -> None:
    padding = MAX_BYTES - len(packed({"args": {"n": 1}, "padding": b"x" * 5000})) + 5000
    frame = packed({"args": {"n": 1}, "padding": b"x" * padding})
    assert len(frame) == MAX_BYTES

    assert ask(asking, frame)["return_args"] == {"n": 2}


def test_deep_nesting_where_anything_is_declared_is_refused() -> None:
    models = {"any": replyer(lambda args: {}, {"x": object})}
    with (
        running(service("any", models), addresses=at({"any": ANY_PORT})) as served,
        bare(zmq.REQ, connect=endpoint_of(served, "any")) as asking,
    ):
        reply = ask(asking, b"\x81\xa4args\x81\xa1x" + nested(100))

        assert reply["error"]["type"] == "InvalidMessage"
        assert ask(asking, b"\x81\xa4args\x81\xa1x" + nested(10))["return_args"] == {}


# a bare DEALER


def test_a_frame_without_a_delimiter_is_counted_and_the_next_is_served(doubling: Service) -> None:
    with bare(zmq.DEALER, connect=endpoint_of(doubling, "double")) as dealer:
        dealer.send(packed({"args": {"n": 1}}))
        dealer.send_multipart([b"", packed({"args": {"n": 2}, "workflow_id": "w"})])

        empty, frame = dealer.recv_multipart()

        assert empty == b""
        assert unpacked(frame) == {"return_args": {"n": 4}, "workflow_id": "w"}
        numbers = counters(doubling, "double")
        assert numbers["dropped"] == {"undecodable": 1}
        assert numbers["received"] == 2


@pytest.mark.parametrize(
    "frames", [[b"", b"", b""], [b""], [b"a", b"b"], [b"", b"x", b"y"], [b"a"] * 100]
)
def test_odd_frames_are_counted_and_the_next_is_served(
    doubling: Service, frames: list[bytes]
) -> None:
    with bare(zmq.DEALER, connect=endpoint_of(doubling, "double")) as dealer:
        dealer.send_multipart(frames)
        dealer.send_multipart([b"", packed({"args": {"n": 2}})])

        while "return_args" not in (reply := unpacked(dealer.recv_multipart()[-1])):
            assert "error" in reply
        assert counters(doubling, "double")["dropped"] == {"undecodable": 1}


def test_a_request_through_a_proxy_finds_its_way_back(doubling: Service) -> None:
    with bare(zmq.DEALER, connect=endpoint_of(doubling, "double")) as dealer:
        dealer.send_multipart([b"hop-2", b"hop-1", b"", packed({"args": {"n": 3}})])

        *hops, empty, frame = dealer.recv_multipart()

        assert (hops, empty) == ([b"hop-2", b"hop-1"], b"")
        assert unpacked(frame)["return_args"] == {"n": 6}


# a bare REP


@pytest.fixture
def rep(tmp_path: Path) -> Iterator[Socket]:
    with bare(zmq.REP, bind=f"ipc://{tmp_path}/rep") as socket:
        yield socket


@pytest.fixture
def sender(tmp_path: Path, rep: Socket) -> Iterator[Sender]:
    sender = Sender()
    models = {
        "half": requester({"n": int}, {"n": int}, timeout_s=PATIENCE_S, max_message_bytes=500)
    }
    asks = service("asks", outbound=models, init_function=sender)
    with running(asks, addresses=at(outbound={"half": f"ipc://{tmp_path}/rep"})):
        yield sender


def answer(rep: Socket, *frames: bytes) -> queue.Queue[Any]:
    """Answer as many requests in a thread; the queue gets the requests."""
    import threading

    got: queue.Queue[Any] = queue.Queue()

    def run() -> None:
        for frame in frames:
            got.put(unpacked(rep.recv()))
            rep.send(frame)

    threading.Thread(target=run).start()
    return got


def test_a_bare_rep_can_answer(rep: Socket, sender: Sender) -> None:
    got = answer(rep, packed({"return_args": {"n": 2}, "workflow_id": "w", "colour": "red"}))

    assert sender.connection("half", {"n": 4}) == {"n": 2}
    request = got.get(timeout=PATIENCE_S)
    assert request["args"] == {"n": 4}
    assert isinstance(request["workflow_id"], str)
    assert set(request) == {"args", "workflow_id", "expires_in_s"}


def test_an_error_of_a_bare_rep_becomes_a_remote_error(rep: Socket, sender: Sender) -> None:
    answer(rep, packed({"error": {"type": "KeyError", "message": "'x'"}, "workflow_id": "w"}))

    with pytest.raises(RemoteError, match="KeyError: 'x'") as caught:
        sender.connection("half", {"n": 4})

    assert (caught.value.type, caught.value.message) == ("KeyError", "'x'")


@pytest.mark.parametrize(
    "frame",
    [
        b"\xc1",
        b"",
        packed({"workflow_id": "w"}),
        packed({"return_args": {"n": "2"}}),
        packed({"return_args": {}}),
        packed({"return_args": {"n": 1}, "padding": b"x" * 500}),
    ],
)
def test_a_bad_reply_is_an_error_of_the_call_and_the_next_one_works(
    rep: Socket, sender: Sender, frame: bytes
) -> None:
    answer(rep, frame, packed({"return_args": {"n": 2}}))
    with pytest.raises(InvalidArguments, match="the reply fails its model"):
        sender.connection("half", {"n": 4})

    assert sender.connection("half", {"n": 4}) == {"n": 2}
