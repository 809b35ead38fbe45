"""What is shielded from signal handlers that raise: it happens wholly, and they come after it."""

from __future__ import annotations

import gc
import random
import signal
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors.sync.shielded import briefly_shielded, shielded
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Shield = Callable[..., Any]

each_way = pytest.mark.parametrize("shield", [shielded, briefly_shielded])


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


@each_way
def test_what_the_function_returns_comes_back(shield: Shield) -> None:
    assert shield(lambda: 7) == 7


@each_way
def test_what_the_function_raises_comes_out(shield: Shield) -> None:
    def fail() -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        shield(fail)


@each_way
def test_the_function_sees_the_context_of_its_caller(shield: Shield) -> None:
    variable: ContextVar[str] = ContextVar("variable")
    variable.set("mine")
    assert shield(variable.get) == "mine"


@each_way
@pytest.mark.usefixtures("interrupts")
def test_an_interrupt_comes_when_the_function_is_over_and_its_result_is_undone(
    shield: Shield,
) -> None:
    steps: list[str] = []

    def work() -> str:
        interrupt()
        interrupt()
        assert not threading.Event().wait(0.05)
        steps.append("worked")
        return "result"

    with pytest.raises(KeyboardInterrupt):
        shield(work, undo=steps.append)
    assert steps == ["worked", "result"]


@each_way
@pytest.mark.usefixtures("interrupts")
def test_the_interrupt_is_what_is_raised_of_a_function_that_fails_as_well(shield: Shield) -> None:
    undone: list[object] = []

    def fail() -> None:
        interrupt()
        assert not threading.Event().wait(0.05)
        raise LookupError

    with pytest.raises(KeyboardInterrupt):
        shield(fail, undo=undone.append)
    assert undone == []


@each_way
def test_in_another_thread_it_is_simply_called(shield: Shield) -> None:
    ran_in: list[threading.Thread] = []
    thread = threading.Thread(
        target=shield, args=(lambda: ran_in.append(threading.current_thread()),)
    )
    thread.start()
    thread.join(PATIENCE_S)
    assert ran_in == [thread]


def refuse(*_: object) -> None:
    raise RuntimeError("can't start new thread")


def test_without_a_thread_to_be_had_it_is_called_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert shielded(threading.current_thread) is threading.main_thread()


@pytest.mark.usefixtures("interrupts")
def test_handlers_that_are_put_off_are_called_once_for_each_signal_and_are_there_again() -> None:
    calls: list[int] = []
    old = signal.signal(signal.SIGUSR2, lambda number, _frame: calls.append(number))
    try:
        before = {number: signal.getsignal(number) for number in signal.valid_signals()}

        def work() -> None:
            for number in (signal.SIGUSR2, signal.SIGUSR1, signal.SIGUSR2):
                signal.raise_signal(number)
            assert not calls

        with pytest.raises(KeyboardInterrupt):
            briefly_shielded(work)
        assert calls == [signal.SIGUSR2, signal.SIGUSR2]
        assert before == {number: signal.getsignal(number) for number in signal.valid_signals()}
    finally:
        signal.signal(signal.SIGUSR2, old)


def test_no_interrupt_is_lost_or_raised_twice_and_its_handler_stays_whenever_it_comes() -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    rng, came, raised, undone = random.Random(seed), [0], 0, [0]

    def interrupt(_number: int, _frame: object) -> None:
        came[0] += 1
        raise KeyboardInterrupt

    def undo(count: int) -> None:
        undone[0] += count

    # what is raised in a finalizer is nobody's
    gc.collect()
    gc.disable()
    old = signal.signal(signal.SIGALRM, interrupt)
    try:
        for _ in range(3_000):
            try:
                before = came[0]
                signal.setitimer(signal.ITIMER_REAL, rng.uniform(0.000001, 0.00006))
                briefly_shielded(lambda: 1, undo)
                signal.setitimer(signal.ITIMER_REAL, 0)
                assert came[0] == before, "one was lost"
            except KeyboardInterrupt:
                raised += 1
            assert signal.getsignal(signal.SIGALRM) is interrupt
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
        gc.enable()
    # a late one may come with the next, and then one exception stands for both
    assert came[0] >= raised > 100
    assert 0 < undone[0] <= raised


def test_no_thread_that_threading_lists_is_left_whenever_it_is_interrupted() -> None:
    """Those that it does not know are listed for ever once they ask who they are."""
    before = threading.enumerate()
    shielded(lambda: None)
    until(lambda: threading.enumerate() == before, "the end of the thread")
