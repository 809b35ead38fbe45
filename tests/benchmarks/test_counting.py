from __future__ import annotations

import threading

from benchmarks.counting import Tally
from benchmarks.timing import in_threads, latencies, reached


def test_a_tally_is_settled_when_all_messages_came() -> None:
    tally = Tally()

    def bring() -> None:
        for _ in range(1000):
            tally.add()

    messages = threading.Thread(target=bring)
    messages.start()
    found = tally.settled(1000, patience_s=30)
    messages.join()
    assert found["count"] == 1000
    assert found["per_s"] > 0


def test_messages_that_never_come_do_not_keep_a_tally_waiting() -> None:
    tally = Tally()
    tally.add()
    tally.add()
    assert tally.settled(1_000_000, patience_s=30)["count"] == 2


def test_a_tally_starts_anew() -> None:
    tally = Tally()
    tally.add()
    tally.reset()
    assert tally.count == 0


def test_latencies_are_those_of_the_calls() -> None:
    found = latencies(lambda: None, 0.01)
    assert 0 < found["p50_us"] <= found["p90_us"]
    assert found["calls"] > 0


def test_calls_in_flight_come_from_as_many_threads() -> None:
    threads = set()

    def make_call() -> object:
        return lambda: threads.add(threading.get_ident())

    assert in_threads(make_call, threads=4, seconds=0.01)["per_s"] > 0  # type: ignore[arg-type]
    assert len(threads) == 4


def test_a_number_that_is_not_reached_has_no_time() -> None:
    assert reached(lambda: 1, 2, 0.01) is None
    assert reached(lambda: 2, 2, 0.01) is not None
