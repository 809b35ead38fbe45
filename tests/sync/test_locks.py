"""A lock is free after its `with` statement, whatever a signal handler raised in it."""

from __future__ import annotations

import signal
import threading
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors.sync.locks import EnteredLock, new_lock, new_rlock
from tests.support.effort import effort

if TYPE_CHECKING:
    from collections.abc import Callable


def is_free(lock: Any) -> bool:
    """Return True if another thread can take the lock."""
    got: list[bool] = []

    def take() -> None:
        got.append(lock.acquire(timeout=0))
        if got[0]:
            lock.release()

    taking = threading.Thread(target=take)
    taking.start()
    taking.join()
    return got == [True]


def take_again_and_again(lock: Any) -> None:
    # a function of its own: Python 3.13.0 may raise at the end of the loop outside all its `try`
    deadline = monotonic() + 30
    while monotonic() < deadline:
        with lock:
            pass


@pytest.mark.parametrize("new", [new_lock, new_rlock, EnteredLock])
def test_no_exception_of_a_signal_handler_leaves_it_taken(new: Callable[[], Any]) -> None:
    def ring(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, ring)
    try:
        for _ in range(effort(1_000, brief=100)):
            lock = new()
            with suppress(TimeoutError):
                try:
                    signal.setitimer(signal.ITIMER_REAL, 0.0002)
                    take_again_and_again(lock)
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
            assert is_free(lock)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_it_is_taken_within_its_statement_and_free_afterwards() -> None:
    lock = EnteredLock()
    with lock:
        assert not is_free(lock)
    assert is_free(lock)
    with pytest.raises(KeyError), lock:
        raise KeyError
    assert is_free(lock)


def test_its_owner_may_take_it_again() -> None:
    lock = EnteredLock()
    with lock:
        with lock:
            pass
        assert not is_free(lock)
    assert is_free(lock)


def test_one_that_waits_for_it_and_is_interrupted_leaves_it_to_its_owner() -> None:
    def ring(*_: object) -> None:
        raise TimeoutError

    lock, is_taken, may_end = EnteredLock(), threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            is_taken.set()
            may_end.wait(30)

    owner = threading.Thread(target=hold)
    owner.start()
    is_taken.wait(30)
    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        with pytest.raises(TimeoutError), lock:
            pytest.fail("two have it")
        assert not is_free(lock)
    finally:
        signal.signal(signal.SIGALRM, before)
        may_end.set()
        owner.join()
    assert is_free(lock)
