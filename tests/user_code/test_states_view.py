"""What user code sees of states through `states`: values and status."""

from __future__ import annotations

import queue
from contextlib import ExitStack
from contextvars import copy_context
from time import perf_counter, process_time
from typing import Any

import pytest
from msgspec import UNSET

from sf_actors import InvalidArguments
from sf_actors.replication.status import Phase
from sf_actors.replication.values.persistent_map import Map
from sf_actors.testing import module_of, running
from sf_actors.user_code.state_slot import StateSlot
from sf_actors.user_code.states_view import PINNED, States
from tests.support.effort import effort
from tests.support.state_pair import following, leading, lose, model, towards
from tests.support.waiting import PATIENCE_S, until

KINDS = ["delta_update", "full_update"]
LISTS = {"items": list, "map": dict}


@pytest.mark.parametrize("kind", KINDS)
def test_states_are_empty_before_the_first_value_and_known_by_name(kind: str) -> None:
    with (
        leading(model(f"{kind}_out")) as leader,
        following(model(f"{kind}_in"), towards(leader.addresses)) as follower,
    ):
        assert dict(follower.states) == {"book": {}}
        assert follower.states["book"] == {}
        assert list(follower.states) == ["book"]
        with pytest.raises(KeyError):
            follower.states["other"]
        with pytest.raises(InvalidArguments, match="did you mean 'book'"):
            follower.states.status("bok")


@pytest.mark.parametrize("kind", KINDS)
def test_states_are_read_only_and_what_they_give_cannot_change_them(kind: str) -> None:
    whole: dict[str, Any] = {"items": [1, {"a": [2]}], "map": {"l": [1], "m": {"x": 1}}}
    with (
        leading(model(f"{kind}_out", LISTS)) as leader,
        following(model(f"{kind}_in", LISTS), towards(leader.addresses)) as follower,
    ):
        leader.send(**whole)
        args, value = follower.next_update()
        states = follower.states
        with pytest.raises(TypeError):
            states["book"] = {}
        with pytest.raises(TypeError):
            value["items"] = []
        with pytest.raises(TypeError):
            del value["map"]["m"]
        with pytest.raises(TypeError):
            value["map"]["m"]["x"] = 2
        value["items"].append(3)
        value["items"][1]["a"].append(3)
        value["map"]["l"].clear()
        args["items"].append(4)
        args["map"].clear()
        assert value == whole
        assert follower.value == whole
        assert whole == follower.value
        assert value["map"] == {"l": [1], "m": {"x": 1}}


def test_a_value_can_be_sent_on_as_an_argument() -> None:
    """The service in the middle follows one state and publishes it as its own."""
    declared = {"map": {str: int}, "items": [int]}
    got: list[Any] = []

    def forward(args: Any, to_send: Any, states: Any) -> None:
        to_send("state", "copy", states["book"])
        to_send("state", "nested", {"all": states["book"]})

    with leading(model("delta_update_out", declared)) as leader, ExitStack() as later:
        incoming = model("delta_update_in", declared, on_update=forward)
        middle = module_of(
            "middle",
            state_models={
                "in": {"book": incoming},
                "out": {
                    "copy": model("full_update_out", declared),
                    "nested": model("full_update_out", {"all": dict}),
                },
            },
        )
        addresses = {
            "in": {"book": towards(leader.addresses)},
            "out": {
                "copy": {"publisher": "127.0.0.1:0"},
                "nested": {"publisher": "127.0.0.1:0"},
            },
        }
        service = later.enter_context(
            running(middle, addresses={"states": addresses}, console_loglevel=None)
        )
        bound = service.addresses["states"]["out"]
        copy = later.enter_context(
            following(model("full_update_in", declared), towards(bound["copy"]))
        )
        nested = later.enter_context(
            following(model("full_update_in", {"all": dict}), towards(bound["nested"]))
        )
        value = {"map": {"a": 1}, "items": [1, 2]}
        leader.send(**value)
        copy.wait_for(value)
        nested.wait_for({"all": value})
        assert not got


