"""The graceful stop: what is answered, who is interrupted, and what is left behind."""

from __future__ import annotations

import sys
import threading
from queue import Queue
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from sf_actors import RequestTimeout, ServiceFailed, ServiceStopped, StopOverdue
from sf_actors.lifecycle import stop as interrupts
from sf_actors.testing import module_of, running
from tests.support.bare_sockets import bare, packed
from tests.support.models import address_of
from tests.support.services import (
    ECHO_ADDRESSES,
    Background,
    Gate,
    ask,
    client_of,
    has_queued,
    looping,
    replyers,
    replying,
    requester,
    service_of,
)
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.slow


# what was read


def test_what_was_read_is_answered_before_the_service_ends(gate: Gate) -> None:
    service = service_of(replying(gate), addresses=ECHO_ADDRESSES)
    service.run_service()
    with client_of(address_of(service)) as first:
        first.send(n=1)
        assert gate.entered.get(timeout=PATIENCE_S) == 1
        stop = Background(service.stop_service)
        service.begin_stop()
        gate.may_end.set()
        assert first.receive()["return_args"] == {"n": 1}
    assert stop.join() is None
    assert service.failure is None


def test_requests_that_wait_for_their_turn_are_answered_too(gate: Gate) -> None:
    models = replyers(echo=gate, other=lambda args: args)
    addresses = {
        "connections": {"in": {name: {"replyer": "127.0.0.1:0"} for name in ("echo", "other")}}
    }
    service = service_of(module_of(connection_models=models), addresses=addresses)
    service.run_service()
    with client_of(address_of(service)) as first, client_of(address_of(service, "other")) as second:
        first.send(n=1)
        gate.entered.get(timeout=PATIENCE_S)
        second.send(n=2)
        until(lambda: has_queued(service, 1))
        stop = Background(service.stop_service)
        service.begin_stop()
        gate.may_end.set()
        assert first.receive()["return_args"] == {"n": 1}
        assert second.receive()["return_args"] == {"n": 2}
    assert stop.join() is None


@pytest.mark.parametrize("kind", ["replyer", "subscriber"])
def test_what_is_not_read_when_the_stop_begins_is_not_read_any_more(kind: str, gate: Gate) -> None:
    """However much of what an actor reads at a time is still there."""
    creation: dict[str, Any] = {"on_new_message": gate}
    if kind == "subscriber":
        creation["is_binder"] = True
    model = {
        "connection_type": kind,
        "required_creation_arguments": creation,
        "required_arguments": {"n": int},
        "optional_return_arguments": {"n": int} if kind == "replyer" else {},
    }
    module = module_of(connection_models={"in": {"echo": model}})
    addresses = {"connections": {"in": {"echo": {kind: "127.0.0.1:0"}}}}
    service = service_of(module, addresses=addresses)
    service.run_service()
    actor = service._run.state.actors["connections/in/echo"]  # type: ignore[union-attr]
    address = service.addresses["connections"]["in"]["echo"][kind]
    with bare(zmq.DEALER if kind == "replyer" else zmq.XPUB, connect=f"tcp://{address}") as sender:
        if kind == "subscriber":
            sender.recv()
        for n in range(20):
            frame = packed({"args": {"n": n}, "workflow_id": n})
            sender.send_multipart([b"", frame] if kind == "replyer" else [frame])
        gate.entered.get(timeout=PATIENCE_S)
        stop = Background(service.stop_service)
        # told to read no more, in its own thread or, where the router calls the handler, beside it
        until(lambda: not actor.inbox.empty() or actor.is_draining, "the order to read no more")
        gate.may_end.set()
        assert stop.join() is None
    numbers = service.stats()["connections"]["in"]["echo"]
    if kind == "subscriber":
        assert numbers["received"] == 1
    else:
        # what had not been read is answered, and not handled
        assert numbers["handled"] + numbers["dropped"].get("stopped", 0) == 20
    assert service.failure is None


