"""SIGINT and SIGTERM: the hook, the graceful stop, and the second signal."""

from __future__ import annotations

import signal
import sys
import threading
import time
from time import monotonic
from types import FrameType
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors import ServiceFailed, ServiceStopped, StopOverdue
from sf_actors.lifecycle import stop
from sf_actors.testing import module_of
from tests.support.models import address_of
from tests.support.services import (
    ECHO_ADDRESSES,
    Background,
    client_of,
    looping,
    main_until_stopped,
    replying,
    service_of,
)
from tests.support.signalling import ALL, hook_name, send, signalled, spin
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# the first


@ALL
def test_the_first_signal_stops_a_service_gracefully(number: signal.Signals) -> None:
    service = service_of(signalled(number))
    service.run_service_as_main_blocking()
    assert not service.is_running
    assert service.failure is None


def test_a_signal_is_no_keyboard_interrupt_for_user_code() -> None:
    seen: list[BaseException] = []

    def then(to_send: Callable[..., Any]) -> None:
        try:
            main_until_stopped(to_send)
        except BaseException as error:
            seen.append(error)
            raise

    service_of(signalled(then=then)).run_service_as_main_blocking()
    (error,) = seen
    assert isinstance(error, ServiceStopped)


@ALL
def test_the_hook_of_a_signal_is_called_with_what_there_is(number: signal.Signals) -> None:
    called: list[tuple[Any, ...]] = []

    def hook(signum: int, frame: Any, to_send: Any, states: Any, config: Any) -> None:
        called.append((signum, type(frame), to_send("target", {}), dict(states), config))

    service = service_of(signalled(number, **{hook_name(number): hook}), config={"depth": 3})
    service.run_service_as_main_blocking()
    assert called == [(number, FrameType, {}, {}, {"depth": 3})]


@pytest.mark.parametrize(
    ("form", "arguments"),
    [
        ("lambda: note()", ()),
        ("lambda signum: note(signum)", (signal.SIGINT,)),
        ("lambda config, signum: note(signum, config)", (signal.SIGINT, {"depth": 3})),
        ("lambda a, b, c, d, e: note(a, e)", (signal.SIGINT, {"depth": 3})),
        ("lambda *args: note(len(args))", (5,)),
        (
            "lambda **names: note(*sorted(names))",
            ("config", "frame", "signum", "states", "to_send"),
        ),
    ],
)
def test_a_hook_takes_what_it_wants(form: str, arguments: tuple[Any, ...]) -> None:
    called: list[tuple[Any, ...]] = []
    hook = eval(form, {"note": lambda *args: called.append(args)})
    service = service_of(signalled(sigint_handler=hook), config={"depth": 3})
    service.run_service_as_main_blocking()
    assert called == [arguments]


def test_the_hook_of_the_other_signal_is_not_called() -> None:
    called: list[str] = []
    hooks = {
        "sigint_handler": lambda: called.append("sigint"),
        "sigterm_handler": lambda: called.append("sigterm"),
    }
    service_of(signalled(signal.SIGTERM, **hooks)).run_service_as_main_blocking()
    assert called == ["sigterm"]


def test_the_hook_is_over_before_the_service_stops() -> None:
    phases: list[str] = []

    def sigint_handler() -> None:
        phases.append(service.stats()["phase"])

    service = service_of(signalled(sigint_handler=sigint_handler))
    service.run_service_as_main_blocking()
    assert phases == ["READY"]


def test_the_hook_waits_for_the_handler_that_runs() -> None:
    entered, may_end = threading.Event(), threading.Event()
    called: list[str] = []

    def handler(args: dict[str, Any]) -> dict[str, Any]:
        entered.set()
        assert may_end.wait(PATIENCE_S)
        called.append("handler")
        return args

    def main(to_send: Callable[..., Any]) -> None:
        assert entered.wait(PATIENCE_S)
        send()
        with pytest.raises(ServiceStopped):
            main_until_stopped(to_send)
        may_end.set()

    module = replying(handler, main=main, sigint_handler=lambda: called.append("hook"))
    module.connection_models |= looping().connection_models
    service = service_of(module, addresses=ECHO_ADDRESSES, allow_inbound=True)
    ready = threading.Event()

    def ask() -> None:
        assert ready.wait(PATIENCE_S)
        with client_of(address_of(service)) as client:
            client.send(n=1)
            client.receive()

    module.init_function = ready.set  # type: ignore[attr-defined]
    client = Background(ask)
    service.run_service_as_main_blocking()
    assert client.join() is None
    assert called == ["handler", "hook"]


def test_the_service_does_not_stop_before_a_hook_that_has_to_wait() -> None:
    entered, may_end = threading.Event(), threading.Event()
    phases: list[str] = []

    def handler(args: dict[str, Any]) -> dict[str, Any]:
        entered.set()
        assert may_end.wait(PATIENCE_S)
        return args

    def main(to_send: Callable[..., Any]) -> None:
        assert entered.wait(PATIENCE_S)
        send()
        main_until_stopped(to_send)

    def sigint_handler() -> None:
        phases.append(service.stats()["phase"])

    module = replying(handler, main=main, sigint_handler=sigint_handler)
    module.connection_models |= looping().connection_models
    service = service_of(module, addresses=ECHO_ADDRESSES, allow_inbound=True)
    ready = threading.Event()
    module.init_function = ready.set  # type: ignore[attr-defined]

    def ask() -> None:
        assert ready.wait(PATIENCE_S)
        with client_of(address_of(service)) as client:
            client.send(n=1)
            assert entered.wait(PATIENCE_S)
            until(service._run.state.main_ended.is_set)  # type: ignore[union-attr]
            may_end.set()
            client.receive()

    client = Background(ask)
    service.run_service_as_main_blocking()
    assert client.join() is None
    assert phases == ["READY"]


