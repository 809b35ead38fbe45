"""`Service` as an object: run, stop, wait, and run again."""

from __future__ import annotations

import math
import sys
import threading
from queue import Queue
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors import (
    ConfigError,
    DefinitionError,
    Service,
    ServiceFailed,
    ServiceRunning,
    ServiceStopped,
    UsageError,
)
from sf_actors.testing import module_of, running
from tests.support.models import address_of
from tests.support.services import (
    ECHO_ADDRESSES,
    REPLYER_FILE,
    Background,
    ask,
    echo_service,
    looping,
    replying,
    service_of,
)
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from pathlib import Path


# running


def test_a_service_is_ready_when_run_service_returns() -> None:
    service = echo_service()
    service.run_service()
    assert service.is_running
    assert ask(address_of(service), 7)["return_args"] == {"n": 7}
    service.stop_service()
    assert not service.is_running


def test_main_runs_in_a_thread_of_its_own_in_the_background() -> None:
    idents: Queue[int] = Queue()
    service = service_of(module_of(main=lambda: idents.put(threading.get_ident())))
    service.run_service_as_main()
    assert idents.get(timeout=PATIENCE_S) != threading.get_ident()
    assert service.wait(PATIENCE_S)
    assert service.failure is None


def test_main_runs_in_the_callers_thread_when_it_blocks() -> None:
    idents = []
    service = service_of(module_of(main=lambda: idents.append(threading.get_ident())))
    service.run_service_as_main_blocking()
    assert idents == [threading.get_ident()]
    assert not service.is_running


def test_a_blocking_run_returns_when_the_service_is_stopped() -> None:
    started = threading.Event()
    service = service_of(replying(init_function=started.set), addresses=ECHO_ADDRESSES)
    run = Background(service.run_service_blocking)
    assert started.wait(PATIENCE_S)
    service.stop_service()
    assert run.join() is None


def test_a_blocking_run_raises_what_main_raised() -> None:
    def main() -> None:
        raise LookupError("no luck")

    service = service_of(module_of(main=main))
    with pytest.raises(LookupError, match="no luck") as caught:
        service.run_service_as_main_blocking()
    assert service.failure is caught.value


def test_a_blocking_run_raises_the_exit_that_main_asked_for() -> None:
    with pytest.raises(SystemExit) as caught:
        service_of(module_of(main=lambda: sys.exit(3))).run_service_as_main_blocking()
    assert caught.value.code == 3


def test_a_blocking_run_in_service_mode_raises_what_made_the_service_fail() -> None:
    started = threading.Event()
    service = service_of(
        replying(lambda args: sys.exit(0), init_function=started.set), addresses=ECHO_ADDRESSES
    )
    run = Background(service.run_service_blocking)
    assert started.wait(PATIENCE_S)
    ask(address_of(service))
    assert isinstance(run.join(), ServiceFailed)


def test_a_service_without_inbound_models_runs_until_it_is_stopped() -> None:
    with running(module_of(state_models={}), console_loglevel=None) as service:
        assert not service.wait(0.05)
        assert service.is_running


def test_a_second_run_raises_and_the_first_goes_on() -> None:
    with running(replying(), addresses=ECHO_ADDRESSES, console_loglevel=None) as service:
        for run in (
            service.run_service,
            service.run_service_as_main,
            service.run_service_blocking,
            service.run_service_as_main_blocking,
        ):
            with pytest.raises(ServiceRunning, match="runs already"):
                run()
        assert ask(address_of(service))["return_args"] == {"n": 1}


def test_a_run_from_within_init_function_raises() -> None:
    def init_function() -> None:
        with pytest.raises(ServiceRunning):
            service.run_service()

    service = service_of(module_of(init_function=init_function))
    with service:
        assert service.is_running


def test_what_init_function_raises_is_raised_by_the_run() -> None:
    def init_function() -> None:
        raise LookupError("no luck")

    service = echo_service(init_function=init_function)
    with pytest.raises(LookupError, match="no luck") as caught:
        service.run_service()
    assert service.failure is caught.value
    assert not service.is_running


