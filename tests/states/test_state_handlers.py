"""Calls of the handlers of in-states and of `on_status`."""

from __future__ import annotations

import queue
import threading
from time import monotonic
from typing import Any, TypedDict

import pytest

from sf_actors.replication.status import Phase
from sf_actors.testing import module_of, running
from tests.support.state_pair import following, leading, model, towards
from tests.support.waiting import PATIENCE_S, until

KINDS = ["delta_update", "full_update"]
LISTS = {"items": list, "map": dict}


@pytest.mark.parametrize("kind", KINDS)
def test_a_handler_sees_the_value_right_after_its_update_though_updates_go_on(kind: str) -> None:
    """Another handler is slow, so that updates are long there when theirs is called."""
    declared = {"n": int}
    entered, goes_on = threading.Event(), threading.Event()
    seen: queue.Queue[Any] = queue.Queue()
    shown: list[Any] = []

    def slow() -> None:
        entered.set()
        goes_on.wait(PATIENCE_S)

    def on_update(args: Any, states: Any) -> None:
        seen.put((args["n"], states["book"]["n"]))

    with (
        leading(model(f"{kind}_out", declared)) as leader,
        leading(model("full_update_out", declared)) as ticks,
    ):
        module = module_of(
            "two",
            state_models={
                "in": {
                    "book": model(f"{kind}_in", declared, on_update=on_update),
                    "tick": model("full_update_in", declared, on_update=slow),
                }
            },
            init_function=lambda to_send, states, config: shown.append(states),
        )
        addresses = {"book": towards(leader.addresses), "tick": towards(ticks.addresses)}
        with running(module, addresses={"states": {"in": addresses}}, console_loglevel=None):
            leader.send(n=0)
            assert seen.get(timeout=PATIENCE_S) == (0, 0)
            ticks.send(n=0)
            assert entered.wait(PATIENCE_S)
            for n in range(1, 6):
                leader.send(n=n)
            until(lambda: shown[0]["book"] == {"n": 5})
            goes_on.set()
            for n in range(1, 6):
                assert seen.get(timeout=PATIENCE_S) == (n, n)


