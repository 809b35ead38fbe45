"""The stop of a service with workers: what was read is handled, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
from contextlib import ExitStack
from textwrap import dedent
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from sf_actors import ServiceFailed, ServiceStopped, StopOverdue
from sf_actors.testing import running
from tests.support.actor_faults import Slow, Stubborn, asking
from tests.support.bare_sockets import bare, packed, unpacked
from tests.support.models import ANY_PORT, at, counters, replyer, service
from tests.support.processes import Process
from tests.support.services import Background, service_of
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sf_actors import Service

N = {"n": int}


def started(
    opened: ExitStack, handler: Callable[..., Any], workers: int, stop_timeout_s: float = 5.0
) -> Service:
    """Return a service that runs, and is stopped with the test if not before."""
    module = service("served", {"it": replyer(handler, N, workers=workers)})
    served = service_of(module, stop_timeout_s, addresses=at({"it": ANY_PORT}))
    served.run_service()
    opened.callback(served.stop_service)
    return served


def asked(opened: ExitStack, served: Service, count: int) -> list[zmq.Socket[bytes]]:
    """Send so many requests, each from a socket of its own, and wait until they are read."""
    sockets = [opened.enter_context(asking(served)) for _ in range(count)]
    for n, socket in enumerate(sockets):
        socket.send(packed({"args": {"n": n}}))
    until(lambda: counters(served, "it")["received"] == count, "all requests")
    return sockets


def errors(sockets: list[zmq.Socket[bytes]]) -> list[tuple[str, bool]]:
    """Return what each socket is answered: the type of the error, and whether it is unhandled."""
    answers = [unpacked(socket.recv()).get("error", {}) for socket in sockets]
    return sorted((one.get("type", ""), one.get("unhandled", False)) for one in answers)


def test_a_stop_has_what_was_read_handled_and_answered() -> None:
    slow = Slow()
    with ExitStack() as opened:
        served = started(opened, slow, workers=2)
        sockets = asked(opened, served, 5)
        stopping = Background(served.stop_service)
        slow.release(5)
        assert errors(sockets) == [("", False)] * 5
        assert stopping.join() is None
        assert served.failure is None


def test_user_code_in_all_workers_gets_service_stopped_within_the_deadline(
    interrupted_soon: float,
) -> None:
    def handler() -> None:
        while True:
            sleep(0.01)

    with ExitStack() as opened:
        served = started(opened, handler, workers=3, stop_timeout_s=interrupted_soon)
        sockets = asked(opened, served, 3)
        began = monotonic()
        served.stop_service()
        assert monotonic() - began < PATIENCE_S
        assert errors(sockets) == [("ServiceStopped", False)] * 3
        assert served.failure is None


def test_coroutines_in_workers_are_cancelled_within_the_deadline(interrupted_soon: float) -> None:
    async def handler() -> None:
        await asyncio.sleep(PATIENCE_S)

    with ExitStack() as opened:
        served = started(opened, handler, workers=3, stop_timeout_s=interrupted_soon)
        sockets = asked(opened, served, 3)
        served.stop_service()
        assert errors(sockets) == [("ServiceStopped", False)] * 3
        assert served.failure is None


def test_what_is_stuck_is_named_once_and_answered_and_what_never_began_is_unhandled(
    capsys: pytest.CaptureFixture[str],
) -> None:
    stuck = Stubborn()
    with ExitStack() as opened:
        opened.callback(stuck.release.set)
        module = service("served", {"it": replyer(stuck, N, workers=2)})
        served = opened.enter_context(
            running(module, addresses=at({"it": ANY_PORT}), stop_timeout_s=0.3)
        )
        sockets = asked(opened, served, 4)
        began = monotonic()
        served.stop_service()
        assert monotonic() - began < PATIENCE_S
        assert errors(sockets) == [("ServiceStopped", False)] * 2 + [("ServiceStopped", True)] * 2
        assert isinstance(served.failure, StopOverdue)
        numbers = counters(served, "it")
        assert numbers["dropped"] == {"stopped": 4}
        assert (numbers["in_flight"], numbers["queued"], numbers["sent"]) == (0, 0, 4)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    (warning,) = [line for line in lines if line["level"] == "warning"]
    assert warning["left_behind"] == "served: connection_models['in']['it']"


def test_a_worker_that_stops_its_service_is_answered() -> None:
    def stop() -> None:
        served.stop_service()

    with ExitStack() as opened:
        served = started(opened, stop, workers=2)
        assert errors(asked(opened, served, 1)) == [("", False)]
        assert served.wait(PATIENCE_S)
        assert served.failure is None


def test_a_handler_that_looks_after_itself_is_told_of_the_stop() -> None:
    entered = threading.Event()

    def handler(args: Any, stopping: Any) -> None:
        entered.set()
        assert stopping.wait(PATIENCE_S)

    with ExitStack() as opened:
        served = started(opened, handler, workers=2)
        sockets = asked(opened, served, 2)
        assert entered.wait(PATIENCE_S)
        served.stop_service()
        assert errors(sockets) == [("", False)] * 2


def test_what_a_worker_sends_after_the_deadline_is_refused() -> None:
    told: list[BaseException] = []
    entered, may_send, done = (threading.Event() for _ in range(3))

    def handler(args: Any, to_send: Any) -> None:
        entered.set()
        while not may_send.is_set():
            try:
                may_send.wait(PATIENCE_S)
            except ServiceStopped:
                continue
        try:
            to_send("target", {})
        except ServiceStopped as error:
            told.append(error)
        done.set()

    target = {
        "connection_type": "external_target",
        "required_creation_arguments": {"target": dict},
    }
    with ExitStack() as opened:
        module = service("served", {"it": replyer(handler, N, workers=1)}, {"target": target})
        served = service_of(module, 0.2, addresses=at({"it": ANY_PORT}))
        served.run_service()
        asked(opened, served, 1)
        assert entered.wait(PATIENCE_S)
        served.stop_service()
        may_send.set()
        assert done.wait(PATIENCE_S)
    assert len(told) == 1


@pytest.mark.parametrize("limit", [0, 2])
def test_workers_for_which_the_system_has_no_threads_are_one_clear_error_before_ready(
    limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def limited(thread: threading.Thread) -> None:
        number = thread.name.rpartition("/it/")[2]
        if number.isdecimal() and int(number) > limit:
            raise RuntimeError("can't start new thread")
        start(thread)

    module = service("served", {"it": replyer(lambda args: {}, N, workers=4)})
    served = service_of(module, addresses=at({"it": ANY_PORT}))
    monkeypatch.setattr(threading.Thread, "start", limited)
    with pytest.raises(ServiceFailed, match=f"expected 4 threads for 'workers', got {limit}"):
        served.run_service()
    monkeypatch.undo()
    with served:
        assert served.is_running


FORKING = """
import os

