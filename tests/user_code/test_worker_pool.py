"""The threads of workers: what goes wrong in one costs one call, and nothing is kept of it."""

from __future__ import annotations

import gc
import threading
import weakref
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors.counters import Counters
from sf_actors.user_code.call import Call
from sf_actors.user_code.handler_lock import HandlerLock
from sf_actors.user_code.worker_pool import WorkerPool
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Noted(Call):
    """A call that says when it is over, and whether it was cancelled."""

    def __init__(self, handler: Callable[..., Any], args: Any = None) -> None:
        super().__init__(handler, args, label="it", counters=Counters())
        self.is_over = threading.Event()
        self.is_cancelled = False

    def settle(self) -> None:
        self.is_over.set()

    def cancel(self) -> None:
        self.is_cancelled = True


class Faulty(Noted):
    """A call at which the package itself fails."""

    def complete(self, result: Any, error: BaseException | None) -> None:
        raise MemoryError


class Unsettled(Noted):
    """A call that cannot even be settled."""

    def settle(self) -> None:
        super().settle()
        raise MemoryError


class Message:
    """What a handler gets."""


@contextmanager
def pool_of(size: int, key_of: Any = None) -> Iterator[tuple[WorkerPool, list[BaseException]]]:
    """Give a pool that runs, and the faults that it told of; end it."""
    faults: list[BaseException] = []
    pool = WorkerPool(
        "pool",
        size,
        where="it",
        beside=HandlerLock(offered=lambda pinned: (), on_error=lambda call, error: None),
        key_of=key_of,
        adopt=lambda: None,
        on_fault=faults.append,
    )
    pool.start()
    try:
        yield pool, faults
    finally:
        assert pool.end(monotonic() + PATIENCE_S) == []


def run(pool: WorkerPool, call: Noted) -> None:
    pool.enqueue(call)
    assert call.is_over.wait(PATIENCE_S)


def test_a_fault_of_the_package_costs_one_call_and_no_thread() -> None:
    with pool_of(1, key_of=lambda args: "one") as (pool, faults):
        for kind in (Faulty, Unsettled, Noted):
            run(pool, kind(lambda args: None))
        assert pool.wait_until_idle(PATIENCE_S)
    assert [type(fault) for fault in faults] == [MemoryError, MemoryError]


@pytest.mark.slow
def test_a_thread_that_waits_keeps_nothing_of_its_last_call() -> None:
    with pool_of(2) as (pool, _):
        message = Message()
        kept = weakref.ref(message)
        run(pool, Noted(lambda args: None, message))
        del message
        assert pool.wait_until_idle(PATIENCE_S)
        until(lambda: gc.collect() >= 0 and kept() is None, "the end of the message")


def test_what_waits_is_cancelled_and_what_comes_later_too() -> None:
    entered, may_end = threading.Event(), threading.Event()

    def handler(_args: Any) -> None:
        entered.set()
        assert may_end.wait(PATIENCE_S)

    with pool_of(1) as (pool, _):
        running, waiting, late = Noted(handler), Noted(handler), Noted(handler)
        pool.enqueue(running)
        pool.enqueue(waiting)
        assert entered.wait(PATIENCE_S)
        pool.cancel_queued()
        pool.enqueue(late)
        may_end.set()
        assert running.is_over.wait(PATIENCE_S)
        assert pool.wait_until_idle(PATIENCE_S)
        assert (running.is_cancelled, waiting.is_cancelled, late.is_cancelled) == (
            False,
            True,
            True,
        )


def test_it_is_idle_when_the_last_call_is_over_and_not_before() -> None:
    may_end = threading.Event()
    with pool_of(2) as (pool, _):
        pool.enqueue(Noted(lambda args: may_end.wait(PATIENCE_S)))
        assert not pool.wait_until_idle(0.01)
        may_end.set()
        assert pool.wait_until_idle(PATIENCE_S)
