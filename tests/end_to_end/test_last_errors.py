"""What goes wrong is counted, and the last error is kept."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors import InvalidArguments, RemoteError, RequestTimeout
from sf_actors.testing import module_of, running
from sf_actors.wording import LONGEST_TEXT
from tests.support.models import Sender, at, publisher, replyer, requester

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sf_actors import Service


@contextmanager
def failing(text: str) -> Iterator[tuple[Service, Service, Sender]]:
    """Run a service whose handler fails, and one that asks it: both, and who sends."""
    sender = Sender()

    def fail(args: dict[str, Any]) -> None:
        raise ValueError(text)

    module = module_of(connection_models={"in": {"orders": replyer(fail, {"x": int}, {})}})
    asking = module_of(
        name="asking",
        connection_models={"out": {"orders": requester({"x": int}, {})}},
        init_function=sender,
    )
    place = "inproc://orders"
    with (
        running(module, addresses=at({"orders": place}), console_loglevel=None) as service,
        running(asking, addresses=at(outbound={"orders": place}), console_loglevel=None) as client,
    ):
        yield service, client, sender


def test_a_handler_that_fails_is_counted_with_its_error() -> None:
    with failing("no such order") as (service, client, sender):
        with pytest.raises(Exception, match="no such order"):
            sender.connection("orders", {"x": 1})
        stats, asked = service.stats(), client.stats()["connections"]["out"]["orders"]

    numbers = stats["connections"]["in"]["orders"]
    assert (numbers["failed"], numbers["handled"]) == (1, 0)
    assert numbers["last_error"] == "ValueError: no such order"
    assert stats["router"]["failed"] == 1
    assert "no such order" in asked["last_error"]


def test_a_last_error_is_cut_and_the_caller_gets_the_whole_text() -> None:
    text = "x" * 5000
    with failing(text) as (service, client, sender):
        with pytest.raises(RemoteError) as caught:
            sender.connection("orders", {"x": 1})
        failed = service.stats()["connections"]["in"]["orders"]["last_error"]
        asked = client.stats()["connections"]["out"]["orders"]["last_error"]

    assert caught.value.message == text
    for last_error, beginning in ((failed, "ValueError: xxx"), (asked, "RemoteError: ")):
        assert last_error.startswith(beginning)
        assert last_error.endswith("characters left out)")
        assert len(last_error) <= LONGEST_TEXT


def test_timeouts_and_retries_are_counted() -> None:
    sender = Sender()
    model = requester({"x": int}, {}, timeout_s=0.02, retries=2)
    module = module_of(
        connection_models={"out": {"nobody": model}},
        init_function=sender,
    )
    given = {"connections": {"out": {"nobody": {"requester": "inproc://nobody"}}}}
    with running(module, addresses=given, console_loglevel=None) as service:
        with pytest.raises(RequestTimeout):
            sender.connection("nobody", {"x": 1})
        numbers = service.stats()["connections"]["out"]["nobody"]

    assert (numbers["timeouts"], numbers["retries"], numbers["in_flight"]) == (3, 2, 0)
    assert "no reply" in numbers["last_error"]


def test_the_last_error_of_each_kind_of_outbound_model_is_what_its_caller_got() -> None:
    sender = Sender()
    free = "127.0.0.1:0"
    module = module_of(
        connection_models={"out": {"news": publisher({"x": int}, max_message_bytes=100)}},
        state_models={
            "out": {
                "book": {"state_type": "delta_update", "required_arguments": {"x": int}},
                "full": {"state_type": "full_update", "required_arguments": {"x": int}},
            }
        },
        init_function=sender,
    )
    given = {
        "connections": {"out": {"news": free}},
        "states": {"out": {"book": {"publisher": free, "replyer": free}, "full": free}},
    }
    with running(module, addresses=given, console_loglevel=None) as service:
        for kind, name in (("connection", "news"), ("state", "book"), ("state", "full")):
            with pytest.raises(InvalidArguments) as caught:
                sender.to_send(kind, name, {"x": "no int"})
            numbers = service.stats()[f"{kind}s"]["out"][name]
            assert numbers["last_error"] == f"InvalidArguments: {caught.value}"
            assert numbers["sent"] == 0
            sender.to_send(kind, name, {"x": 1})
            assert service.stats()[f"{kind}s"]["out"][name]["sent"] == 1
