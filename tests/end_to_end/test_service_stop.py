"""`Service.stop_service`: from any thread, at any time."""

from __future__ import annotations

import socket
import sys
import threading
from queue import Queue
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors import BindError, ServiceRunning, ServiceStopped
from sf_actors.testing import module_of
from tests.support.models import address_of, at
from tests.support.services import (
    ECHO_ADDRESSES,
    Background,
    ask,
    echo_service,
    looping,
    replying,
    service_of,
)
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


# stopping


def test_stopping_what_does_not_run_does_nothing() -> None:
    service = echo_service()
    service.stop_service()
    service.run_service()
    service.stop_service()
    service.stop_service()
    assert service.failure is None


def test_what_could_not_start_is_stopped_for_who_sends() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        service = service_of(replying(), addresses=at({"echo": taken}))
        with pytest.raises(BindError):
            service.run_service()
    with pytest.raises(ServiceStopped, match="stopped before it was ready"):
        service.to_send("echo", {})


def test_many_threads_may_stop_a_service_at_once() -> None:
    service = echo_service()
    service.run_service()
    stops = [Background(service.stop_service) for _ in range(8)]
    assert [stop.join() for stop in stops] == [None] * 8
    assert not service.is_running


def test_a_stopped_service_has_no_thread_left() -> None:
    before = set(threading.enumerate())
    for _ in range(20):
        service = service_of(looping())
        service.run_service_as_main()
        service.stop_service()
        assert set(threading.enumerate()) == before


def test_a_handler_may_stop_its_service_and_still_answers() -> None:
    def handler(args: dict[str, Any]) -> dict[str, Any]:
        service.stop_service()
        return args

    service = echo_service(handler=handler)
    service.run_service()
    assert ask(address_of(service), 5)["return_args"] == {"n": 5}
    assert service.wait(PATIENCE_S)
    assert service.failure is None


def test_main_may_stop_its_service() -> None:
    steps = []

    def main(to_send: Callable[..., Any]) -> None:
        service.stop_service()
        steps.append("returned")
        with pytest.raises(ServiceStopped):
            to_send("connection", "nobody", {})
        steps.append("refused")

    service = service_of(module_of(main=main))
    service.run_service_as_main_blocking()
    assert steps == ["returned", "refused"]


def test_init_function_may_stop_its_service() -> None:
    service = echo_service(init_function=lambda: service.stop_service())  # noqa: PLW0108
    with pytest.raises(ServiceStopped):
        service.run_service()
    assert not service.is_running
    assert service.failure is None


def test_a_blocking_run_that_was_stopped_in_its_start_ends_cleanly() -> None:
    service = echo_service(init_function=lambda: service.stop_service())  # noqa: PLW0108
    service.run_service_blocking()
    assert not service.is_running
    assert service.failure is None


@pytest.mark.slow
def test_a_service_can_be_stopped_while_init_function_runs(interrupted_soon: float) -> None:
    started = threading.Event()
    interrupted = []

    def init_function(to_send: Callable[..., Any]) -> None:
        started.set()
        try:
            while True:
                pass
        except ServiceStopped as stopped:
            interrupted.append(stopped)
            raise

    service = echo_service(init_function=init_function)
    service._stop_timeout_s = interrupted_soon
    run = Background(service.run_service)
    assert started.wait(PATIENCE_S)
    service.stop_service()
    assert isinstance(run.join(), ServiceStopped)
    assert len(interrupted) == 1
    assert service.failure is None


def test_init_function_may_send_nothing_once_its_service_stops() -> None:
    started, stopping = threading.Event(), threading.Event()
    refusals: Queue[BaseException] = Queue()

    def init_function(to_send: Callable[..., Any]) -> None:
        started.set()
        assert stopping.wait(PATIENCE_S)
        try:
            while True:
                to_send("connection", "target", {})
        except ServiceStopped as stopped:
            refusals.put(stopped)

    service = service_of(looping(init_function=init_function))
    run = Background(service.run_service)
    assert started.wait(PATIENCE_S)
    service.begin_stop()
    stopping.set()
    refusals.get(timeout=PATIENCE_S)
    service.stop_service()
    assert isinstance(run.join(), ServiceStopped)


def test_a_service_can_be_stopped_while_its_file_is_executed(
    tmp_path: Path, interrupted_soon: float
) -> None:
    started = threading.Event()
    sys.modules["started_event"] = module_of(started=started)
    try:
        file = tmp_path / "svc.py"
        file.write_text("from started_event import started\nstarted.set()\nwhile True: pass\n")
        service = service_of(file, interrupted_soon)
        run = Background(service.run_service)
        assert started.wait(PATIENCE_S)
        assert service.is_running
        assert not service.wait(0)
        service.stop_service()
        assert isinstance(run.join(), ServiceStopped)
    finally:
        del sys.modules["started_event"]
    assert not service.is_running
    assert service.failure is None


def test_a_service_can_be_stopped_while_its_sockets_open() -> None:
    opening, may_open = threading.Event(), threading.Event()

    def setup_addresses() -> dict[str, Any]:
        opening.set()
        assert may_open.wait(PATIENCE_S)
        return ECHO_ADDRESSES

    service = service_of(replying(setup_addresses=setup_addresses))
    run = Background(service.run_service)
    assert opening.wait(PATIENCE_S)
    stop = Background(service.stop_service)
    service.begin_stop()
    may_open.set()
    assert stop.join() is None
    assert isinstance(run.join(), ServiceStopped)
    assert not service.is_running


def test_starts_and_stops_from_many_threads_leave_a_stopped_service() -> None:
    service = echo_service()

    def start() -> None:
        for _ in range(5):
            try:
                service.run_service()
            except (ServiceRunning, ServiceStopped):
                continue

    def stop() -> None:
        for _ in range(5):
            service.stop_service()

    threads = [Background(function) for function in (start, stop) * 3]
    assert [thread.join(30) for thread in threads] == [None] * 6
    service.stop_service()
    assert not service.is_running
    assert service.failure is None
