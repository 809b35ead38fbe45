"""Connections within a process are made anew when the socket at their other side is replaced."""

from __future__ import annotations

import queue
from typing import Any

import pytest

from sf_actors.sockets import inproc
from tests.support.actor_faults import kill
from tests.support.numbered_news import join, publishing, subscribing
from tests.support.waiting import PATIENCE_S

ADDRESS = "inproc://replaced"


def numbers(got: queue.Queue[Any], count: int) -> list[int]:
    return [got.get(timeout=PATIENCE_S)["n"] for _ in range(count)]


def test_a_subscriber_hears_each_publisher_that_takes_the_place_of_another() -> None:
    got: queue.Queue[Any] = queue.Queue()
    with subscribing(ADDRESS, got):
        for run in range(3):
            with publishing(ADDRESS) as sender:
                join(sender, got)
                for n in range(50):
                    sender.connection("it", {"n": 100 * run + n})
                assert numbers(got, 50) == list(range(100 * run, 100 * run + 50))
        assert got.empty()


def test_a_publisher_reaches_each_subscriber_that_takes_the_place_of_another() -> None:
    with publishing(ADDRESS, is_x_pub=True) as sender:
        for run in range(3):
            got: queue.Queue[Any] = queue.Queue()
            with subscribing(ADDRESS, got, is_binder=True):
                join(sender, got)
                for n in range(50):
                    sender.connection("it", {"n": 100 * run + n})
                assert numbers(got, 50) == list(range(100 * run, 100 * run + 50))


def test_a_publisher_reaches_the_successor_of_a_subscribers_actor_that_died() -> None:
    got: queue.Queue[Any] = queue.Queue()
    with (
        subscribing(ADDRESS, got, is_binder=True) as subscribed,
        publishing(ADDRESS, is_x_pub=True) as sender,
    ):
        join(sender, got)
        kill(subscribed)
        join(sender, got)


def test_nobody_is_told_of_an_address_after_a_stop() -> None:
    with subscribing(ADDRESS, queue.Queue()):
        assert list(inproc._told) == [ADDRESS.removeprefix("inproc://")]
    assert not inproc._told


@pytest.mark.parametrize("name", ["nobody", "one"])
def test_who_has_had_enough_is_told_no_more(name: str) -> None:
    told: list[int] = []
    first, second = (lambda: told.append(1)), (lambda: told.append(2))
    for function in (first, second):
        inproc.tell_when_free("one", function)
    inproc.tell_no_more(name, first)
    try:
        inproc.note_free("one")
        assert told == ([2] if name == "one" else [1, 2])
    finally:
        inproc.tell_no_more("one", first)
        inproc.tell_no_more("one", second)