def on_request(args):
    if os.fork() == 0:
        os.write(1, b"the child\\n")
        return {}
    os.wait()
    return {}

connection_models = {"in": {"it": {
    "connection_type": "replyer",
    "required_creation_arguments": {"on_request": on_request},
    "optional_creation_arguments": {"workers": 2},
    "required_arguments": {"n": int},
}}}
"""

SLEEPING = """
import time

def on_request(args):
    print("at work\\n", end="", flush=True)
    time.sleep(0.3)
    return {}

connection_models = {"in": {"it": {
    "connection_type": "replyer",
    "required_creation_arguments": {"on_request": on_request},
    "optional_creation_arguments": {"workers": 2},
    "required_arguments": {"n": int},
}}}
"""


def run(tmp_path: Path, text: str) -> Process:
    file = tmp_path / "served.py"
    file.write_text(dedent(text))
    addresses = tmp_path / "addresses.json"
    addresses.write_text(json.dumps(at({"it": ANY_PORT})))
    return Process("-s", str(file), "-a", str(addresses))


@pytest.mark.slow
def test_a_handler_that_forks_answers_once_and_its_child_ends(tmp_path: Path) -> None:
    with run(tmp_path, FORKING) as process:
        address = process.wait_until_ready()["it.replyer"]
        with bare(zmq.REQ, connect=f"tcp://{address}") as req:
            req.send(packed({"args": {"n": 1}}))
            assert "return_args" in unpacked(req.recv())
        process.interrupt()
        assert process.wait() == 0


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_workers_come_to_an_end(number: signal.Signals, tmp_path: Path) -> None:
    with run(tmp_path, SLEEPING) as process:
        address = process.wait_until_ready()["it.replyer"]
        with (
            bare(zmq.REQ, connect=f"tcp://{address}") as one,
            bare(zmq.REQ, connect=f"tcp://{address}") as other,
        ):
            for req in (one, other):
                req.send(packed({"args": {"n": 1}}))
            for _ in range(2):
                process.wait_for_line("at work")
            os.kill(process.popen.pid, number)
            assert all("return_args" in unpacked(req.recv()) for req in (one, other))
        assert process.wait() == 0
