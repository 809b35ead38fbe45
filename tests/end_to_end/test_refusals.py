"""A handler that raises `Refused`: its caller is told the text, and nothing has failed."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from sf_actors import Refused, RemoteError, SfActorsError
from sf_actors.testing import module_of, running
from tests.log.lines import read
from tests.support.bare_sockets import bare, packed, unpacked
from tests.support.models import (
    ANY_PORT,
    Sender,
    address_of,
    at,
    counters,
    endpoint_of,
    publisher,
    replyer,
    requester,
    service,
    subscriber,
)
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

N = {"n": int}


class SoldOut(Refused):
    """A refusal of the user's own."""


class Unspeakable(Refused):
    """A refusal whose text cannot be made."""

    def __str__(self) -> str:
        raise ValueError("no")


def refuse(args: dict[str, Any]) -> None:
    raise Refused(f"{args['n']} are too many")


def serving(handler: Any = refuse, **options: Any) -> Any:
    arguments = {"console_loglevel": None, **options.pop("arguments", {})}
    one = service("served", {"it": replyer(handler, N, **options)})
    return running(one, addresses=at({"it": ANY_PORT}), **arguments)


def error_told(served: Any, n: int = 1) -> Any:
    """Return the error that a plain peer is answered with."""
    with bare(zmq.REQ, connect=endpoint_of(served, "it")) as req:
        req.send(packed({"args": {"n": n}}))
        return unpacked(req.recv())["error"]


def test_it_is_one_of_the_packages_errors() -> None:
    assert issubclass(Refused, SfActorsError)


@pytest.mark.parametrize("details", ["full", "type", None])
def test_its_text_reaches_the_caller_whatever_callers_are_told_of_errors(details: Any) -> None:
    with serving(arguments={"error_details": details}) as served:
        told = error_told(served, 7)

    assert told == {"type": "Refused", "message": "7 are too many"}


def test_the_callers_error_has_its_type_and_text() -> None:
    sender = Sender()
    with ExitStack() as stack:
        served = stack.enter_context(serving())
        asker = service("asker", None, {"it": requester(N)}, init_function=sender)
        places = at(None, {"it": address_of(served, "it")})
        stack.enter_context(running(asker, addresses=places, console_loglevel=None))

        with pytest.raises(RemoteError) as caught:
            sender.connection("it", {"n": 3})

    assert (caught.value.type, caught.value.message) == ("Refused", "3 are too many")


def test_a_refusal_without_a_text_does_not_send_its_caller_to_the_log() -> None:
    assert str(RemoteError("Refused", "", connection="it")) == "it: the other side answered Refused"


def test_it_is_counted_as_refused_and_not_as_failed() -> None:
    with serving() as served:
        error_told(served)
        numbers = counters(served, "it")
        router = served.stats()["router"]

    assert (numbers["refused"], numbers["failed"], numbers["handled"]) == (1, 0, 0)
    assert (router["handled"], router["failed"]) == (1, 0)
    assert numbers["last_error"] is None
    assert numbers["handler_s"]["count"] == 1


def test_it_is_one_line_of_information_without_a_traceback(tmp_path: Path) -> None:
    log = tmp_path / "served.log"
    with serving(arguments={"log_path": log, "file_loglevel": "DEBUG"}) as served:
        error_told(served)

    (line,) = [line for line in read(log) if "refused" in line["event"]]
    assert (line["level"], line["reason"]) == ("info", "1 are too many")
    assert "exception" not in line
    assert line["workflow_id"]