def test_what_waits_at_the_deadline_is_answered_with_an_error(gate: Gate) -> None:
    models = replyers(echo=gate, other=lambda args: args)
    addresses = {
        "connections": {"in": {name: {"replyer": "127.0.0.1:0"} for name in ("echo", "other")}}
    }
    service = service_of(module_of(connection_models=models), 0.2, addresses=addresses)
    service.run_service()
    with client_of(address_of(service)) as first, client_of(address_of(service, "other")) as second:
        first.send(n=1)
        gate.entered.get(timeout=PATIENCE_S)
        second.send(n=2)
        until(lambda: has_queued(service, 1))
        stop = Background(service.stop_service)
        assert second.receive()["error"]["type"] == "ServiceStopped"
    gate.may_end.set()
    assert stop.join() is None


def test_handlers_may_send_while_the_service_drains(gate: Gate) -> None:
    """An answer that needs another service is still an answer."""
    with running(replying(), addresses=ECHO_ADDRESSES, console_loglevel=None) as other:

        def handler(args: dict[str, Any], to_send: Callable[..., Any]) -> dict[str, Any]:
            gate(args)
            reply: dict[str, Any] = to_send("connection", "ask", {"n": args["n"] * 2})
            return reply

        models = {**replyers(echo=handler), "out": {"ask": requester()}}
        addresses = {
            "connections": {
                **ECHO_ADDRESSES["connections"],
                "out": {"ask": {"requester": address_of(other)}},
            }
        }
        service = service_of(module_of(connection_models=models), addresses=addresses)
        service.run_service()
        with client_of(address_of(service)) as client:
            client.send(n=2)
            gate.entered.get(timeout=PATIENCE_S)
            stop = Background(service.stop_service)
            service.begin_stop()
            gate.may_end.set()
            assert client.receive()["return_args"] == {"n": 4}
        assert stop.join() is None


def test_a_request_that_nobody_answers_does_not_hold_up_the_stop(interrupted_soon: float) -> None:
    errors: Queue[BaseException] = Queue()
    asking = threading.Event()

    def handler(args: dict[str, Any], to_send: Callable[..., Any]) -> dict[str, Any]:
        asking.set()
        try:
            to_send("connection", "ask", {"n": 1})
        except ServiceStopped as stopped:
            errors.put(stopped)
        return args

    models = {**replyers(echo=handler), "out": {"ask": requester(timeout_s=60.0)}}
    addresses = {
        "connections": {
            **ECHO_ADDRESSES["connections"],
            "out": {"ask": {"requester": "127.0.0.1:9"}},
        }
    }
    service = service_of(module_of(connection_models=models), interrupted_soon, addresses=addresses)
    service.run_service()
    with client_of(address_of(service)) as client:
        client.send(n=3)
        assert asking.wait(PATIENCE_S)
        service.stop_service()
        assert isinstance(errors.get(timeout=PATIENCE_S), ServiceStopped)
        assert client.receive()["return_args"] == {"n": 3}
    assert service.failure is None


def test_main_that_ends_lets_handlers_finish(gate: Gate) -> None:
    entered = threading.Event()
    service = service_of(
        replying(gate, main=lambda: entered.wait(PATIENCE_S)),
        addresses=ECHO_ADDRESSES,
        allow_inbound=True,
    )
    service.run_service_as_main()
    with client_of(address_of(service)) as client:
        client.send(n=1)
        gate.entered.get(timeout=PATIENCE_S)
        entered.set()
        until(lambda: service.stats()["phase"] == "STOPPING")
        gate.may_end.set()
        assert client.receive()["return_args"] == {"n": 1}
    assert service.wait(PATIENCE_S)
    assert service.failure is None


# ServiceStopped


def test_main_gets_service_stopped_from_its_next_to_send() -> None:
    started, stopped = threading.Event(), Queue[float]()

    def main(to_send: Callable[..., Any]) -> None:
        try:
            while True:
                to_send("connection", "target", {})
                started.set()
        except ServiceStopped:
            stopped.put(monotonic())
            raise

    service = service_of(looping(main), 60.0)
    service.run_service_as_main()
    assert started.wait(PATIENCE_S)
    began = monotonic()
    service.stop_service()
    assert stopped.get(timeout=PATIENCE_S) - began < 5
    assert service.failure is None


def test_service_stopped_is_raised_in_a_main_that_never_sends_at_half_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # what ends main in time is the first interrupt
    monkeypatch.setattr(interrupts, "INTERRUPTS", interrupts.INTERRUPTS[:1])
    started, stopped = threading.Event(), Queue[float]()

    def main() -> None:
        started.set()
        try:
            while True:
                pass
        except ServiceStopped:
            stopped.put(monotonic())
            raise

    service = service_of(module_of(main=main), 4.0)
    service.run_service_as_main()
    assert started.wait(PATIENCE_S)
    began = monotonic()
    service.stop_service()
    assert 2.0 <= stopped.get(timeout=PATIENCE_S) - began < 4.0
    assert service.failure is None