def test_states_are_live_in_main_and_in_init() -> None:
    declared = {"n": int}
    seen: queue.Queue[Any] = queue.Queue()
    with leading(model("full_update_out", declared)) as leader:
        leader.send(n=0)

        def init_function(to_send: Any, states: Any, config: Any) -> None:
            until(lambda: states["book"] == {"n": 0})
            leader.send(n=1)
            until(lambda: states["book"] == {"n": 1})
            seen.put("init")

        def main(to_send: Any, states: Any, config: Any) -> None:
            leader.send(n=2)
            until(lambda: states["book"] == {"n": 2})
            seen.put("main")

        module = module_of(
            "live",
            state_models={"in": {"book": model("full_update_in", declared)}},
            init_function=init_function,
            main=main,
        )
        with running(
            module,
            as_main=True,
            allow_inbound=True,
            addresses={"states": {"in": {"book": towards(leader.addresses)}}},
            console_loglevel=None,
        ):
            assert seen.get(timeout=PATIENCE_S) == "init"
            assert seen.get(timeout=PATIENCE_S) == "main"


def test_the_status_has_its_fields_and_is_frozen() -> None:
    with leading(model("delta_update_out", {"n": int})) as leader:
        absent = {"subscriber": "127.0.0.1:9", "requester": "127.0.0.1:9"}
        with following(model("delta_update_in", {"n": int}), absent) as lonely:
            status = lonely.status
            assert (status.phase, status.number, status.epoch) == (Phase.SYNCING, -1, None)
            assert (status.age_s, status.gaps, status.resyncs) == (None, 0, 0)
            assert status.phase == "SYNCING"
        with following(model("delta_update_in", {"n": int}), towards(leader.addresses)) as follower:
            status = follower.wait_for_phase(Phase.LIVE)
            assert status.number == -1
            leader.send(n=1)
            follower.wait_for({"n": 1})
            status = follower.status
            assert (status.phase, status.number) == ("LIVE", 0)
            assert isinstance(status.epoch, int)
            assert status.age_s is not None
            with pytest.raises(AttributeError):
                status.number = 5  # type: ignore[misc]
            assert follower.stats["status"]["phase"] == "LIVE"
            assert follower.stats["status"]["number"] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_the_status_is_never_ahead_of_the_value(kind: str) -> None:
    """A number and the phase LIVE are shown when the value is, not when they are decided."""
    with (
        leading(model(f"{kind}_out", {"n": int}, heartbeat_s=5.0)) as leader,
        following(model(f"{kind}_in", {"n": int}), towards(leader.addresses)) as follower,
    ):
        leader.send(n=0)
        follower.wait_for({"n": 0})
        seen: queue.Queue[Any] = queue.Queue()
        actor, update = follower.actor, follower.actor.update

        def watched(*args: Any, **named: Any) -> None:
            seen.put((follower.status.number, follower.value))
            update(*args, **named)
            seen.put((follower.status.number, follower.value))

        actor.update = watched
        for n in (1, 2):
            leader.send(n=n)
            assert seen.get(timeout=PATIENCE_S) == (n - 1, {"n": n - 1})
            assert seen.get(timeout=PATIENCE_S) == (n, {"n": n})


@pytest.mark.parametrize(("has_handler", "values"), [(True, 4), (False, 1)])
def test_a_replica_is_live_with_the_last_value_that_it_catches_up_with(
    has_handler: bool, values: int
) -> None:
    """A handler is called for each of them; where there is none they are shown at once."""
    with (
        leading(model("delta_update_out", {"n": int}, heartbeat_s=5.0)) as leader,
        following(
            model("delta_update_in", {"n": int}),
            towards(leader.addresses),
            has_handler=has_handler,
        ) as follower,
    ):
        follower.wait_for_phase(Phase.LIVE)
        seen: queue.Queue[Any] = queue.Queue()
        actor, update = follower.actor, follower.actor.update

        def watched(*args: Any, **named: Any) -> None:
            seen.put(follower.status.phase)
            update(*args, **named)
            seen.put(follower.status.phase)

        actor.update = watched
        for n in range(3):
            lose(leader, n=n)
        leader.send(n=3)
        follower.wait_for_phase(Phase.LIVE)
        shown = [seen.get(timeout=PATIENCE_S) for _ in range(2 * values)]
        assert shown == [Phase.SYNCING] * (2 * values - 1) + [Phase.LIVE]
        assert follower.status.phase is Phase.LIVE
        assert follower.value == {"n": 3}


