"""Requests of verbs elsewhere."""

from __future__ import annotations

import threading
from time import monotonic

from sf_actors.fleet.ray.requests import MOST_ANSWERED, RemoteRequests

#: How long what has to come may take, in seconds.
DEADLINE_S = 20.0


def test_what_is_said_is_heard_in_order_and_the_status_last() -> None:
    requests = RemoteRequests()
    number, request = requests.add({"verb": "ps"})
    request.report("one moment")
    request.end(0, pid=1)

    assert requests.hear(number, 0, DEADLINE_S).events == [
        {"say": "one moment"},
        {"status": 0, "pid": 1},
    ]


def test_who_has_heard_all_is_answered_at_once_and_forgotten() -> None:
    requests = RemoteRequests()
    number, request = requests.add({"verb": "ps"})
    request.end(0)
    batch = requests.hear(number, 0, DEADLINE_S)
    asked_at = monotonic()

    assert not requests.hear(number, batch.last, DEADLINE_S).events
    assert monotonic() - asked_at < DEADLINE_S / 2
    assert not requests.all
    assert request.answers.wait_seen(DEADLINE_S)


def test_who_hears_waits_for_what_is_said() -> None:
    requests = RemoteRequests()
    number, request = requests.add({"verb": "restart"})
    thread = threading.Timer(0.05, lambda: request.report("READY"))
    thread.start()

    assert requests.hear(number, 0, DEADLINE_S).events == [{"say": "READY"}]
    thread.join()


def test_a_request_of_an_earlier_process_has_failed_and_is_no_other_ones() -> None:
    earlier, later = RemoteRequests(), RemoteRequests()
    number, _ = earlier.add({"verb": "restart"})
    other, _ = later.add({"verb": "ps"})
    batch = later.hear(number, 1, DEADLINE_S)

    assert number != other
    assert batch.events[-1] == {"status": 1}


def test_answers_that_nobody_hears_are_kept_for_a_while_only() -> None:
    requests = RemoteRequests()
    _, unanswered = requests.add({"verb": "restart"})
    for _ in range(MOST_ANSWERED * 2):
        requests.add({"verb": "ps"})[1].end(0)

    assert len(requests.all) <= MOST_ANSWERED + 2
    assert unanswered in requests.all
