"""Measurements in the measured processes: latencies of calls, calls in flight."""

from __future__ import annotations

import threading
from time import perf_counter, sleep
from typing import TYPE_CHECKING, Any

from benchmarks.spread import percentile

if TYPE_CHECKING:
    from collections.abc import Callable

#: The share of a burst for warming up, after the process was stopped.
WARM_UP = 0.2


def latencies(call: Callable[[], object], seconds: float) -> dict[str, float]:
    """Time calls, one after the other.

    :param seconds: for how long, after a warm-up
    :returns: p50_us and p90_us of a call, and how many calls there were
    """
    warm_until = perf_counter() + WARM_UP * seconds
    call()
    while perf_counter() < warm_until:
        call()
    taken = []
    now = perf_counter()
    until = now + seconds
    while now < until:
        call()
        then, now = now, perf_counter()
        taken.append(now - then)
    return {
        "p50_us": percentile(taken, 0.5) * 1e6,
        "p90_us": percentile(taken, 0.9) * 1e6,
        "calls": len(taken),
    }


def counted(call: Callable[[], object], count: int, pause_s: float) -> dict[str, float]:
    """Time `count` calls, one after the other.

    :param pause_s: how long the caller sleeps before each call, in seconds
    :returns: p50_us and p90_us of a call, and how many calls there were
    """
    taken = []
    for _ in range(count):
        if pause_s:
            sleep(pause_s)
        began = perf_counter()
        call()
        taken.append(perf_counter() - began)
    return {
        "p50_us": percentile(taken, 0.5) * 1e6,
        "p90_us": percentile(taken, 0.9) * 1e6,
        "calls": count,
    }


def measured(call: Callable[[], object], command: dict[str, Any]) -> dict[str, float]:
    """Time calls as a command says: for `seconds`, or `count` times with pauses of `pause_s`."""
    if "count" in command:
        return counted(call, command["count"], command.get("pause_s", 0.0))
    return latencies(call, command["seconds"])


def in_threads(
    make_call: Callable[[], Callable[[], object]], *, threads: int, seconds: float
) -> dict[str, float]:
    """Call from many threads at once, one call after the other in each.

    :param make_call: called in each thread; returns the function that the thread calls
    :returns: calls per second of all threads together
    """
    barrier = threading.Barrier(threads + 1)
    counts: list[int] = []
    times: list[float] = []

    def work() -> None:
        call = make_call()
        call()
        barrier.wait()
        began = perf_counter()
        until = began + seconds
        count = 0
        while perf_counter() < until:
            call()
            count += 1
        counts.append(count)
        times.append(perf_counter() - began)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    barrier.wait()
    for worker in workers:
        worker.join()
    return {"per_s": sum(counts) / max(times)}


def reached(number: Callable[[], int], expected: int, patience_s: float) -> float | None:
    """Wait until a number is reached.

    :returns: the time, in seconds of `perf_counter`, which on Linux is one clock for all
        processes; None if it was not reached
    """
    deadline = perf_counter() + patience_s
    while number() < expected:
        if perf_counter() > deadline:
            return None
        sleep(0.0005)
    return perf_counter()