@pytest.mark.slow
def test_to_look_at_a_large_state_costs_no_more_than_at_a_small_one() -> None:
    declared = {"rows": {int: int}}
    with (
        leading(model("delta_update_out", declared)) as leader,
        following(model("delta_update_in", declared), towards(leader.addresses)) as follower,
    ):
        took = []
        for size in (10, 200_000):
            leader.send(rows=dict.fromkeys(range(size), 1))
            until(lambda size=size: len(follower.value.get("rows", ())) == size)  # type: ignore[misc]
            took.append(min(look(follower.states) for _ in range(20)))
        # a copy of the large one would take more than a millisecond
        assert took[1] < max(20 * took[0], 0.0005)


ROWS = effort(300_000, brief=60_000)


@pytest.mark.slow
def test_an_update_of_a_large_state_costs_no_more_than_of_a_small_one() -> None:
    declared = {"rows": {int: int}}
    with leading(model("delta_update_out", declared)) as leader:
        leader.send(rows=dict.fromkeys(range(ROWS), 1))
        with following(model("delta_update_in", declared), towards(leader.addresses)) as follower:
            follower.next_update()
            begun = process_time()
            for n in range(200):
                leader.send(rows={n: 2})
            for _ in range(200):
                follower.next_update()
            # copying 300,000 rows 200 times would take several seconds
            assert process_time() - begun < 2.0


def look(states: Any) -> float:
    """Return how long it takes to look at the state and one row of it, in seconds."""
    begun = perf_counter()
    states["book"]["rows"][5]
    return perf_counter() - begun


@pytest.mark.parametrize("kind", ["delta_update", "full_update"])
def test_a_handler_sees_the_first_value_as_live(kind: str) -> None:
    seen: list[Any] = []

    def note(_args: Any, states: Any) -> None:
        seen.append((states["book"], states.status("book").phase))

    with leading(model(f"{kind}_out", {"n": int}, heartbeat_s=5.0)) as leader:
        leader.send(n=1)
        with following(
            model(f"{kind}_in", {"n": int}), towards(leader.addresses), handler=note
        ) as follower:
            follower.wait_for({"n": 1})
            assert seen == [({"n": 1}, Phase.LIVE)]


class NeverHeard:
    """A replica that has heard of no run."""

    heard_at = None
    has_many = False
    stale_after_s = 3.0

    def is_followed(self, epoch: int) -> bool:
        return False

    is_known = is_followed


def a_state(count: int, epoch: int) -> States:
    """Return the states of a service that follows one, up to an update."""
    states = States({})
    version = (Map(), epoch, count)
    states.add("book", StateSlot(version, lambda: None, NeverHeard(), 0.0))  # type: ignore[arg-type,return-value]
    return states


def test_a_call_sends_with_what_it_sees_of_its_own_service_and_all_else_with_what_is_there() -> (
    None
):
    ours, others = a_state(1, epoch=5), a_state(2, epoch=6)

    def in_call() -> None:
        PINNED.set(ours.pinned())
        ours.slot("book").version = (Map(), 5, 9)  # type: ignore[union-attr]
        others.slot("book").version = (Map(), 6, 9)  # type: ignore[union-attr]
        assert ours.in_call().seen() == {5: 1}
        assert others.in_call().seen() == {6: 9}

    copy_context().run(in_call)
    assert ours.in_call() is ours
    assert ours.seen() == {5: 9}


def test_what_a_reply_has_told_goes_with_the_next_request_of_the_call_as_far_as_it_is_there() -> (
    None
):
    states = a_state(1, epoch=5)
    pinned = states.pinned()
    states.slot("book").version = (Map(), 5, 7)  # type: ignore[union-attr]
    pinned.learn({5: 4, 6: 3})
    assert pinned.seen() == {5: 4}
    pinned.learn({5: 2**60})
    assert pinned.seen() == {5: 7}


def test_states_without_an_update_are_not_told_of() -> None:
    assert States({}).seen() is UNSET
    assert a_state(-1, epoch=5).seen() is UNSET
    assert a_state(0, epoch=5).seen() == {5: 0}