def test_what_keeps_a_service_from_loading_is_its_failure() -> None:
    service = service_of(module_of(config_model={"required": {"n": int}}))
    with pytest.raises(ConfigError) as caught:
        service.run_service()
    assert service.failure is caught.value
    assert not service.is_running
    assert service.wait(0)


# run again


def test_a_service_can_be_run_again() -> None:
    service = echo_service()
    for n in range(3):
        service.run_service()
        assert ask(address_of(service), n)["return_args"] == {"n": n}
        service.stop_service()


def test_a_run_after_a_failure_forgets_the_failure() -> None:
    answers = iter([LookupError("no luck")])

    def main() -> None:
        for error in answers:
            raise error

    service = service_of(module_of(main=main))
    service.run_service_as_main()
    assert service.wait(PATIENCE_S)
    assert isinstance(service.failure, LookupError)
    service.run_service_as_main()
    assert service.wait(PATIENCE_S)
    assert service.failure is None


def test_a_run_after_a_start_that_failed_forgets_the_failure() -> None:
    answers = iter([5, {}])
    service = service_of(module_of(setup_config=lambda: next(answers), main=lambda: None))
    with pytest.raises(DefinitionError):
        service.run_service_as_main_blocking()
    service.run_service_as_main_blocking()
    assert service.failure is None


def test_a_path_is_executed_afresh_for_each_run(tmp_path: Path) -> None:
    file = tmp_path / "svc.py"
    file.write_text("import pathlib\nseen = []\ndef main(): seen.append(1); assert seen == [1]\n")
    services = [service_of(file), service_of(file)]
    for service in services * 2:
        service.run_service_as_main_blocking()


def test_a_module_is_shared_by_its_services() -> None:
    module = module_of(seen=[], main=lambda: module.seen.append(1))
    service_of(module).run_service_as_main_blocking()
    service_of(module).run_service_as_main_blocking()
    assert module.seen == [1, 1]


# what it is made of


def test_a_module_may_be_given_by_keyword() -> None:
    seen = []
    service = Service(service_module=module_of(main=lambda: seen.append(1)), console_loglevel=None)
    service.run_service_as_main_blocking()
    assert seen == [1]


def test_a_path_may_be_given_as_text(tmp_path: Path) -> None:
    (tmp_path / "my svc.v2.py").write_text(REPLYER_FILE)
    path = str(tmp_path / "my svc.v2.py")
    with running(path, addresses=ECHO_ADDRESSES, console_loglevel=None) as service:
        assert ask(address_of(service))["return_args"] == {"n": 1}


def test_the_arguments_may_be_given_by_position() -> None:
    configs = []
    module = replying(init_function=lambda config: configs.append(config.copy()))
    with Service(module, None, ECHO_ADDRESSES, {"depth": 3}, None) as service:
        assert ask(address_of(service))["return_args"] == {"n": 1}
    assert configs == [{"depth": 3}]


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"service_path": "svc.py", "service_module": module_of()},
        {"service_path": 5},
        {"service_path": module_of(), "addresses": "127.0.0.1:0"},
        {"service_path": module_of(), "stop_timeout_s": -1},
        {"service_path": module_of(), "stop_timeout_s": "10"},
        {"service_path": module_of(), "service_loop_min_wait_time_s": float("nan")},
    ],
)
def test_arguments_that_cannot_be_used_are_refused_in_one_line(arguments: Any) -> None:
    with pytest.raises(UsageError) as caught:
        Service(**arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("level", [{"console_loglevel": "LOUD"}, {"file_loglevel": "LOUD"}])
def test_an_unknown_level_is_refused(level: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="LOUD"):
        Service(module_of(), log_path="never.log", **level).run_service()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"replyer": "127.0.0.1:0"}, {"replyer": "127.0.0.1:{}"}),
        ({"replyer": "tcp://127.0.0.1:0"}, {"replyer": "tcp://127.0.0.1:{}"}),
        ({"any name": "127.0.0.1:0"}, {"any name": "127.0.0.1:{}"}),
        ("127.0.0.1:0", "127.0.0.1:{}"),
    ],
)
def test_addresses_show_the_port_that_was_taken_in_the_shape_given(given: Any, shown: Any) -> None:
    addresses = {"connections": {"in": {"echo": given, "other": {"replyer": "1.2.3.4:5"}}}}
    with running(replying(), addresses=addresses, console_loglevel=None) as service:
        found = service.addresses["connections"]["in"]
        address = (
            found["echo"] if isinstance(found["echo"], str) else next(iter(found["echo"].values()))
        )
        port = address.rpartition(":")[2]
        assert 0 < int(port) < 65536
        texts = (
            {key: text.format(port) for key, text in shown.items()}
            if isinstance(shown, dict)
            else shown.format(port)
        )
        assert found == {"echo": texts, "other": {"replyer": "1.2.3.4:5"}}
        assert ask(f"127.0.0.1:{port}")["return_args"] == {"n": 1}
    assert addresses["connections"]["in"]["echo"] == given


