"""User code that another thread can end, and that takes nothing of ours with it."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from sf_actors import ServiceStopped
from sf_actors.user_code.interruptible import UserCode
from tests.support.waiting import PATIENCE_S


def test_the_result_of_a_function_comes_back() -> None:
    assert UserCode().run("it", lambda x: x + 1, (4,)) == (5, None)


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(3), KeyboardInterrupt()])
def test_what_a_function_raises_comes_back(error: BaseException) -> None:
    def fail() -> None:
        raise error

    assert UserCode().run("it", fail) == (None, error)


def test_it_knows_what_runs_where() -> None:
    code = UserCode()
    seen: list[Any] = []
    code.run("it", lambda: seen.extend([code.label, code.runs_here()]))

    assert seen == ["it", True]
    assert code.label is None
    assert not code.runs_here()


def test_nothing_is_interrupted_where_nothing_runs() -> None:
    assert UserCode().interrupt() is None


def test_a_loop_without_end_ends_by_an_interrupt() -> None:
    code = UserCode()
    inside = threading.Event()
    outcome: list[Any] = []

    def loop() -> None:
        inside.set()
        while True:
            pass

    thread = threading.Thread(target=lambda: outcome.append(code.run("loop", loop)))
    thread.start()
    assert inside.wait(PATIENCE_S)

    assert code.interrupt() == "loop"
    thread.join(PATIENCE_S)
    ((result, error),) = outcome
    assert result is None
    assert isinstance(error, ServiceStopped)


def test_an_interrupt_never_hits_what_runs_after_the_user_code() -> None:
    code = UserCode()
    done = threading.Event()
    faults: list[BaseException] = []

    def run() -> None:
        try:
            for _ in range(3_000):
                code.run("short", lambda: sum(range(20)))
                sum(range(50))  # ours
        except BaseException as error:  # noqa: BLE001 - told in the test's own thread
            faults.append(error)
        finally:
            done.set()

    thread = threading.Thread(target=run)
    thread.start()
    while not done.is_set():
        code.interrupt()
    thread.join(PATIENCE_S)

    assert faults == []
