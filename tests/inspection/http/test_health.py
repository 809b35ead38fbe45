"""`/livez` and `/readyz`: whether to start the process anew, and whether to send it work."""

from __future__ import annotations

import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

import sf_actors
from sf_actors import Service
from sf_actors.testing import module_of
from tests.inspection.http.clients import got_json
from tests.support.models import ANY_PORT, subscriber
from tests.support.services import (
    ECHO_ADDRESSES,
    Background,
    Gate,
    client_of,
    echo_service,
    looping,
    replying,
    service_of,
)
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sf_actors.inspection.http.server import HttpServer

STATE = {"state_type": "delta_update", "required_arguments": {"a": int}}


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with closing(sf_actors.http("127.0.0.1:0", stuck_after_s=0.1)) as made:
        yield made


def live(server: HttpServer) -> tuple[int, Any]:
    return got_json(server.address, "/livez")


def ready(server: HttpServer) -> tuple[int, Any]:
    return got_json(server.address, "/readyz")


# live


def test_a_process_without_services_is_live_and_not_ready(server: HttpServer) -> None:
    assert live(server) == (200, {"live": True})
    status, found = ready(server)
    assert (status, found["ready"], found["reason"]) == (503, False, "no service runs")


def test_a_handler_that_is_stuck_is_named_with_its_line(server: HttpServer, gate: Gate) -> None:
    with service_of(replying(gate), addresses=ECHO_ADDRESSES) as service:
        assert live(server)[0] == 200
        with client_of(service.addresses["connections"]["in"]["echo"]["replyer"]) as client:
            client.send(n=1)
            until(lambda: live(server)[0] == 503, "a stuck handler")

            _, found = live(server)
            assert found["live"] is False
            assert "echo" in found["reason"]
            assert "services.py:" in found["reason"]

            gate.may_end.set()
            client.receive()
        assert live(server)[0] == 200


def test_with_0_no_handler_is_ever_stuck(gate: Gate) -> None:
    with (
        closing(sf_actors.http("127.0.0.1:0", stuck_after_s=0)) as server,
        service_of(replying(gate), addresses=ECHO_ADDRESSES) as service,
        client_of(service.addresses["connections"]["in"]["echo"]["replyer"]) as client,
    ):
        client.send(n=1)
        gate.entered.get(timeout=PATIENCE_S)
        threading.Event().wait(0.01)

        assert live(server)[0] == 200
        gate.may_end.set()


def test_main_and_init_may_run_as_long_as_they_like(server: HttpServer) -> None:
    began, may_end = threading.Event(), threading.Event()

    def init_function() -> None:
        began.set()
        assert may_end.wait(PATIENCE_S)

    service = service_of(looping(init_function=init_function))
    starting = Background(service.run_service_as_main)
    try:
        assert began.wait(PATIENCE_S)
        threading.Event().wait(0.3)  # longer than a handler may
        assert live(server)[0] == 200
        may_end.set()
        assert starting.join() is None
        threading.Event().wait(0.3)
        assert live(server)[0] == 200
    finally:
        may_end.set()
        service.stop_service()
        starting.join()


def test_a_service_that_failed_is_not_live_until_it_is_run_again(server: HttpServer) -> None:
    failing = [True]

    def main() -> None:
        if failing:
            raise ValueError("no more gold")

    service = service_of(looping(main))
    service.run_service_as_main()
    assert service.wait(PATIENCE_S)

    status, found = live(server)
    assert status == 503
    assert "service_under_test failed: ValueError: no more gold" in found["reason"]

    failing.clear()
    service.run_service_as_main()
    assert service.wait(PATIENCE_S)
    assert live(server)[0] == 200


def test_a_service_that_was_stopped_has_not_failed(server: HttpServer) -> None:
    with echo_service():
        pass

    assert live(server)[0] == 200


# ready


def test_services_are_ready_once_all_are_and_while_none_stops(
    server: HttpServer, gate: Gate
) -> None:
    began, may_end = threading.Event(), threading.Event()

    def init_function() -> None:
        began.set()
        assert may_end.wait(PATIENCE_S)

    slow = service_of(module_of("slow", init_function=init_function))
    stopping = service_of(replying(gate), addresses=ECHO_ADDRESSES)
    with stopping:
        assert ready(server)[0] == 200
        starting = Background(slow.run_service)
        assert began.wait(PATIENCE_S)
        status, found = ready(server)
        assert (status, found["reason"]) == (503, "slow is STARTING")
        assert found["services"]["slow"] == "STARTING"
        may_end.set()
        starting.join()
        assert ready(server)[0] == 200
        slow.stop_service()
        with client_of(stopping.addresses["connections"]["in"]["echo"]["replyer"]) as client:
            client.send(n=1)
            gate.entered.get(timeout=PATIENCE_S)
            ending = Background(stopping.stop_service)
            until(lambda: ready(server)[1]["reason"] == "service_under_test is STOPPING", "a stop")
            assert ready(server)[0] == 503
            gate.may_end.set()
            ending.join()


def test_a_replica_that_is_not_live_is_told_and_takes_nothing_down(server: HttpServer) -> None:
    with replica_of("127.0.0.1:1", "127.0.0.1:1"):
        status, found = ready(server)

    assert status == 200
    assert found["states"] == {"replica/book": {"phase": "SYNCING", "age_s": None}}
    assert found["absent"] == ["replica/book"]


@pytest.mark.parametrize("need", ["book", "replica/book"])
def test_a_replica_that_is_needed_takes_it_down_until_it_is_live(need: str) -> None:
    with (
        closing(sf_actors.http("127.0.0.1:0", ready_needs=[need])) as server,
        publisher_of() as publisher,
    ):
        book = publisher.addresses["states"]["out"]["book"]
        with replica_of(book["publisher"], book["replyer"]) as replica:
            until(lambda: replica.states.status("book").phase == "LIVE", "a live replica")
            assert ready(server)[0] == 200
        with replica_of("127.0.0.1:1", "127.0.0.1:1"):
            status, found = ready(server)

    assert (status, found["reason"]) == (503, "replica/book is SYNCING")


def test_a_need_that_nobody_has_is_not_met() -> None:
    with (
        closing(sf_actors.http("127.0.0.1:0", ready_needs=["other/book"])) as server,
        echo_service(),
    ):
        assert ready(server)[1]["reason"] == "no service has the in-state other/book"


def test_a_publisher_that_does_not_answer_is_absent(server: HttpServer) -> None:
    listening = module_of(
        "listening", connection_models={"in": {"news": subscriber(lambda args: None)}}
    )
    addresses = {"connections": {"in": {"news": "127.0.0.1:1"}}}
    with service_of(listening, addresses=addresses):
        until(lambda: ready(server)[1]["absent"] == ["listening/news"], "the absent one")
        assert ready(server)[0] == 200


def publisher_of() -> Service:
    source = module_of("publisher", state_models={"out": {"book": STATE}})
    at = {"publisher": ANY_PORT, "replyer": ANY_PORT}
    return service_of(source, addresses={"states": {"out": {"book": at}}})


def replica_of(publisher: str, replyer: str) -> Service:
    source = module_of("replica", state_models={"in": {"book": STATE}})
    at = {"subscriber": publisher, "requester": replyer}
    return service_of(source, addresses={"states": {"in": {"book": at}}})
