"""Events that others ask for."""

from __future__ import annotations

import threading
from time import monotonic

from sf_actors.fleet.ray.events import Events
from tests.support.waiting import until


def test_who_asks_gets_what_came_since() -> None:
    events = Events()
    for number in range(3):
        events.add(number)
    first = events.after(0, 0.0)
    events.add(3)

    assert first.events == [0, 1, 2]
    assert events.after(first.last, 0.0).events == [3]
    assert not events.after(4, 0.0).events


def test_who_asks_waits_for_something() -> None:
    events = Events()
    thread = threading.Timer(0.05, lambda: events.add("new"))
    thread.start()

    assert events.after(0, 10.0).events == ["new"]
    thread.join()


def test_what_nobody_asks_for_is_dropped_and_counted() -> None:
    events = Events(most=2)
    for number in range(5):
        events.add(number)
    news = events.after(1, 0.0)

    assert (news.events, news.dropped, news.last) == ([3, 4], 2, 5)


def test_who_asked_another_process_before_begins_anew() -> None:
    old, new = Events(), Events()
    new.add("first")
    news = new.after(7, 10.0)

    assert (news.last, news.events) == (0, [])
    assert news.since != old.after(0, 0.0).since


def test_an_end_waits_only_where_somebody_asks() -> None:
    events = Events()
    events.add("end")
    assert not events.wait_seen(10.0)

    thread = threading.Thread(target=lambda: events.after(events.after(0, 0.0).last, 0.0))
    thread.start()
    thread.join()
    assert events.wait_seen(10.0)


def test_an_end_waits_for_nobody_who_was_let_go() -> None:
    events, began = Events(), monotonic()
    asking = threading.Thread(target=lambda: events.after(0, 10.0))
    asking.start()
    until(lambda: events._readers)
    events.dismiss()
    asking.join()
    # the next question may have been under way
    events.after(0, 10.0)
    events.add("end")

    assert not events.wait_seen(10.0)
    assert monotonic() - began < 5.0