def test_refusals_do_not_fill_the_log_nor_keep_failures_out_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # so many a second are logged
    monkeypatch.setattr("sf_actors.lifecycle.run.monotonic", lambda: 1000.0)

    def handler(args: dict[str, Any]) -> None:
        raise (Refused if args["n"] else ValueError)("no")

    log = tmp_path / "served.log"
    with (
        serving(handler, arguments={"log_path": log}) as served,
        bare(zmq.REQ, connect=endpoint_of(served, "it")) as req,
    ):
        for n in [*range(1, 31), 0]:
            req.send(packed({"args": {"n": n}}))
            req.recv()
        numbers = counters(served, "it")

    events = [line["event"] for line in read(log)]
    assert events.count("handler refused") < 30
    assert events.count("handler failed") == 1
    assert (numbers["refused"], numbers["failed"]) == (30, 1)


def test_a_refusal_of_a_subclass_is_told_as_refused() -> None:
    def handler() -> None:
        raise SoldOut("tomorrow again")

    with serving(handler) as served:
        assert error_told(served) == {"type": "Refused", "message": "tomorrow again"}


def test_a_refusal_whose_text_cannot_be_made_is_answered_all_the_same() -> None:
    def handler() -> None:
        raise Unspeakable

    with serving(handler) as served:
        assert error_told(served)["type"] == "Refused"
        assert counters(served, "it")["refused"] == 1


def test_a_repeated_request_gets_the_refusal_again_without_the_handler() -> None:
    calls = []

    def handler(args: dict[str, Any]) -> None:
        calls.append(args)
        raise Refused(f"no {len(calls)}")

    request = {"args": {"n": 5}, "workflow_id": "w", "request_id": "same"}
    with (
        serving(handler, deduplicate=True) as served,
        bare(zmq.REQ, connect=endpoint_of(served, "it")) as req,
    ):
        replies = []
        for _ in range(2):
            req.send(packed(request))
            replies.append(unpacked(req.recv()))
        numbers = counters(served, "it")

    assert replies[0] == replies[1]
    assert len(calls) == 1
    assert (numbers["refused"], numbers["deduplicated"]) == (1, 1)


def test_a_refusal_of_another_service_is_a_failure_of_who_does_not_expect_it() -> None:
    sender = Sender()

    def pass_on(args: dict[str, Any]) -> Any:
        return sender.connection("it", args)

    with ExitStack() as stack:
        served = stack.enter_context(serving())
        middle = service(
            "middle", {"it": replyer(pass_on, N)}, {"it": requester(N)}, init_function=sender
        )
        places = at({"it": ANY_PORT}, {"it": address_of(served, "it")})
        between = stack.enter_context(running(middle, addresses=places, console_loglevel=None))

        assert error_told(between)["type"] == "RemoteError"
        assert counters(between, "it")["failed"] == 1


def test_a_subscriber_and_an_in_state_count_what_their_handlers_refuse() -> None:
    fields = {"required_arguments": N}
    handlers = {"required_creation_arguments": {"on_update": refuse}}
    kind = {"state_type": "full_update"}

    sender = Sender()

    def is_refused() -> bool:
        sender.connection("messages", {"n": 1})
        return bool(counters(svc, "messages")["refused"])

    one = module_of(
        connection_models={
            "in": {"messages": subscriber(refuse, N)},
            "out": {"messages": publisher(N)},
        },
        state_models={
            "in": {"followed": {**kind, **handlers, **fields}},
            "out": {"own": {**kind, **fields}},
        },
        init_function=sender,
    )
    places = {
        **at({"messages": "inproc://messages"}, {"messages": "inproc://messages"}),
        "states": {"in": {"followed": "inproc://own"}, "out": {"own": "inproc://own"}},
    }
    with running(one, addresses=places, console_loglevel=None) as svc:
        until(is_refused, "the message")
        sender.to_send("state", "own", {"n": 1})
        until(lambda: svc.stats()["states"]["in"]["followed"]["refused"] == 1, "the update")

        assert counters(svc, "messages")["failed"] == 0
        assert svc.stats()["states"]["in"]["followed"]["failed"] == 0


def test_init_function_cannot_refuse() -> None:
    def init_function() -> None:
        raise Refused("no")

    with pytest.raises(Refused), running(module_of(init_function=init_function)):
        pass
