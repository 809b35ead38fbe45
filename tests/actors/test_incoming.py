"""Services of different ages: messages with more fields than the model of who receives them."""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from sf_actors import InvalidArguments
from sf_actors.testing import running
from tests.log.lines import Console
from tests.support.models import (
    ANY_PORT,
    Sender,
    address_of,
    at,
    counters,
    into,
    publisher,
    replyer,
    requester,
    service,
    subscriber,
)
from tests.support.services import client_of
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.services import Client

N = {"n": int}


@pytest.fixture
def console(capsys: pytest.CaptureFixture[str]) -> Console:
    return Console(capsys)


def told(console: Console) -> list[tuple[str, str]]:
    return [
        (line["level"], line["field"])
        for line in console.lines()
        if line["event"] == "unknown field dropped"
    ]


@pytest.fixture
def echo(request: pytest.FixtureRequest) -> Iterator[tuple[Any, Client]]:
    creation = getattr(request, "param", {})
    models = {"echo": replyer(lambda args: args, N, N, **creation)}
    with (
        running(service(inbound=models), addresses=at({"echo": ANY_PORT})) as serving,
        client_of(address_of(serving)) as client,
    ):
        yield serving, client


def test_a_request_with_more_fields_is_answered(echo: tuple[Any, Client], console: Console) -> None:
    serving, client = echo
    for n in range(3):
        client.send(n=n, colour="red", size=n)
        assert client.receive()["return_args"] == {"n": n}

    numbers = counters(serving, "echo")
    assert (numbers["unknown_fields"], numbers["handled"], numbers["dropped"]) == (3, 3, {})
    assert told(console) == [("info", "colour"), ("info", "size")]


@pytest.mark.parametrize("echo", [{"unknown_fields": "refuse"}], indirect=True)
def test_who_refuses_them_answers_with_an_error(echo: tuple[Any, Client]) -> None:
    serving, client = echo
    client.send(n=1, colour="red")

    assert client.receive()["error"]["type"] == "InvalidMessage"
    numbers = counters(serving, "echo")
    assert (numbers["unknown_fields"], numbers["dropped"]) == (0, {"invalid": 1})


@pytest.mark.parametrize("echo", [{"deduplicate": True}], indirect=True)
def test_a_repeated_request_with_more_fields_is_one(echo: tuple[Any, Client]) -> None:
    serving, client = echo
    for _ in range(2):
        message = {"args": {"n": 1, "colour": 2}, "workflow_id": None, "request_id": "a"}
        client._socket.send(msgspec.msgpack.encode(message))
        assert client.receive()["return_args"] == {"n": 1}

    assert counters(serving, "echo")["handled"] == 1


@pytest.mark.parametrize("choice", ["ignore", "refuse"])
def test_a_reply_with_more_fields_comes_back_without_them(choice: str, console: Console) -> None:
    more = {"echo": replyer(lambda args: {**args, "new": 1}, N, {"n": int, "new": int})}
    sender = Sender()
    with running(service(inbound=more), addresses=at({"echo": ANY_PORT})) as serving:
        asker = service(
            outbound={"echo": requester(N, N, unknown_fields=choice)}, init_function=sender
        )
        addresses = at(outbound={"echo": address_of(serving)})
        with running(asker, addresses=addresses) as asking:
            if choice == "ignore":
                assert sender.connection("echo", {"n": 1}) == {"n": 1}
                assert told(console) == [("info", "new")]
            else:
                with pytest.raises(InvalidArguments, match="unknown field 'new'"):
                    sender.connection("echo", {"n": 1})
            count = counters(asking, "echo", "out")["unknown_fields"]
            assert count == (choice == "ignore")


def test_a_subscriber_gets_what_it_knows_of_a_published_message() -> None:
    got: queue.Queue[Any] = queue.Queue()
    both = {"news": "inproc://news-of-another-age"}
    sender = Sender()
    older = service(inbound={"news": subscriber(into(got), N)})
    newer = service(
        outbound={"news": publisher({"n": int, "client": {"name": str}})}, init_function=sender
    )
    with (
        running(newer, addresses=at(outbound=both)),
        running(older, addresses=at(both)) as hearing,
    ):
        until(lambda: counters(hearing, "news")["peers"] != 0)
        sender.connection("news", {"n": 1, "client": {"name": "x"}})
        assert got.get(timeout=PATIENCE_S) == {"n": 1}
        assert counters(hearing, "news")["unknown_fields"] == 1


def test_what_is_sent_is_held_to_the_model() -> None:
    sender = Sender()
    asker = service(outbound={"echo": requester(N, N)}, init_function=sender)
    with (
        running(asker, addresses=at(outbound={"echo": "inproc://nobody"})),
        pytest.raises(InvalidArguments, match="unknown field 'colour'"),
    ):
        sender.connection("echo", {"n": 1, "colour": 2})