def test_a_hook_that_raises_makes_the_service_fail() -> None:
    def sigint_handler() -> None:
        raise LookupError("no luck")

    service = service_of(signalled(sigint_handler=sigint_handler))
    with pytest.raises(LookupError, match="no luck") as caught:
        service.run_service_as_main_blocking()
    assert service.failure is caught.value


@pytest.mark.parametrize("status", [0, 3])
def test_a_hook_that_exits_makes_the_service_fail(status: int) -> None:
    service = service_of(signalled(sigint_handler=lambda: sys.exit(status)))
    with pytest.raises(ServiceFailed, match="sigint_handler"):
        service.run_service_as_main_blocking()


def test_a_hook_that_does_not_end_is_interrupted(interrupted_soon: float) -> None:
    interrupted: list[BaseException] = []

    def sigint_handler() -> None:
        try:
            while True:
                pass
        except ServiceStopped as stopped:
            interrupted.append(stopped)
            raise

    service = service_of(signalled(sigint_handler=sigint_handler), interrupted_soon)
    service.run_service_as_main_blocking()
    assert len(interrupted) == 1
    assert service.failure is None


def test_a_hook_past_the_deadline_is_named() -> None:
    may_end = threading.Event()
    service = service_of(signalled(sigint_handler=lambda: may_end.wait(PATIENCE_S)), 0.2)
    with pytest.raises(StopOverdue, match="sigint_handler"):
        service.run_service_as_main_blocking()
    may_end.set()


def test_a_hook_may_stop_the_service_itself() -> None:
    service = service_of(signalled(sigint_handler=lambda: service.stop_service()))  # noqa: PLW0108
    service.run_service_as_main_blocking()
    assert service.failure is None


# where it comes


@pytest.mark.parametrize(
    "stuck",
    [
        lambda: time.sleep(PATIENCE_S),
        lambda: threading.Event().wait(PATIENCE_S),
        spin,
    ],
    ids=["sleep", "wait", "loop"],
)
def test_a_main_that_never_looks_is_interrupted(
    stuck: Callable[[], object], interrupted_soon: float
) -> None:
    service = service_of(signalled(then=lambda _to_send: stuck()), interrupted_soon)
    began = monotonic()
    service.run_service_as_main_blocking()
    assert interrupted_soon * stop.INTERRUPTS[0] <= monotonic() - began < PATIENCE_S
    assert service.failure is None


@pytest.mark.parametrize("stuck", [lambda: time.sleep(PATIENCE_S), spin], ids=["sleep", "loop"])
def test_a_signal_while_init_function_runs_stops_the_service(
    stuck: Callable[[], object], interrupted_soon: float
) -> None:
    called: list[str] = []

    def init_function() -> None:
        send()
        stuck()

    module = module_of(init_function=init_function, sigint_handler=lambda: called.append("hook"))
    service = service_of(module, interrupted_soon)
    began = monotonic()
    service.run_service_blocking()
    assert monotonic() - began < PATIENCE_S
    assert service.failure is None
    assert called == []  # what it needs may not be there yet


def test_a_signal_while_the_file_is_executed_stops_the_service(
    tmp_path: Path, interrupted_soon: float
) -> None:
    file = tmp_path / "svc.py"
    file.write_text("import os, time\nos.kill(os.getpid(), 15)\ntime.sleep(10)\n")
    service = service_of(file, interrupted_soon)
    began = monotonic()
    service.run_service_blocking()
    assert monotonic() - began < PATIENCE_S
    assert service.failure is None


# what user code does with signals


def test_a_signal_that_user_code_handles_itself_is_none_of_ours() -> None:
    got: list[int] = []

    def main() -> None:
        old = signal.signal(signal.SIGTERM, lambda number, _frame: got.append(number))
        send(signal.SIGTERM)
        send(signal.SIGTERM)
        until(lambda: len(got) == 2)
        signal.signal(signal.SIGTERM, old)

    service = service_of(looping(main))
    service.run_service_as_main_blocking()
    assert service.failure is None


def test_a_signal_that_user_code_passes_on_counts_once() -> None:
    """As uvicorn does: it ends its own work first, and then raises the signal again."""

    def main(to_send: Callable[..., Any]) -> None:
        got: list[int] = []
        old = signal.signal(signal.SIGTERM, lambda number, _frame: got.append(number))
        send(signal.SIGTERM)
        until(lambda: bool(got))
        signal.signal(signal.SIGTERM, old)
        signal.raise_signal(signal.SIGTERM)
        main_until_stopped(to_send)

    service = service_of(looping(main))
    service.run_service_as_main_blocking()
    assert service.failure is None


def test_a_handler_of_user_code_may_call_ours() -> None:
    def main(to_send: Callable[..., Any]) -> None:
        ours: Any = signal.getsignal(signal.SIGTERM)
        signal.signal(signal.SIGTERM, lambda number, _frame: ours(number, None))
        send(signal.SIGTERM)
        main_until_stopped(to_send)

    service = service_of(looping(main))
    service.run_service_as_main_blocking()
    assert service.failure is None


def test_a_hangup_that_is_ignored_stays_ignored() -> None:
    def main() -> None:
        send(signal.SIGHUP)

    old = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        service = service_of(looping(main))
        service.run_service_as_main_blocking()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert service.failure is None
    finally:
        signal.signal(signal.SIGHUP, old)
