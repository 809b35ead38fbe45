"""Who has the signals of a process, and what a process makes of them."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors.testing import module_of, running
from tests.support.processes import Process
from tests.support.services import (
    ECHO_ADDRESSES,
    REPLYER_FILE,
    Background,
    client_of,
    replying,
    service_of,
)
from tests.support.signalling import signalled
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

# whose handlers


def handlers() -> list[Any]:
    wakeup_fd = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(wakeup_fd)
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGURG)
    return [*map(signal.getsignal, numbers), wakeup_fd]


@pytest.fixture
def own_handler() -> Iterator[Callable[..., None]]:
    def handler(_signum: int, _frame: object) -> None:
        raise AssertionError("the user's own handler was called")

    old = signal.signal(signal.SIGTERM, handler)
    yield handler
    signal.signal(signal.SIGTERM, old)


def test_a_blocking_run_puts_the_old_handlers_back(own_handler: Callable[..., None]) -> None:
    before = handlers()
    seen: list[Any] = []
    service_of(signalled(then=lambda _: seen.extend(handlers()))).run_service_as_main_blocking()
    assert handlers() == before
    assert not {id(one) for one in seen} & {id(own_handler), id(signal.default_int_handler)}


def test_a_start_that_fails_puts_the_old_handlers_back() -> None:
    before = handlers()
    with pytest.raises(ZeroDivisionError):
        service_of(module_of(init_function=lambda: 1 / 0)).run_service_blocking()
    assert handlers() == before


def test_a_service_in_the_background_installs_no_handler() -> None:
    before = handlers()
    with running(replying(), addresses=ECHO_ADDRESSES, console_loglevel=None):
        assert handlers() == before


def test_a_blocking_run_outside_the_main_thread_installs_no_handler() -> None:
    before = handlers()
    seen: list[Any] = []
    started = threading.Event()

    def init_function() -> None:
        started.set()

    service = service_of(module_of(init_function=init_function))
    run = Background(service.run_service_blocking)
    assert started.wait(PATIENCE_S)
    seen += handlers()
    service.stop_service()
    assert run.join() is None
    assert seen == before


def test_the_child_of_a_fork_has_its_signals_to_itself(tmp_path: Path) -> None:
    (tmp_path / "svc.py").write_text(
        """
import os, signal, time
def main(to_send):
    child = os.fork()
    if child == 0:
        time.sleep(30)
        os._exit(0)
    os.kill(child, signal.SIGTERM)
    _, status = os.waitpid(child, 0)
    print(os.WTERMSIG(status), flush=True)
"""
    )
    with Process("-s", "svc.py", "-m", cwd=tmp_path) as process:
        assert process.wait() == 0
        assert process.out[-1] == str(int(signal.SIGTERM))


# as a process


def test_a_second_signal_ends_the_process_at_once(tmp_path: Path) -> None:
    (tmp_path / "svc.py").write_text(
        """
def sigint_handler():
    print('hook', flush=True)
    while True:
        try:
            while True: pass
        except BaseException: pass
"""
    )
    with Process("-s", "svc.py", cwd=tmp_path) as process:
        process.wait_until_ready()
        process.interrupt(signal.SIGINT)
        process.wait_for_line("hook")
        process.interrupt(signal.SIGTERM)
        assert process.wait() == 128 + signal.SIGTERM


def test_a_handler_stuck_past_the_deadline_is_exit_status_1(tmp_path: Path) -> None:
    stuck = REPLYER_FILE.replace(
        "return {'n'", "print('stuck', flush=True); import time; time.sleep(100); return {'n'"
    )
    (tmp_path / "svc.py").write_text(stuck)
    (tmp_path / "addresses.json").write_text(
        '{"connections": {"in": {"echo": {"replyer": "127.0.0.1:0"}}}}'
    )
    arguments = ("-s", "svc.py", "-a", "addresses.json", "--stop_timeout_s", "0.3")
    with Process(*arguments, cwd=tmp_path) as process:
        address = process.wait_until_ready()["echo.replyer"]
        with client_of(address) as client:
            client.send(n=1)
            process.wait_for_line("stuck")
            process.interrupt()
            assert process.wait() == 1
    (told,) = [line for line in process.err if not line.startswith("{")]
    assert told.startswith("sf_actors: svc: still running 0.3 s after the stop began")
    assert told.endswith("left behind: svc.py: connection_models['in']['echo']")


def test_an_init_function_that_nothing_can_interrupt_is_exit_status_1(tmp_path: Path) -> None:
    (tmp_path / "svc.py").write_text(
        """
import ctypes
def init_function():
    print('begun', flush=True)
    lock, mutex = ctypes.create_string_buffer(64), ctypes.CDLL(None).pthread_mutex_lock
    mutex(lock)
    mutex(lock)
"""
    )
    with Process("-s", "svc.py", "--stop_timeout_s", "0.3", cwd=tmp_path) as process:
        process.wait_for_line("begun")
        process.interrupt()
        assert process.wait() == 1
    assert process.err[-1].endswith("left behind: init_function")


def test_a_main_that_nothing_can_interrupt_is_exit_status_1(tmp_path: Path) -> None:
    (tmp_path / "svc.py").write_text(
        """
import ctypes, sys
def main(to_send):
    print('stuck')
    print('begun', file=sys.stderr, flush=True)
    lock, mutex = ctypes.create_string_buffer(64), ctypes.CDLL(None).pthread_mutex_lock
    mutex(lock)
    mutex(lock)
"""
    )
    arguments = ("-s", "svc.py", "-m", "--stop_timeout_s", "0.3")
    environment = {"PYTHONUNBUFFERED": ""}
    with Process(*arguments, cwd=tmp_path, env=environment) as process:
        process.wait_for_line("begun")
        process.interrupt()
        assert process.wait() == 1
    assert process.err[-1].endswith("left behind: main")
    assert process.out == ["stuck"]
