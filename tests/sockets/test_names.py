"""Look-ups of host names: who is told what, and what a name that hangs holds up."""

from __future__ import annotations

import threading
from queue import Queue
from typing import TYPE_CHECKING

import pytest

from sf_actors.sockets import names
from sf_actors.sockets.names import MAX_THREADS, HostsInTurn, Names
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator

Told = tuple[tuple[str, ...], str]


class Resolver:
    """Answers look-ups; a name in `hanging` only after `release`."""

    def __init__(self) -> None:
        self.answers: dict[str, list[tuple[str, ...]]] = {}
        self.hanging: set[str] = set()
        self.release = threading.Event()
        self.asked: list[str] = []

    def __call__(self, host: str) -> tuple[str, ...]:
        self.asked.append(host)
        if host in self.hanging:
            self.release.wait(PATIENCE_S)
            return ("10.0.0.7",)
        answers = self.answers.get(host, [()])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if not answer:
            raise OSError(-2, "Name or service not known")
        return answer


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
    resolver = Resolver()
    monkeypatch.setattr(names, "resolved", resolver)
    yield resolver
    resolver.release.set()
    until(lambda: not any(t.name == "sf_actors/names" for t in threading.enumerate()))


def asked(looking: Names, host: str) -> Queue[Told]:
    got: Queue[Told] = Queue()
    looking.look_up(host, lambda hosts, problem: got.put((hosts, problem)))
    return got


def test_a_name_that_hangs_holds_up_no_other_name(resolver: Resolver) -> None:
    resolver.hanging = {f"silent{number}" for number in range(MAX_THREADS - 1)}
    resolver.answers["desk"] = [("10.0.0.7",)]
    looking = Names()
    for host in resolver.hanging:
        asked(looking, host)
    assert asked(looking, "desk").get(timeout=PATIENCE_S) == (("10.0.0.7",), "")


def test_so_many_threads_at_most_look_up_names(resolver: Resolver) -> None:
    resolver.hanging = {f"silent{number}" for number in range(3 * MAX_THREADS)}
    looking = Names()
    for host in resolver.hanging:
        asked(looking, host)
    until(lambda: len(resolver.asked) == MAX_THREADS)
    assert sum(t.name == "sf_actors/names" for t in threading.enumerate()) == MAX_THREADS


def test_who_asks_for_the_same_name_shares_one_look_up(resolver: Resolver) -> None:
    resolver.hanging = {"desk"}
    resolver.answers["desk"] = [("10.0.0.7",)]
    looking = Names()
    both = [asked(looking, "desk"), asked(looking, "desk")]
    resolver.release.set()
    assert [got.get(timeout=PATIENCE_S)[0] for got in both] == [("10.0.0.7",)] * 2
    assert resolver.asked == ["desk"]


def test_a_name_that_cannot_be_looked_up_is_tried_again_until_it_can(resolver: Resolver) -> None:
    resolver.answers["desk"] = [(), (), ("10.0.0.7",)]
    got = asked(Names(), "desk")
    told = [got.get(timeout=PATIENCE_S) for _ in range(3)]
    assert [hosts for hosts, _ in told] == [(), (), ("10.0.0.7",)]
    assert told[0][1] == "Name or service not known"


def test_a_name_that_nobody_waits_for_any_more_is_tried_no_further(resolver: Resolver) -> None:
    got: Queue[Told] = Queue()
    looking = Names()
    look_up = looking.look_up("nowhere", lambda hosts, problem: got.put((hosts, problem)))
    got.get(timeout=PATIENCE_S)
    looking.cancel(look_up)
    until(lambda: not any(t.name == "sf_actors/names" for t in threading.enumerate()))


def test_the_addresses_of_a_name_are_tried_in_turn() -> None:
    turns = HostsInTurn()
    hosts = ("127.0.0.1", "::1")
    assert turns.choose(hosts) == "127.0.0.1"
    assert turns.failed()
    assert turns.choose(hosts) == "::1"
    assert not turns.failed()


def test_after_a_success_the_first_address_is_preferred_again() -> None:
    turns = HostsInTurn()
    hosts = ("127.0.0.1", "::1")
    turns.choose(hosts)
    turns.failed()
    turns.choose(hosts)
    turns.succeeded()
    assert turns.choose(hosts) == "127.0.0.1"
