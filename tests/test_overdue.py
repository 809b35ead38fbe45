"""User code that does not end within the deadline of a stop."""

from __future__ import annotations

import json
import threading
from time import monotonic
from typing import TYPE_CHECKING, Any

from sf_actors import Service, ServiceStopped, StopOverdue
from sf_actors.testing import module_of, running
from tests.services import (
    ECHO_ADDRESSES,
    PATIENCE_S,
    Background,
    Gate,
    address_of,
    ask,
    client_of,
    replying,
    service_of,
)

if TYPE_CHECKING:
    import pytest


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
    assert monotonic() - began < 1
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


def test_an_init_function_stuck_past_the_deadline_is_named() -> None:
    started, may_end = threading.Event(), threading.Event()

    def init_function() -> None:
        started.set()
        may_end.wait(PATIENCE_S)

    service = service_of(module_of(init_function=init_function), 0.2)
    run = Background(service.run_service)
    assert started.wait(PATIENCE_S)
    service.stop_service()
    assert isinstance(service.failure, StopOverdue)
    assert "init_function" in str(service.failure)
    may_end.set()
    assert isinstance(run.join(), StopOverdue | ServiceStopped)


def test_a_service_file_stuck_past_the_deadline_is_named() -> None:
    started, may_end = threading.Event(), threading.Event()

    def setup_config() -> None:
        started.set()
        may_end.wait(PATIENCE_S)

    service = service_of(module_of(setup_config=setup_config), 0.2)
    run = Background(service.run_service)
    assert started.wait(PATIENCE_S)
    service.stop_service()
    assert isinstance(service.failure, StopOverdue)
    assert "the service file" in str(service.failure)
    may_end.set()
    run.join()
    assert not service.is_running


def test_a_handler_that_swallows_service_stopped_is_left_behind() -> None:
    entered, may_end = threading.Event(), threading.Event()

    def handler(args: dict[str, Any]) -> dict[str, Any]:
        entered.set()
        while not may_end.is_set():
            try:
                while not may_end.is_set():
                    pass
            except ServiceStopped:
                continue
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
