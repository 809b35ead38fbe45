"""User code that does not end within the deadline of a stop."""

from __future__ import annotations

import contextlib
import json
import threading
from time import monotonic
from typing import Any

import msgspec
import pytest
import zmq

from sf_actors import Service, ServiceStopped, StopOverdue
from sf_actors.testing import module_of, running
from tests.support.models import address_of
from tests.support.services import (
    ECHO_ADDRESSES,
    Background,
    Gate,
    ask,
    client_of,
    has_queued,
    replyers,
    replying,
    service_of,
)
from tests.support.waiting import PATIENCE_S, until

pytestmark = pytest.mark.slow


# over the deadline


def logged(capsys: pytest.CaptureFixture[str], level: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    return [line for line in lines if line["level"] == level]


def test_a_main_stuck_past_the_deadline_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    started, may_end = threading.Event(), threading.Event()

    def main() -> None:
        started.set()
        may_end.wait(PATIENCE_S)

    service = Service(module_of(main=main), stop_timeout_s=0.2)
    service.run_service_as_main()
    assert started.wait(PATIENCE_S)
    began = monotonic()
    service.stop_service()
    assert monotonic() - began < PATIENCE_S / 2
    (warning,) = logged(capsys, "warning")
    assert warning["left_behind"] == "main"
    assert isinstance(service.failure, StopOverdue)
    assert "main" in str(service.failure)
    may_end.set()


def test_a_handler_stuck_past_the_deadline_is_named(
    gate: Gate, capsys: pytest.CaptureFixture[str]
) -> None:
    service = Service(replying(gate), addresses=ECHO_ADDRESSES, stop_timeout_s=0.2)
    service.run_service()
    with client_of(address_of(service)) as client:
        client.send(n=1)
        gate.entered.get(timeout=PATIENCE_S)
        service.stop_service()
    (warning,) = logged(capsys, "warning")
    assert "connection_models['in']['echo']" in warning["left_behind"]
    assert isinstance(service.failure, StopOverdue)
    assert "connection_models['in']['echo']" in str(service.failure)


def test_a_request_whose_handler_is_stuck_is_answered_with_an_error_at_the_deadline(
    gate: Gate,
) -> None:
    service = service_of(replying(gate), 0.2, addresses=ECHO_ADDRESSES)
    service.run_service()
    with client_of(address_of(service)) as client:
        client.send(n=1)
        gate.entered.get(timeout=PATIENCE_S)
        service.stop_service()
        assert client.receive()["error"]["type"] == "ServiceStopped"
    echo = service.stats()["connections"]["in"]["echo"]
    assert echo["dropped"] == {"stopped": 1}
    assert (echo["sent"], echo["in_flight"]) == (1, 0)


def test_a_queued_request_whose_handler_is_stuck_is_answered_with_an_error_as_well() -> None:
    first, second = Gate(), Gate()
    module = module_of(connection_models=replyers(first=first, second=second))
    free = {"replyer": "127.0.0.1:0"}
    addresses = {"connections": {"in": {"first": free, "second": free}}}
    service = service_of(module, 0.2, addresses=addresses)
    service.run_service()
    with (
        client_of(address_of(service, "first")) as one,
        client_of(address_of(service, "second")) as two,
    ):
        one.send(n=1)
        first.entered.get(timeout=PATIENCE_S)
        two.send(n=2)
        until(lambda: has_queued(service, 1))
        first.may_end.set()
        assert one.receive()["return_args"] == {"n": 1}
        second.entered.get(timeout=PATIENCE_S)  # in the router's thread
        service.stop_service()
        assert two.receive()["error"]["type"] == "ServiceStopped"
    second.may_end.set()


def test_every_request_is_answered_once_when_one_of_a_burst_is_stuck() -> None:
    slow, burst = Gate(), 20
    may_end = threading.Event()

    def handler(args: dict[str, Any]) -> dict[str, Any]:
        if args["n"] == burst // 2:
            slow.entered.put(args["n"])
            may_end.wait(PATIENCE_S)
        return args

    service = service_of(replying(handler), 0.3, addresses=ECHO_ADDRESSES)
    service.run_service()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    dealer = context.socket(zmq.DEALER)
    dealer.connect(f"tcp://{address_of(service)}")
    for n in range(burst):
        dealer.send_multipart([b"", msgspec.msgpack.encode({"args": {"n": n}, "workflow_id": n})])
    slow.entered.get(timeout=PATIENCE_S)
    service.stop_service()
    answered: list[int] = []
    failed: list[int] = []
    read = service.stats()["connections"]["in"]["echo"]["received"]
    for _ in range(read):
        assert dealer.poll(PATIENCE_S * 1000)
        reply = msgspec.msgpack.decode(dealer.recv_multipart()[-1])
        (failed if "error" in reply else answered).append(reply["workflow_id"])
    may_end.set()
    dealer.close(0)
    context.term()
    assert answered == list(range(burst // 2))
    assert sorted(failed) == list(range(burst // 2, read))


def test_the_port_of_a_stuck_handler_is_free_after_the_stop(gate: Gate) -> None:
    service = service_of(replying(gate), 0.2, addresses=ECHO_ADDRESSES)
    service.run_service()
    address = address_of(service)
    with client_of(address) as client:
        client.send(n=1)
        gate.entered.get(timeout=PATIENCE_S)
        service.stop_service()
    with running(
        replying(),
        addresses={"connections": {"in": {"echo": address}}},
        console_loglevel=None,
    ):
        assert ask(address)["return_args"] == {"n": 1}


def test_a_stuck_subscriber_is_left_behind_with_its_message_counted() -> None:
    entered, may_end = threading.Event(), threading.Event()

    def on_message() -> None:
        entered.set()
        may_end.wait(PATIENCE_S)

    model = {
        "connection_type": "subscriber",
        "required_creation_arguments": {"on_new_message": on_message, "is_binder": True},
    }
    module = module_of(connection_models={"in": {"news": model}})
    addresses = {"connections": {"in": {"news": "127.0.0.1:0"}}}
    service = service_of(module, 0.2, addresses=addresses)
    service.run_service()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    publisher = context.socket(zmq.XPUB)
    publisher.connect(f"tcp://{service.addresses['connections']['in']['news']}")
    assert publisher.poll(PATIENCE_S * 1000)
    publisher.send(msgspec.msgpack.encode({"args": {}, "workflow_id": "w"}))
    assert entered.wait(PATIENCE_S)
    service.stop_service()
    assert isinstance(service.failure, StopOverdue)
    assert service.stats()["connections"]["in"]["news"]["dropped"] == {"stopped": 1}
    may_end.set()
    publisher.close(0)
    context.term()


@pytest.mark.parametrize(
    ("function", "named"),
    [("init_function", "init_function"), ("setup_config", "the service file")],
)
def test_what_is_stuck_in_the_start_past_the_deadline_is_named(function: str, named: str) -> None:
    started, may_end = threading.Event(), threading.Event()

    def stuck() -> None:
        started.set()
        may_end.wait(PATIENCE_S)

    service = service_of(module_of(**{function: stuck}), 0.2)
    run = Background(service.run_service)
    assert started.wait(PATIENCE_S)
    service.stop_service()
    assert isinstance(service.failure, StopOverdue)
    assert named in str(service.failure)
    may_end.set()
    assert isinstance(run.join(), StopOverdue | ServiceStopped)
    assert not service.is_running


def test_a_handler_that_swallows_service_stopped_is_left_behind() -> None:
    entered, may_end = threading.Event(), threading.Event()

    def spin() -> None:
        while not may_end.is_set():
            pass

    def handler(args: dict[str, Any]) -> dict[str, Any]:
        entered.set()
        while not may_end.is_set():
            with contextlib.suppress(ServiceStopped):
                spin()
        return args

    service = service_of(replying(handler), 0.3, addresses=ECHO_ADDRESSES)
    service.run_service()
    with client_of(address_of(service)) as client:
        client.send(n=1)
        assert entered.wait(PATIENCE_S)
        service.stop_service()
        may_end.set()
    assert isinstance(service.failure, StopOverdue)


def test_what_was_left_behind_closes_its_sockets_when_it_ends(gate: Gate) -> None:
    """The fixture that looks for descriptors is the test."""
    service = service_of(replying(gate), 0.1, addresses=ECHO_ADDRESSES)
    service.run_service()
    with client_of(address_of(service)) as client:
        client.send(n=1)
        gate.entered.get(timeout=PATIENCE_S)
        service.stop_service()
    assert not service.is_running
    gate.may_end.set()
    with running(replying(), addresses=ECHO_ADDRESSES, console_loglevel=None) as other:
        assert ask(address_of(other))["return_args"] == {"n": 1}


def test_a_stop_without_time_is_still_a_stop() -> None:
    service = service_of(replying(), 0, addresses=ECHO_ADDRESSES)
    service.run_service()
    service.stop_service()
    assert not service.is_running
    assert service.failure is None
