"""The threads of `asyncio.to_thread`."""

from __future__ import annotations

import threading

import pytest

from sf_actors.user_code.daemon_pool import MAX_THREADS, DaemonPool
from tests.support.waiting import PATIENCE_S


def test_a_result_and_an_error_come_back() -> None:
    pool = DaemonPool()
    result, failing = pool.submit(max, 1, 2), pool.submit(int, "x")

    assert result.result(PATIENCE_S) == 2
    assert isinstance(failing.exception(PATIENCE_S), ValueError)
    pool.shutdown()


def test_jobs_run_beside_each_other_and_no_more_than_there_may_be_threads() -> None:
    pool, together = DaemonPool(), threading.Barrier(MAX_THREADS)
    jobs = [pool.submit(together.wait, PATIENCE_S) for _ in range(2 * MAX_THREADS)]

    assert sorted(job.result(PATIENCE_S) for job in jobs) == sorted(2 * [*range(MAX_THREADS)])
    assert threading.active_count() <= MAX_THREADS + 2
    pool.shutdown()


def test_what_waits_is_cancelled_at_the_end_and_nothing_new_is_taken() -> None:
    pool, may_end = DaemonPool(), threading.Event()
    all_run = threading.Barrier(MAX_THREADS + 1)

    def job() -> bool:
        all_run.wait(PATIENCE_S)
        return may_end.wait(PATIENCE_S)

    running = [pool.submit(job) for _ in range(MAX_THREADS)]
    all_run.wait(PATIENCE_S)
    waiting = pool.submit(int)
    pool.shutdown(wait=False, cancel_futures=True)

    assert waiting.cancelled()
    with pytest.raises(RuntimeError, match="stops"):
        pool.submit(int)
    may_end.set()
    assert all(one.result(PATIENCE_S) for one in running)
    pool.shutdown()
