"""What replicas make of publishers that load, number themselves, lack fields or are two."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import msgspec
import pytest

from sf_actors.errors import InvalidArguments
from sf_actors.replication.status import Phase
from sf_actors.testing import module_of, running
from tests.support.state_pair import following, leading, model, towards
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

N = {"n": int}


class Lot(TypedDict):
    size: int
    side: str


NUMBERED = {
    "required_state_arguments": {"current_num": int, "is_snapshot": bool},
}


@contextmanager
def publishing(
    addresses: dict[str, str], init: Callable[..., Any], **declared: Any
) -> Iterator[Any]:
    """Run a publisher of `book` whose `init_function` may take long, started in a thread."""
    module = module_of(
        "loads",
        state_models={"out": {"book": model("delta_update_out", declared or N, heartbeat_s=0.1)}},
        init_function=init,
    )
    with running(module, addresses={"states": {"out": {"book": addresses}}}) as service:
        yield service


def test_a_publisher_that_loads_is_no_empty_one(new_address: Callable[[], str]) -> None:
    addresses = {"publisher": new_address(), "replyer": new_address()}
    loaded, goes_on = threading.Event(), threading.Event()

    def fill(to_send: Any) -> None:
        to_send("state", "book", {"n": 7})

    def load(to_send: Any) -> None:
        loaded.set()
        goes_on.wait(PATIENCE_S)
        to_send("state", "book", {"n": 8})

    def run_anew() -> None:
        with publishing(addresses, load):
            until(lambda: follower.value == {"n": 8})

    with following(
        model("delta_update_in", N, heartbeat_s=0.1, stale_after_s=1.0), towards(addresses)
    ) as follower:
        with publishing(addresses, fill):
            until(lambda: follower.status.phase is Phase.LIVE)
        second = threading.Thread(target=run_anew)
        second.start()
        assert loaded.wait(PATIENCE_S)
        until(lambda: "loading" in str(follower.status.error))
        assert follower.status.phase is not Phase.LIVE
        assert follower.value == {"n": 7}
        goes_on.set()
        until(lambda: follower.value == {"n": 8} and follower.status.phase is Phase.LIVE)
        second.join(PATIENCE_S)


def test_a_publisher_that_has_loaded_nothing_is_an_empty_one(
    new_address: Callable[[], str],
) -> None:
    addresses = {"publisher": new_address(), "replyer": new_address()}
    with following(
        model("delta_update_in", N, heartbeat_s=0.1, stale_after_s=1.0), towards(addresses)
    ) as follower:
        with publishing(addresses, lambda to_send: to_send("state", "book", {"n": 7})):
            until(lambda: follower.status.phase is Phase.LIVE)
        with publishing(addresses, lambda: None):
            until(lambda: follower.value == {} and follower.status.phase is Phase.LIVE)


def test_the_handler_hears_of_a_resync_that_empties_the_value(
    new_address: Callable[[], str],
) -> None:
    addresses = {"publisher": new_address(), "replyer": new_address()}
    with following(
        model("delta_update_in", N, heartbeat_s=0.1, stale_after_s=1.0), towards(addresses)
    ) as follower:
        with publishing(addresses, lambda to_send: to_send("state", "book", {"n": 7})):
            assert follower.next_update() == ({"n": 7}, {"n": 7})
        # the second run of nothing changes nothing
        for _ in range(2):
            with publishing(addresses, lambda: None) as publisher:
                until(
                    lambda run=publisher: (
                        follower.status.epoch == run.states.status("book").epoch
                        and follower.status.phase is Phase.LIVE
                    )
                )
        with publishing(addresses, lambda to_send: to_send("state", "book", {"n": 8})):
            assert follower.next_update() == ({}, {})
            assert follower.next_update() == ({"n": 8}, {"n": 8})


def test_numbers_of_the_caller_are_any_integers() -> None:
    with (
        leading(model("delta_update_out", N) | NUMBERED) as leader,
        following(model("delta_update_in", N) | NUMBERED, towards(leader.addresses)) as follower,
    ):
        assert leader.send(n=0, current_num=-1, is_snapshot=True) == -1
        until(lambda: follower.status.number == -1 and follower.value == {"n": 0})
        for number in (0, 1, 2):
            assert leader.send(n=number, current_num=number, is_snapshot=False) == number
        assert leader.send(n=99, current_num=-100, is_snapshot=False) is None
        until(lambda: follower.status.skipped == 1)
        assert follower.value == leader.service.states["book"] == {"n": 2}
        assert follower.status.phase is Phase.LIVE
        assert leader.stats["skipped"] == leader.service.states.status("book").skipped == 1
        assert leader.send(n=5, current_num=-5, is_snapshot=True) == -5
        until(lambda: follower.value == {"n": 5} and follower.status.number == -5)
        assert leader.send(n=6, current_num=-4, is_snapshot=False) == -4
        until(lambda: follower.value == {"n": 6} and follower.status.number == -4)


def test_a_skipped_update_is_told_once(tmp_path: Path) -> None:
    log = tmp_path / "book.log"
    module = module_of(
        "numbers", state_models={"out": {"book": model("delta_update_out", N) | NUMBERED}}
    )
    free = {"publisher": "127.0.0.1:0", "replyer": "127.0.0.1:0"}
    with running(
        module, addresses={"states": {"out": {"book": free}}}, log_path=str(log)
    ) as service:
        for number in (3, 1, 2):
            service.to_send("book", {"n": 1, "current_num": number, "is_snapshot": False})
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["number"] for line in lines if "skipped" in line["event"]] == [1]


def warnings_of(log: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return [line for line in lines if line["level"] == "warning"]


@pytest.mark.slow
@pytest.mark.parametrize("what", ["lacks a field", "nobody answers"])
def test_a_replica_says_once_why_it_is_not_live(
    what: str, new_address: Callable[[], str], tmp_path: Path
) -> None:
    log = tmp_path / "follower.log"
    following_model = model("delta_update_in", N, heartbeat_s=0.1, stale_after_s=0.4)
    if what == "lacks a field":
        following_model["required_state_arguments"] = {"extra": int}
    with leading(model("delta_update_out", N, heartbeat_s=0.1)) as leader:
        leader.send(n=1)
        addresses = towards(leader.addresses)
        if what == "nobody answers":
            addresses = addresses | {"requester": new_address()}
        module = module_of("follows", state_models={"in": {"book": following_model}})
        with running(
            module, addresses={"states": {"in": {"book": addresses}}}, log_path=str(log)
        ) as service:
            expected = {
                "lacks a field": "extra",
                "nobody answers": "nobody has answered",
            }[what]
            until(lambda: expected in str(service.states.status("book").error))
            assert service.states.status("book").phase is not Phase.LIVE
            until(lambda: len(warnings_of(log)) >= 1)
    told = [line for line in warnings_of(log) if expected in str(line.get("reason"))]
    assert len(told) == 1


@pytest.mark.slow
def test_a_stale_after_below_two_heartbeats_is_raised_and_said(tmp_path: Path) -> None:
    log = tmp_path / "follower.log"
    with leading(model("delta_update_out", N, heartbeat_s=3.0)) as leader:
        leader.send(n=1)
        module = module_of(
            "follows",
            state_models={"in": {"book": model("delta_update_in", N, stale_after_s=0.2)}},
        )
        addresses = {"states": {"in": {"book": towards(leader.addresses)}}}
        with running(module, addresses=addresses, log_path=str(log)) as service:
            assert service.states.wait(timeout_s=PATIENCE_S)
            assert not threading.Event().wait(0.7)
            assert service.states.status("book").phase is Phase.LIVE
    assert ["in_force_s" in line for line in warnings_of(log)] == [True]


def test_of_two_starts_the_later_has_the_larger_epoch() -> None:
    epochs = []
    for _ in range(2):
        with (
            leading(model("delta_update_out", N)) as leader,
            following(model("delta_update_in", N), towards(leader.addresses)) as follower,
        ):
            leader.send(n=1)
            assert follower.states.wait(timeout_s=PATIENCE_S)
            epochs.append(follower.status.epoch)
    assert epochs[0] < epochs[1]


@pytest.mark.parametrize("kind", ["delta", "full"])
def test_on_status_hears_of_a_replica_that_begins_anew(
    kind: str, new_address: Callable[[], str]
) -> None:
    with leading(model(f"{kind}_update_out", N)) as leader:
        leader.send(n=1)
        there = towards(leader.addresses)
        with following(model(f"{kind}_update_in", N), there) as follower:
            follower.wait_for_phase(Phase.LIVE)
            elsewhere = {socket: new_address() for socket in there}
            follower.service.connect("states", "in", "book", elsewhere)
            follower.wait_for_phase(Phase.SYNCING)
            follower.service.connect("states", "in", "book", there)
            follower.wait_for_phase(Phase.LIVE)


@pytest.mark.parametrize("kind", ["delta", "full"])
def test_who_waits_after_a_move_waits_for_the_new_publisher(kind: str) -> None:
    with (
        leading(model(f"{kind}_update_out", N)) as one,
        leading(model(f"{kind}_update_out", N)) as two,
    ):
        one.send(n=1)
        two.send(n=2)
        places = [towards(leader.addresses) for leader in (one, two)]
        with following(model(f"{kind}_update_in", N), places[0]) as follower:
            follower.wait_for_phase(Phase.LIVE)
            for n in (2, 1) * 5:
                follower.service.connect("states", "in", "book", places[n - 1])
                assert follower.service.states.status("book").phase is Phase.SYNCING
                assert follower.service.states.wait("book", timeout_s=PATIENCE_S)
                assert follower.value == {"n": n}


@pytest.mark.parametrize("kind", ["delta", "full"])
def test_a_replica_that_is_moved_again_at_once_ends_at_the_last_address(
    kind: str, new_address: Callable[[], str]
) -> None:
    with leading(model(f"{kind}_update_out", N)) as leader:
        leader.send(n=1)
        there = towards(leader.addresses)
        with following(model(f"{kind}_update_in", N), there) as follower:
            follower.wait_for_phase(Phase.LIVE)
            for n in range(2, 12):
                for _ in range(3):
                    elsewhere = {socket: new_address() for socket in there}
                    follower.service.connect("states", "in", "book", elsewhere)
                follower.service.connect("states", "in", "book", there)
                leader.send(n=n)
                until(lambda n=n: follower.value == {"n": n}, "the last leader's value")


def test_a_record_in_a_union_must_come_whole_where_it_takes_the_place_of_another() -> None:
    rows = {"rows": {str: Lot | int}}
    with leading(model("delta_update_out", rows)) as leader:
        leader.send(rows={"a": 1, "b": {"size": 2, "side": "buy"}})
        for key in ("a", "new"):
            with pytest.raises(InvalidArguments, match=f"field 'rows.{key}.side': is required"):
                leader.send(rows={key: {"size": 3}})
        leader.send(rows={"b": {"size": 3}})
        with following(model("delta_update_in", rows), towards(leader.addresses)) as follower:
            follower.wait_for_phase(Phase.LIVE)
            assert follower.value == {"rows": {"a": 1, "b": {"size": 3, "side": "buy"}}}


def test_no_update_leaves_a_mapping_out_of_bounds_that_a_later_replica_holds_it_to() -> None:
    book = {"bids": Annotated[dict[str, int], msgspec.Meta(min_length=1, max_length=2)]}
    with leading(model("delta_update_out", book)) as leader:
        leader.send(bids={"a": 1})
        leader.send(bids={"b": 2})
        for change in ({"c": 3}, {"a": None, "b": None}):
            with pytest.raises(InvalidArguments, match="expected a mapping of min_length=1, max_"):
                leader.send(bids=change)
        assert leader.send(bids={"a": None, "c": 3}) == 2
        with following(model("delta_update_in", book), towards(leader.addresses)) as follower:
            follower.wait_for_phase(Phase.LIVE)
            assert follower.value == {"bids": {"b": 2, "c": 3}}
