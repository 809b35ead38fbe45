"""What is shielded from signal handlers that raise: it happens wholly, and they come after it."""

from __future__ import annotations

import _thread
import signal
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING

import pytest

from sf_actors.sync import shielded as module
from sf_actors.sync.shielded import shielded
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def interrupts() -> Iterator[None]:
    """Let SIGUSR1 raise KeyboardInterrupt in the main thread."""
    old = signal.signal(signal.SIGUSR1, signal.default_int_handler)
    yield
    signal.signal(signal.SIGUSR1, old)


def interrupt() -> None:
    main = threading.main_thread().ident
    assert main is not None
    signal.pthread_kill(main, signal.SIGUSR1)


def test_what_the_function_returns_comes_back() -> None:
    assert shielded(lambda: 7) == 7


def test_what_the_function_raises_comes_out() -> None:
    def fail() -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        shielded(fail)


def test_the_function_sees_the_context_of_its_caller() -> None:
    variable: ContextVar[str] = ContextVar("variable")
    variable.set("mine")
    assert shielded(variable.get) == "mine"


@pytest.mark.usefixtures("interrupts")
def test_an_interrupt_comes_when_the_function_is_over_and_its_result_is_undone() -> None:
    steps: list[str] = []

    def work() -> str:
        interrupt()
        interrupt()
        assert not threading.Event().wait(0.05)
        steps.append("worked")
        return "result"

    with pytest.raises(KeyboardInterrupt):
        shielded(work, undo=steps.append)
    assert steps == ["worked", "result"]


@pytest.mark.usefixtures("interrupts")
def test_the_interrupt_is_what_is_raised_of_a_function_that_fails_as_well() -> None:
    undone: list[object] = []

    def fail() -> None:
        interrupt()
        assert not threading.Event().wait(0.05)
        raise LookupError

    with pytest.raises(KeyboardInterrupt):
        shielded(fail, undo=undone.append)
    assert undone == []


def test_in_another_thread_it_is_simply_called() -> None:
    ran_in: list[threading.Thread] = []
    thread = threading.Thread(
        target=shielded, args=(lambda: ran_in.append(threading.current_thread()),)
    )
    thread.start()
    thread.join(PATIENCE_S)
    assert ran_in == [thread]


def refuse(*_: object) -> None:
    raise RuntimeError("can't start new thread")


def test_without_a_thread_to_be_had_it_is_called_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_thread, "start_new_thread", refuse)
    assert shielded(threading.current_thread) is threading.main_thread()


def test_with_one_thread_to_be_had_it_is_called_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_START", refuse)
    assert shielded(threading.get_ident) != threading.get_ident()


def test_no_thread_that_threading_lists_is_left_whenever_it_is_interrupted() -> None:
    """Those that it does not know are listed for ever once they ask who they are."""
    before = threading.enumerate()
    shielded(lambda: None)
    until(lambda: threading.enumerate() == before, "the end of the thread")