def test_service_stopped_is_raised_in_a_handler_and_answers_its_request(
    interrupted_soon: float,
) -> None:
    entered = threading.Event()

    def handler(args: dict[str, Any]) -> None:
        entered.set()
        while True:
            pass

    service = service_of(replying(handler), interrupted_soon, addresses=ECHO_ADDRESSES)
    service.run_service()
    with client_of(address_of(service)) as client:
        client.send(n=1)
        assert entered.wait(PATIENCE_S)
        service.stop_service()
        assert client.receive()["error"]["type"] == "ServiceStopped"
    assert service.failure is None


def test_main_that_swallows_service_stopped_once_is_interrupted_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(interrupts, "INTERRUPTS", (0.02, 0.04, 0.5))
    started = threading.Event()
    swallowed = []

    def main() -> None:
        for _ in range(2):
            try:
                started.set()
                while True:
                    pass
            except ServiceStopped as stopped:
                swallowed.append(stopped)

    service = service_of(module_of(main=main), PATIENCE_S)
    service.run_service_as_main()
    assert started.wait(PATIENCE_S)
    service.stop_service()
    assert len(swallowed) == 2
    assert service.failure is None


def test_a_main_that_was_not_begun_when_the_service_stops_is_not_begun() -> None:
    begun = []
    service = service_of(module_of(main=lambda: begun.append(1)))
    run = service._start(main_mode=True)
    stop = Background(service.stop_service)
    until(run.state.stop_begun.is_set)
    run.run_main()
    assert stop.join() is None
    assert not begun


def test_user_threads_get_service_stopped_from_to_send() -> None:
    errors: Queue[BaseException] = Queue()
    module = looping()

    def work(to_send: Callable[..., Any]) -> None:
        try:
            module.main(to_send)
        except ServiceStopped as stopped:
            errors.put(stopped)

    def init_function(to_send: Callable[..., Any]) -> None:
        threading.Thread(target=work, args=(to_send,)).start()

    module.init_function = init_function  # type: ignore[attr-defined]
    service = service_of(module)
    service.run_service()
    service.stop_service()
    assert isinstance(errors.get(timeout=PATIENCE_S), ServiceStopped)


# sys.exit


@pytest.mark.parametrize("status", [0, 3])
def test_an_exit_in_a_handler_fails_its_service(status: int) -> None:
    service = service_of(replying(lambda args: sys.exit(status)), addresses=ECHO_ADDRESSES)
    service.run_service()
    assert ask(address_of(service))["error"]["type"] == "SystemExit"
    assert service.wait(PATIENCE_S)
    assert isinstance(service.failure, ServiceFailed)
    assert f"sys.exit({status})" in str(service.failure)
    assert "connection_models['in']['echo']" in str(service.failure)


def test_a_timeout_in_main_leaves_the_service_to_main() -> None:
    timeouts = []

    def main(to_send: Callable[..., Any]) -> None:
        with pytest.raises(RequestTimeout) as caught:
            to_send("connection", "ask", {"n": 1})
        timeouts.append(caught.value)

    models = {"out": {"ask": requester(timeout_s=0.05)}}
    addresses = {"connections": {"out": {"ask": {"requester": "127.0.0.1:9"}}}}
    service = service_of(module_of(main=main, connection_models=models), addresses=addresses)
    service.run_service_as_main_blocking()
    assert len(timeouts) == 1


def test_a_sleeping_main_in_a_thread_is_left_behind_as_a_daemon() -> None:
    started, may_end = threading.Event(), threading.Event()

    def main() -> None:
        started.set()
        may_end.wait(PATIENCE_S)

    service = service_of(module_of(main=main), 0.2)
    service.run_service_as_main()
    assert started.wait(PATIENCE_S)
    service.stop_service()
    assert isinstance(service.failure, StopOverdue)
    (thread,) = [t for t in threading.enumerate() if t.name.endswith("/main")]
    may_end.set()
    assert thread.daemon