def test_addresses_that_a_hook_answered_are_shown() -> None:
    module = replying(setup_addresses=lambda: ECHO_ADDRESSES)
    with running(module, console_loglevel=None) as service:
        assert ask(address_of(service))["return_args"] == {"n": 1}


# looking


def test_wait_tells_whether_the_service_has_ended() -> None:
    service = echo_service()
    assert service.wait(0)
    service.run_service()
    assert not service.wait(0)
    waiting = Background(service.wait)
    service.stop_service()
    assert waiting.join() is None
    assert service.wait(0)


def test_wait_takes_any_number_of_seconds() -> None:
    with echo_service() as service:
        waiting = Background(service.wait, math.inf)
        service.stop_service()
        assert waiting.join() is None


def test_a_service_is_running_from_its_start_to_its_end() -> None:
    seen = []

    def look() -> None:
        seen.append((service.is_running, service.wait(0)))

    service = service_of(module_of(setup_config=look, init_function=look, main=look))
    assert not service.is_running
    service.run_service_as_main_blocking()
    assert seen == [(True, False)] * 3
    assert not service.is_running


@pytest.mark.parametrize(("status", "code"), [(3, 3), ("gone", "gone")])
def test_an_exit_of_main_is_the_failure_as_it_is(status: Any, code: Any) -> None:
    service = service_of(module_of(main=lambda: sys.exit(status)))
    service.run_service_as_main()
    assert service.wait(PATIENCE_S)
    assert isinstance(service.failure, SystemExit)
    assert service.failure.code == code


@pytest.mark.parametrize("status", [0, None])
def test_an_exit_of_main_with_0_is_a_clean_end(status: Any) -> None:
    service = service_of(module_of(main=lambda: sys.exit(status)))
    service.run_service_as_main_blocking()
    assert service.failure is None


@pytest.mark.parametrize("kind", [KeyboardInterrupt, GeneratorExit, ExceptionGroup])
def test_whatever_main_raises_is_the_failure(kind: type[BaseException]) -> None:
    error = kind("no luck", [ValueError()]) if kind is ExceptionGroup else kind("no luck")

    def main() -> None:
        raise error

    service = service_of(module_of(main=main))
    service.run_service_as_main()
    assert service.wait(PATIENCE_S)
    assert service.failure is error


def test_main_may_be_left_by_service_stopped() -> None:
    def main() -> None:
        raise ServiceStopped("enough")

    service = service_of(module_of(main=main))
    service.run_service_as_main_blocking()
    assert service.failure is None


# with


def test_a_with_block_runs_and_stops_a_service() -> None:
    with echo_service() as service:
        assert ask(address_of(service))["return_args"] == {"n": 1}
    assert not service.is_running


def test_a_with_block_leaves_a_service_that_runs_as_it_is() -> None:
    service = service_of(looping())
    service.run_service_as_main()
    with service:
        assert service.is_running
    assert not service.is_running
    assert service.failure is None


def test_a_with_block_that_raises_stops_the_service_and_raises() -> None:
    service = echo_service()
    with pytest.raises(LookupError), service:
        raise LookupError
    assert not service.is_running


def test_without_the_interpreter_lock_no_service_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    service = echo_service()

    with pytest.raises(UsageError, match="PYTHON_GIL=1"):
        service.run_service()

    assert not service.is_running
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: True, raising=False)
    with service:
        assert ask(address_of(service), 7)["return_args"] == {"n": 7}
