"""Taps of states: first the value, then each update."""

from __future__ import annotations

import threading
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

import sf_actors
from sf_actors.actors.inbox import WaitFailed
from sf_actors.lifecycle.run import Run
from sf_actors.testing import module_of
from tests.inspection.asking import Asker, asker_of
from tests.inspection.publishing import BOOK, following, parts, publishing
from tests.inspection.watching import Watcher, watcher_of
from tests.support.services import (
    Background,
    service_of,
)
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def asker() -> Iterator[Asker]:
    """Give an asker at the inspector of this process."""
    inspection = sf_actors.inspect()
    with asker_of(inspection.address) as found:
        yield found
    inspection.close()


def test_a_state_is_seen_first_as_its_value_then_by_its_updates(asker: Asker) -> None:
    with publishing() as leader:
        leader.to_send("book", {"title": "a", "bids": {Decimal(1): Decimal(2)}})
        with watcher_of(asker, "pub", "out/book") as watcher:
            first = watcher.next()
            leader.to_send("book", {"bids": {Decimal(1): None, Decimal(3): Decimal(4)}})
            second = watcher.next()
            leader.to_send("book", {"title": "b", "bids": {}, "is_snapshot": True})
            third = watcher.next()
    assert parts(first, "kind", "number") == ("value", 0)
    assert first["args"] == {"title": "a", "bids": {"1": "2"}}
    assert parts(second, "kind", "number", "is_whole") == ("update", 1, False)
    assert second["args"] == {"bids": {"1": None, "3": "4"}}
    assert parts(third, "kind", "number", "is_whole") == ("update", 2, True)


def test_a_full_state_is_seen_whole_each_time(asker: Asker) -> None:
    with publishing() as leader:
        with watcher_of(asker, "pub", "clock") as watcher:
            assert parts(watcher.next(), "kind", "number", "args") == ("value", -1, {})
            leader.to_send("clock", {"n": 1})
            assert parts(watcher.next(), "kind", "number", "args") == ("update", 0, {"n": 1})
        with watcher_of(asker, "pub", "clock") as watcher:
            assert parts(watcher.next(), "kind", "number", "args") == ("value", 0, {"n": 1})


def numbers_of(watcher: Watcher, last: int) -> list[int]:
    """Return the numbers of all records up to one of this number."""
    numbers = []
    while not numbers or numbers[-1] != last:
        record = watcher.next()
        assert record["dropped"] == 0
        numbers.append(record["number"])
    return numbers


@pytest.mark.parametrize("has_handler", [False, True])
def test_a_replica_is_seen_without_a_gap_while_it_is_updated(
    asker: Asker, has_handler: bool
) -> None:
    def on_book(args: dict[str, Any]) -> None:
        args.clear()

    handlers = {"required_creation_arguments": {"on_book": on_book}} if has_handler else {}
    with publishing() as leader, following(leader, **handlers) as follower:
        leader.to_send("book", {"title": "a", "bids": {}})
        assert follower.states.wait("book", number=0, timeout_s=PATIENCE_S)
        with watcher_of(asker, "sub", "book") as watcher:
            for number in range(1, 300):
                leader.to_send("book", {"bids": {Decimal(number): Decimal(1)}})
            assert numbers_of(watcher, 299) == list(range(300))


def test_a_tap_outlives_a_restart_of_its_actor(asker: Asker) -> None:
    with publishing() as leader, following(leader) as follower:
        leader.to_send("book", {"title": "a", "bids": {}})
        assert follower.states.wait("book", number=0, timeout_s=PATIENCE_S)
        with watcher_of(asker, "sub", "book") as watcher:
            assert watcher.next()["kind"] == "value"
            follower._run.state.actors["states/in/book"].tell(WaitFailed(OSError("a fault")))
            until(lambda: follower.stats()["states"]["in"]["book"]["restarts"])
            leader.to_send("book", {"title": "b"})
            while (record := watcher.next())["number"] != 1:
                pass
            assert record["args"]["title"] == "b"


def test_who_watches_before_anything_is_open_misses_nothing(asker: Asker) -> None:
    may_open = threading.Event()
    loading = threading.Event()

    def setup_addresses(addresses: dict[str, Any]) -> dict[str, Any]:
        loading.set()
        assert may_open.wait(PATIENCE_S)
        return addresses

    def init_function(to_send: Any) -> None:
        to_send("book", {"title": "a", "bids": {}})

    module = module_of(
        state_models={"out": {"book": BOOK}},
        setup_addresses=setup_addresses,
        init_function=init_function,
    )
    addresses = {
        "states": {"out": {"book": {"publisher": "127.0.0.1:0", "replyer": "127.0.0.1:0"}}}
    }
    service = service_of(module, addresses=addresses, name="pub")
    background = Background(service.run_service)
    assert loading.wait(PATIENCE_S)
    assert "still being loaded" in asker.error_of("tap", service="pub", model="book")["message"]
    run = Run.start
    with pytest.MonkeyPatch.context() as patched:
        began = threading.Event()

        def start(self: Run) -> None:
            began.set()
            assert may_start.wait(PATIENCE_S)
            run(self)

        may_start = threading.Event()
        patched.setattr(Run, "start", start)
        may_open.set()
        assert began.wait(PATIENCE_S)
        with watcher_of(asker, "pub", "book") as watcher:
            may_start.set()
            assert parts(watcher.next(), "kind", "number", "args") == ("value", -1, {})
            assert parts(watcher.next(), "kind", "number") == ("update", 0)
            assert background.join() is None
            service.stop_service()


@pytest.mark.slow
def test_a_large_state_is_seen_whole(asker: Asker) -> None:
    count = 50_000
    bids = {Decimal(number): Decimal(1) for number in range(count)}
    with publishing() as leader:
        leader.to_send("book", {"title": "a", "bids": bids})
        with watcher_of(asker, "pub", "book") as watcher:
            first = watcher.next()
            leader.to_send("book", {"title": "b"})
            assert watcher.next()["args"] == {"title": "b"}
    assert first["kind"] == "value"
    assert len(first["args"]["bids"]) == count


def test_two_who_watch_do_not_disturb_each_other(asker: Asker) -> None:
    with publishing() as leader, watcher_of(asker, "pub", "book") as one:
        assert one.next()["kind"] == "value"
        leader.to_send("book", {"title": "a", "bids": {}})
        with watcher_of(asker, "pub", "book") as two:
            assert parts(two.next(), "kind", "number") == ("value", 0)
            leader.to_send("book", {"title": "b"})
            assert parts(two.next(), "kind", "number") == ("update", 1)
        assert [one.next()["number"] for _ in range(2)] == [0, 1]
