"""The thread in reserve: it is lent while it is idle, and stops in the main thread borrow it."""

from __future__ import annotations

import gc
import random
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from sf_actors.lifecycle.reserve_thread import ReserveThread
from sf_actors.sync.shielded import shielded
from tests.support.services import echo_service
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def reserve() -> Iterator[ReserveThread]:
    thread = ReserveThread()
    thread.need("a run")
    yield thread
    ending = thread.need_no_more("a run")
    assert ending is not None
    ending.join(PATIENCE_S)
    assert not ending.is_alive()


def test_it_is_lent_to_one_at_a_time(reserve: ReserveThread) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go_on.wait(PATIENCE_S)

    assert reserve.lend(work)
    assert begun.wait(PATIENCE_S)
    assert not reserve.lend(lambda: None)
    go_on.set()
    until(lambda: reserve.lend(lambda: None), "the thread to be idle")


def test_it_is_not_lent_while_a_stop_is_queued(reserve: ReserveThread) -> None:
    go_on = threading.Event()
    reserve.run(lambda: go_on.wait(PATIENCE_S))
    assert not reserve.lend(lambda: None)
    go_on.set()


def test_there_is_none_to_lend_without_a_run() -> None:
    assert not ReserveThread().lend(lambda: None)


def test_what_it_was_lent_for_ends_before_the_thread() -> None:
    thread, done = ReserveThread(), threading.Event()
    thread.need("a run")
    thread.lend(done.set)
    ending = thread.need_no_more("a run")
    assert ending is not None
    ending.join(PATIENCE_S)
    assert done.is_set()


def test_a_stop_in_the_main_thread_starts_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    service = echo_service()
    service.run_service()
    before = threading.active_count()
    started: list[str] = []
    start = threading.Thread.start

    def noted(thread: threading.Thread) -> None:
        started.append(thread.name)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", noted)
    service.stop_service()
    assert not started
    # the actor and the thread in reserve are gone
    assert threading.active_count() == before - 2


def test_whenever_a_borrower_is_interrupted_the_function_runs_wholly_and_it_can_be_lent_again(
    reserve: ReserveThread,
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    rng, came, raised, begun, ended, undone = random.Random(seed), [0], 0, [0], [0], [0]

    def interrupt(_number: int, _frame: object) -> None:
        came[0] += 1
        raise KeyboardInterrupt

    def work() -> None:
        begun[0] += 1
        ended[0] += 1

    def undo(_none: None) -> None:
        undone[0] += 1

    # what is raised in a finalizer is nobody's
    gc.collect()
    gc.disable()
    old = signal.signal(signal.SIGALRM, interrupt)
    try:
        for _ in range(2_000):
            try:
                before = came[0]
                signal.setitimer(signal.ITIMER_REAL, rng.uniform(0.000001, 0.0002))
                shielded(work, undo, lend=reserve.lend)
                signal.setitimer(signal.ITIMER_REAL, 0)
                assert came[0] == before, "one was lost"
            except KeyboardInterrupt:
                raised += 1
            assert begun == ended
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
        gc.enable()
    # a late one may come with the next, and then one exception stands for both
    assert came[0] >= raised > 100
    assert 2_000 - raised <= ended[0] - undone[0] <= 2_000
    until(lambda: reserve.lend(lambda: None), "the thread to be idle")
