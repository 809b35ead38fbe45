"""Replyers are restarted again and again while many callers call without a pause.

By default some restarts; ``SF_ACTORS_SOAK=1`` makes it 50 of each kind.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.doubling_service import asking
from tests.support.effort import effort
from tests.support.noted_jobs import Callers, Worker
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.processes import Process

pytestmark = pytest.mark.slow

IS_LONG = "SF_ACTORS_SOAK" in os.environ
RESTARTS = 50 if IS_LONG else effort(4, brief=2)
SLOW_RESTARTS = RESTARTS if IS_LONG else effort(2, brief=1)
CALLERS = effort(20, brief=8)

#: How long each job takes, in seconds.
JOB_S = 0.001

#: How much longer a call may take than its job while there are other replyers, in seconds.
MOST_BESIDES_S = 0.1


@contextmanager
def under_fire(address: Any, **creation: Any) -> Iterator[Callers]:
    """Give callers of an address, or of several, that go on until the block ends."""
    with asking(address, **creation) as ours:
        callers = Callers(ours, CALLERS)
        try:
            yield callers
        finally:
            callers.end()
            sys.stdout.write(
                f"{len(callers.answered)} calls, {len(callers.timed_out)} timed out, "
                f"slowest {callers.slowest_s:.3f} s, a thread stalled for {callers.stall_s:.3f} s\n"
            )


def require_each_answered_once(callers: Callers, jobs: list[int]) -> None:
    assert not callers.timed_out
    assert len(callers.answered) == len(set(callers.answered))
    assert sorted(jobs) == sorted(callers.answered)


def require_no_pause(callers: Callers, restarts_s: list[float]) -> None:
    """Fail if a call took longer than its job and a little.

    Other tests run beside the short one and take the processors from replyers: there no call may
    have waited for a restart, which takes longer the busier the machine is.

    :param restarts_s: how long each took, in seconds
    """
    besides_s = MOST_BESIDES_S if IS_LONG else max(MOST_BESIDES_S, min(restarts_s))
    assert callers.slowest_s < JOB_S + besides_s + callers.stall_s


def ended(process: Process) -> None:
    """Have a process stop gracefully."""
    process.interrupt(signal.SIGTERM)
    assert process.wait() == 0
    process.__exit__()


@pytest.mark.parametrize("pause_s", [0.0, 1.0])
def test_restarts_lose_no_call_and_each_is_done_once(
    tmp_path: Path, new_address: Callable[[], str], pause_s: float
) -> None:
    address = new_address()
    worker = Worker(tmp_path, address, seconds=JOB_S)
    process = worker.start()
    try:
        # a second try would hide a lost one, if it is done by the same process
        with under_fire(address, timeout_s=3 * PATIENCE_S) as callers:
            for _ in range(SLOW_RESTARTS if pause_s else RESTARTS):
                callers.go_on()
                ended(process)
                threading.Event().wait(pause_s)
                process = worker.start()
            callers.go_on()
    finally:
        process.__exit__()
    require_each_answered_once(callers, worker.jobs())


def test_a_successor_at_a_second_address_takes_over_without_a_pause(
    tmp_path: Path, new_address: Callable[[], str]
) -> None:
    addresses = [new_address(), new_address()]
    workers = [
        Worker(tmp_path, address, seconds=JOB_S, name=f"job{number}")
        for number, address in enumerate(addresses)
    ]
    process = workers[0].start()
    restarts_s: list[float] = []
    try:
        with under_fire(addresses, timeout_s=3 * PATIENCE_S) as callers:
            for turn in range(RESTARTS):
                callers.go_on()
                began = monotonic()
                successor = workers[(turn + 1) % 2].start()
                callers.go_on()
                ended(process)
                restarts_s.append(monotonic() - began)
                process = successor
            callers.go_on()
    finally:
        process.__exit__()
    require_each_answered_once(callers, workers[0].jobs())
    require_no_pause(callers, restarts_s)


def test_kills_end_each_call_in_a_reply_or_a_timeout_and_no_process_does_one_twice(
    tmp_path: Path, new_address: Callable[[], str]
) -> None:
    address = new_address()
    worker = Worker(tmp_path, address, seconds=JOB_S)
    process = worker.start()
    try:
        with under_fire(address, timeout_s=0.5, retries=3) as callers:
            for _ in range(RESTARTS):
                callers.go_on()
                process.popen.kill()
                process.__exit__()
                process = worker.start()
            callers.go_on()
    finally:
        process.__exit__()
    jobs = worker.jobs_by_process()
    assert len(jobs) == len(set(jobs))
    outcomes = callers.answered + callers.timed_out
    assert len(outcomes) == len(set(outcomes))
    assert set(callers.answered) <= {number for _, number in jobs} <= set(outcomes)


def test_with_three_replyers_the_restart_of_one_holds_up_no_call(
    tmp_path: Path, new_address: Callable[[], str]
) -> None:
    addresses = [new_address() for _ in range(3)]
    workers = [
        Worker(tmp_path, address, seconds=JOB_S, name=f"job{number}")
        for number, address in enumerate(addresses)
    ]
    processes = [worker.start() for worker in workers]
    restarts_s: list[float] = []
    try:
        with under_fire(addresses, timeout_s=3 * PATIENCE_S) as callers:
            for turn in range(RESTARTS):
                callers.go_on()
                began = monotonic()
                ended(processes[turn % 3])
                processes[turn % 3] = workers[turn % 3].start()
                restarts_s.append(monotonic() - began)
            callers.go_on()
    finally:
        for process in processes:
            process.__exit__()
    require_each_answered_once(callers, workers[0].jobs())
    require_no_pause(callers, restarts_s)