def test_another_state_is_pinned_for_the_whole_call_while_status_is_live() -> None:
    declared = {"n": int}
    entered, goes_on = threading.Event(), threading.Event()
    seen: queue.Queue[Any] = queue.Queue()
    shown: list[Any] = []

    def on_tick(args: Any, states: Any) -> None:
        before = states["book"]
        entered.set()
        goes_on.wait(PATIENCE_S)
        seen.put((before, states["book"], states.status("book").number))

    with (
        leading(model("delta_update_out", declared)) as leader,
        leading(model("full_update_out", declared)) as ticks,
    ):
        leader.send(n=0)
        module = module_of(
            "two",
            state_models={
                "in": {
                    "book": model("delta_update_in", declared),
                    "tick": model("full_update_in", declared, on_update=on_tick),
                }
            },
            init_function=lambda to_send, states, config: shown.append(states),
        )
        addresses = {
            "book": towards(leader.addresses),
            "tick": towards(ticks.addresses),
        }
        with running(module, addresses={"states": {"in": addresses}}, console_loglevel=None):
            states = shown[0]
            until(lambda: states["book"] == {"n": 0})
            ticks.send(n=0)
            assert entered.wait(PATIENCE_S)
            leader.send(n=1)
            until(lambda: states["book"] == {"n": 1})
            goes_on.set()
            assert seen.get(timeout=PATIENCE_S) == ({"n": 0}, {"n": 0}, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_no_handler_is_called_before_init_has_returned(kind: str) -> None:
    """Updates that come meanwhile are shown, and handed to the handler afterwards, in order."""
    declared = {"n": int}
    order: list[Any] = []
    done = threading.Event()
    with leading(model(f"{kind}_out", declared)) as leader:
        leader.send(n=0)

        def init_function(to_send: Any, states: Any, config: Any) -> None:
            until(lambda: states["book"] == {"n": 0})
            leader.send(n=1)
            until(lambda: states["book"] == {"n": 1})
            order.append("init")

        def on_update(args: Any) -> None:
            order.append(args["n"])
            if args["n"] == 2:
                done.set()

        module = module_of(
            "early",
            state_models={
                "in": {
                    "book": model(
                        f"{kind}_in",
                        declared,
                        on_update=on_update,
                        on_status=lambda status: order.append(str(status.phase)),
                    )
                },
                # something whose opening takes a while, before init
                "out": {"slow": model("full_update_out", declared, wait_after_creation_s=0.3)},
            },
            init_function=init_function,
        )
        addresses = {
            "in": {"book": towards(leader.addresses)},
            "out": {"slow": {"publisher": "127.0.0.1:0"}},
        }
        with running(module, addresses={"states": addresses}, console_loglevel=None):
            leader.send(n=2)
            assert done.wait(PATIENCE_S)
        assert order[0] == "init"
        assert [entry for entry in order if isinstance(entry, int)] == [0, 1, 2]


def test_a_handler_that_raises_is_counted_and_the_state_goes_on() -> None:
    def failing(args: Any, _states: Any) -> None:
        if args["n"] == 1:
            raise ValueError("no")

    with (
        leading(model("delta_update_out", {"n": int})) as leader,
        following(
            model("delta_update_in", {"n": int}), towards(leader.addresses), handler=failing
        ) as follower,
    ):
        follower.wait_for_phase(Phase.LIVE)
        for n in range(3):
            leader.send(n=n)
        assert follower.next_update().args == {"n": 0}
        assert follower.next_update().args == {"n": 2}
        assert follower.stats["failed"] == 1
        assert follower.stats["last_error"] == "ValueError: no"
        assert follower.stats["restarts"] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_an_in_state_needs_no_handler(kind: str) -> None:
    with (
        leading(model(f"{kind}_out", {"n": int})) as leader,
        following(
            model(f"{kind}_in", {"n": int}), towards(leader.addresses), has_handler=False
        ) as follower,
    ):
        leader.send(n=1)
        until(lambda: follower.value == {"n": 1})


def test_on_status_is_called_as_a_handler_with_what_it_wants() -> None:
    got: queue.Queue[Any] = queue.Queue()

    def on_status(status: Any, to_send: Any, states: Any, config: Any) -> None:
        got.put((status.phase, callable(to_send), states["book"] == {}, config))

    with leading(model("delta_update_out", {"n": int})) as leader:
        module = module_of(
            "phases",
            state_models={
                "in": {"book": model("delta_update_in", {"n": int}, on_status=on_status)}
            },
        )
        addresses = {"states": {"in": {"book": towards(leader.addresses)}}}
        with running(module, addresses=addresses, config={"a": 1}, console_loglevel=None):
            phase, can_send, was_empty, config = got.get(timeout=PATIENCE_S)
            assert (phase, can_send, was_empty) == ("LIVE", True, True)
            assert dict(config) == {"a": 1}


def test_stop_in_the_middle_of_updates_is_quick() -> None:
    ends = threading.Event()
    with leading(model("delta_update_out", {"n": int})) as leader:

        def publish() -> None:
            n = 0
            while not ends.is_set():
                leader.send(n=n)
                n += 1

        publishing = threading.Thread(target=publish)
        publishing.start()
        try:
            with following(model("delta_update_in", {"n": int}), towards(leader.addresses)) as f:
                f.next_update()
                begun = monotonic()
                f.service.stop_service()
                assert monotonic() - begun < 5.0
                assert f.service.failure is None
        finally:
            ends.set()
            publishing.join()


def test_each_empty_whole_value_of_optional_fields_is_an_update_of_its_own() -> None:
    class Marks(TypedDict, total=False):
        low: int

    with (
        leading(model("delta_update_out", {"state": Marks})) as leader,
        following(
            model("delta_update_in", {"state": Marks}), towards(leader.addresses)
        ) as follower,
    ):
        follower.wait_for_phase(Phase.LIVE)
        for content in ({"low": 1}, {}, {}):
            leader.send(state=content, is_snapshot=True)
            assert follower.next_update() == ({"state": content}, content)
        assert follower.status.resyncs == 0
