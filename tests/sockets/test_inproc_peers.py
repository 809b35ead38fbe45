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


def test_nobody_is_called_back_for_an_address_after_a_stop() -> None:
    with subscribing(ADDRESS, queue.Queue()):
        assert list(inproc._callbacks) == [ADDRESS.removeprefix("inproc://")]
    assert not inproc._callbacks


@pytest.mark.parametrize("name", ["nobody", "one"])
def test_a_callback_that_was_removed_is_called_no_more(name: str) -> None:
    called: list[int] = []
    first, second = (lambda: called.append(1)), (lambda: called.append(2))
    for function in (first, second):
        inproc.add_callback("one", function)
    inproc.remove_callback(name, first)
    try:
        inproc.note_free("one")
        assert called == ([2] if name == "one" else [1, 2])
    finally:
        inproc.remove_callback("one", first)
        inproc.remove_callback("one", second)
