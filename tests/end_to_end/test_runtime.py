"""A run: what happens in which order, what fails it, and what is restarted."""

from __future__ import annotations

import json
import socket
import threading
from queue import Queue
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors import ActorDied, BindError, DefinitionError, Service, ServiceFailed
from sf_actors.connections.replyer import Replyer
from sf_actors.testing import module_of, running
from tests.support.models import address_of
from tests.support.services import (
    ECHO_ADDRESSES,
    Background,
    ask,
    client_of,
    looping,
    replying,
    requester,
    service_of,
)
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


# READY


def test_one_line_says_that_the_service_is_ready_with_its_bound_addresses(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with running(replying(), addresses=ECHO_ADDRESSES, name="svc") as service:
        lines = lines_of(capsys)
        (ready,) = [line for line in lines if line["event"] == "ready"]
        assert ready["level"] == "info"
        assert ready["service"] == "svc"
        assert ready["addresses"] == {"echo.replyer": address_of(service)}
        assert lines[-1] == ready


def test_each_bound_address_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    with running(replying(), addresses=ECHO_ADDRESSES) as service:
        (bound,) = [line for line in lines_of(capsys) if line["event"] == "bound"]
        assert bound["level"] == "info"
        assert bound["address"] == address_of(service)


def test_binding_beyond_loopback_without_keys_is_warned_of_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    addresses = {"connections": {"in": {"echo": {"replyer": "*:0"}}}}
    with running(replying(), addresses=addresses):
        warnings = [line for line in lines_of(capsys) if line["level"] == "warning"]
        assert len(warnings) == 1
        assert "without keys" in warnings[0]["event"]


def test_binding_to_loopback_is_not_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    with running(replying(), addresses=ECHO_ADDRESSES):
        assert not [line for line in lines_of(capsys) if line["level"] == "warning"]


def test_ready_is_shown_by_the_stats() -> None:
    service = service_of(replying(), addresses=ECHO_ADDRESSES)
    assert service.stats()["phase"] == "NOT_STARTED"
    with service:
        assert service.stats()["phase"] == "READY"
    assert service.stats()["phase"] == "STOPPED"


# the order of a start


def test_the_functions_of_a_service_are_called_in_order() -> None:
    called: list[str] = []

    def hook(name: str) -> Callable[[], None]:
        return lambda: called.append(name)

    setup = ("setup_config", "setup_addresses", "setup_connections", "setup_states")
    names = (*setup, "init_function", "main")
    service = service_of(module_of(**{name: hook(name) for name in names}))
    service.run_service_as_main_blocking()
    assert called == list(names)


def test_init_function_has_returned_before_the_first_message_is_handled() -> None:
    started, may_end = threading.Event(), threading.Event()
    called: Queue[str] = Queue()

    def init_function() -> None:
        started.set()
        assert may_end.wait(PATIENCE_S)
        called.put("init_function")

    def handler(args: dict[str, Any]) -> dict[str, Any]:
        called.put("handler")
        return args

    service = service_of(replying(handler, init_function=init_function), addresses=ECHO_ADDRESSES)
    run = Background(service.run_service)
    assert started.wait(PATIENCE_S)
    with client_of(address_of(service)) as client:
        client.send(n=1)
        may_end.set()
        client.receive()
    assert run.join() is None
    assert [called.get(timeout=PATIENCE_S) for _ in range(2)] == ["init_function", "handler"]
    service.stop_service()


def test_init_function_can_ask_other_services() -> None:
    replies = []

    def init_function(to_send: Callable[..., Any]) -> None:
        replies.append(to_send("connection", "ask", {"n": 6}))

    with running(replying(), addresses=ECHO_ADDRESSES, console_loglevel=None) as other:
        addresses = {"connections": {"out": {"ask": {"requester": address_of(other)}}}}
        models = {"out": {"ask": requester()}}
        module = module_of(init_function=init_function, connection_models=models)
        with running(module, addresses=addresses, console_loglevel=None):
            assert replies == [{"n": 6}]


def test_nothing_is_bound_when_a_setup_hook_raises(capsys: pytest.CaptureFixture[str]) -> None:
    def setup_states() -> None:
        raise LookupError("no luck")

    with pytest.raises(LookupError):
        Service(replying(setup_states=setup_states), addresses=ECHO_ADDRESSES).run_service()
    assert lines_of(capsys) == []


# what keeps a service from being READY


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


def test_a_taken_port_is_one_line_and_everything_is_closed(taken_port: int) -> None:
    address = f"127.0.0.1:{taken_port}"
    models = replying().connection_models
    models["in"]["free"] = models["in"]["echo"]
    addresses = {
        "connections": {"in": {"echo": {"replyer": address}, "free": {"replyer": "127.0.0.1:0"}}}
    }
    service = service_of(module_of(connection_models=models), addresses=addresses)
    began = monotonic()
    with pytest.raises(BindError) as caught:
        service.run_service()
    assert monotonic() - began < 5
    assert address in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not service.is_running
    assert service.failure is caught.value


def test_a_taken_port_of_a_publisher_is_one_line_and_everything_is_closed(taken_port: int) -> None:
    models = {"out": {"prices": {"connection_type": "publisher"}}}
    addresses = {"connections": {"out": {"prices": f"127.0.0.1:{taken_port}"}}}
    with pytest.raises(BindError, match=str(taken_port)):
        service_of(module_of(connection_models=models), addresses=addresses).run_service()


def test_a_port_is_free_again_once_its_service_has_stopped() -> None:
    with running(replying(), addresses=ECHO_ADDRESSES, console_loglevel=None) as service:
        address = address_of(service)
    addresses = {"connections": {"in": {"echo": {"replyer": address}}}}
    for _ in range(5):
        with running(replying(), addresses=addresses, console_loglevel=None):
            assert ask(address)["return_args"] == {"n": 1}


def test_a_port_is_free_again_after_a_start_that_failed(taken_port: int) -> None:
    def init_function() -> None:
        raise LookupError

    addresses = dict(ECHO_ADDRESSES)
    with running(replying(), addresses=addresses, console_loglevel=None) as service:
        address = address_of(service)
    addresses = {"connections": {"in": {"echo": {"replyer": address}}}}
    with pytest.raises(LookupError):
        service_of(replying(init_function=init_function), addresses=addresses).run_service()
    with running(replying(), addresses=addresses, console_loglevel=None):
        assert ask(address)["return_args"] == {"n": 1}


# main mode


def test_main_mode_refuses_inbound_models_and_names_them() -> None:
    service = service_of(replying(main=lambda: None), addresses=ECHO_ADDRESSES)
    with pytest.raises(DefinitionError, match="'echo'"):
        service.run_service_as_main()
    assert not service.is_running


def test_main_mode_serves_inbound_models_beside_main_where_that_is_allowed() -> None:
    module = replying(main=looping().main)
    module.connection_models["out"] = looping().connection_models["out"]
    service = service_of(module, addresses=ECHO_ADDRESSES, allow_inbound=True)
    service.run_service_as_main()
    assert ask(address_of(service), 3)["return_args"] == {"n": 3}
    service.stop_service()
    assert service.failure is None


def test_main_mode_without_main_is_refused() -> None:
    with pytest.raises(DefinitionError, match="main"):
        service_of(module_of(state_models={})).run_service_as_main()


def test_main_is_not_called_in_service_mode() -> None:
    called = []
    with running(module_of(main=lambda: called.append(1)), console_loglevel=None):
        pass
    assert not called


# the handler lock


def test_two_calls_have_the_least_pause_between_them() -> None:
    times = []

    def handler(args: dict[str, Any]) -> dict[str, Any]:
        times.append(monotonic())
        return args

    with running(
        replying(handler),
        addresses=ECHO_ADDRESSES,
        console_loglevel=None,
        service_loop_min_wait_time_s=0.2,
    ) as service:
        for _ in range(3):
            ask(address_of(service))
    assert times[1] - times[0] >= 0.2
    assert times[2] - times[1] >= 0.2


def test_a_stop_does_not_wait_for_the_least_pause() -> None:
    service = service_of(replying(), addresses=ECHO_ADDRESSES, service_loop_min_wait_time_s=60.0)
    service.run_service()
    with client_of(address_of(service)) as client:
        ask(address_of(service))
        client.send(n=2)
        began = monotonic()
        until(lambda: numbers_of(service)["received"] == 2)
        service.stop_service()
        assert client.receive()["return_args"] == {"n": 2}
    assert monotonic() - began < 5


def test_no_two_functions_of_a_service_run_at_once() -> None:
    running_now: list[str] = []
    overlaps = []

    def handler(name: str) -> Callable[..., Any]:
        def handle(args: dict[str, Any]) -> dict[str, Any]:
            running_now.append(name)
            overlaps.extend(running_now[1:])
            for _ in range(1000):
                pass
            running_now.pop()
            return args

        return handle

    names = [f"echo{number}" for number in range(4)]
    models = {
        "in": {name: replying(handler(name)).connection_models["in"]["echo"] for name in names}
    }
    addresses = {"connections": {"in": dict.fromkeys(names, "127.0.0.1:0")}}
    with running(
        module_of(connection_models=models), addresses=addresses, console_loglevel=None
    ) as service:
        found = service.addresses["connections"]["in"]
        askers = [
            Background(lambda name=name: [ask(found[name]) for _ in range(25)]) for name in names
        ]
        assert [asker.join() for asker in askers] == [None] * 4
    assert overlaps == []


# supervision


def numbers_of(service: Service) -> dict[str, Any]:
    numbers: dict[str, Any] = service.stats()["connections"]["in"]["echo"]
    return numbers


class Poison:
    """Makes a replyer's reading fail some times: what a bug of ours would do."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
        self.left = times
        self._read = Replyer.on_readable
        monkeypatch.setattr(Replyer, "on_readable", lambda *args: self.read(*args))  # noqa: PLW0108 - binds the actor

    def read(self, *args: Any) -> None:
        if self.left:
            self.left -= 1
            raise ArithmeticError("a bug of ours")
        self._read(*args)


def test_an_actor_that_dies_is_restarted_at_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    Poison(monkeypatch, times=3)
    with running(replying(), addresses=ECHO_ADDRESSES, console_loglevel=None) as service:
        until(lambda: numbers_of(service)["restarts"] == 3)
        assert ask(address_of(service))["return_args"] == {"n": 1}
        numbers = numbers_of(service)
        assert "a bug of ours" in numbers["last_error"]
        assert service.failure is None


def test_an_actor_that_dies_too_often_fails_its_service(monkeypatch: pytest.MonkeyPatch) -> None:
    Poison(monkeypatch, times=4)
    service = service_of(replying(), addresses=ECHO_ADDRESSES)
    service.run_service()
    assert service.wait(PATIENCE_S)
    assert isinstance(service.failure, ActorDied)
    assert isinstance(service.failure, ServiceFailed)
    assert "echo" in str(service.failure)
    assert "a bug of ours" in str(service.failure)


def test_a_service_whose_actor_died_too_often_can_be_run_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Poison(monkeypatch, times=4)
    service = service_of(replying(), addresses=ECHO_ADDRESSES)
    service.run_service()
    assert service.wait(PATIENCE_S)
    with service:
        assert ask(address_of(service))["return_args"] == {"n": 1}
    assert service.failure is None


def test_a_handler_that_raises_is_logged_counted_and_answered_and_the_service_goes_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def handler(args: dict[str, Any]) -> dict[str, Any]:
        if args["n"] == 0:
            raise LookupError("no luck")
        return args

    with running(replying(handler), addresses=ECHO_ADDRESSES) as service:
        assert ask(address_of(service), 0)["error"] == {
            "type": "LookupError",
            "message": "no luck",
        }
        assert ask(address_of(service), 1)["return_args"] == {"n": 1}
        assert numbers_of(service)["failed"] == 1
        (error,) = [line for line in lines_of(capsys) if line["level"] == "error"]
        assert "no luck" in error["exception"]
        assert "sf_actors/" not in error["exception"].replace(__file__, "")
