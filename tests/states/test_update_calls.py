"""Reading never waits for handlers: calls wait apart, and become one when too many do."""

from __future__ import annotations

import queue
import threading
from time import monotonic
from typing import Any

import pytest

from sf_actors.errors import DefinitionError
from sf_actors.replication.status import Phase
from sf_actors.states import update_calls
from sf_actors.testing import module_of, running
from tests.support.effort import effort
from tests.support.state_pair import leading, model, towards
from tests.support.waiting import PATIENCE_S, stalls, until

KINDS = ["delta_update", "full_update"]
N = {"n": int}

#: By how much less may wait than otherwise, and does.
SMALLER = effort(1, brief=20)


class Held:
    """A handler that waits in its first call; the updates of all its calls, in order."""

    def __init__(self) -> None:
        self.entered, self.goes_on = threading.Event(), threading.Event()
        self.calls: queue.Queue[Any] = queue.Queue()

    def __call__(self, args: Any, states: Any, update: Any) -> None:
        if not self.entered.is_set():
            self.entered.set()
            # longer than all that a test waits for meanwhile
            self.goes_on.wait(10 * PATIENCE_S)
        self.calls.put((args, dict(states["book"]), update))


@pytest.mark.parametrize("kind", KINDS)
def test_a_value_is_read_while_a_handler_is_stuck(kind: str) -> None:
    handler = Held()
    shown: list[Any] = []
    module = module_of(
        "slow",
        state_models={"in": {"book": model(f"{kind}_in", N, on_update=handler)}},
        init_function=lambda to_send, states, config: shown.append(states),
    )
    with leading(model(f"{kind}_out", N, heartbeat_s=0.1)) as leader:
        addresses = {"states": {"in": {"book": towards(leader.addresses)}}}
        with running(module, addresses=addresses, console_loglevel=None):
            leader.send(n=0)
            assert handler.entered.wait(PATIENCE_S)
            for n in range(1, 50):
                leader.send(n=n)
                until(lambda n=n: shown[0]["book"] == {"n": n})
                until(lambda: shown[0].status("book").phase is Phase.LIVE)
                assert shown[0].status("book").number == n
            handler.goes_on.set()
            calls = [handler.calls.get(timeout=PATIENCE_S) for _ in range(50)]
    assert [args["n"] for args, _, _ in calls] == list(range(50))
    assert all(args == value for args, value, _ in calls)


@pytest.mark.parametrize("kind", KINDS)
def test_more_calls_than_may_wait_become_one_with_the_whole_value(kind: str) -> None:
    handler = Held()
    shown: list[Any] = []
    module = module_of(
        "slow",
        state_models={
            "in": {"book": model(f"{kind}_in", N, on_update=handler, high_water_mark=10)}
        },
        init_function=lambda to_send, states, config: shown.append(states),
    )
    with leading(model(f"{kind}_out", N)) as leader:
        addresses = {"states": {"in": {"book": towards(leader.addresses)}}}
        with running(module, addresses=addresses, console_loglevel=None) as service:
            leader.send(n=0)
            assert handler.entered.wait(PATIENCE_S)
            for n in range(1, 15):
                leader.send(n=n)
                until(lambda n=n: shown[0]["book"] == {"n": n})
            assert service.stats()["states"]["in"]["book"]["queued"] == 4
            handler.goes_on.set()
            calls = [handler.calls.get(timeout=PATIENCE_S) for _ in range(5)]
            assert shown[0].status("book").conflated == 10
            assert service.stats()["states"]["in"]["book"]["conflated"] == 10
            assert handler.calls.empty()
    assert [args["n"] for args, _, _ in calls] == [0, 11, 12, 13, 14]
    assert [update.number for _, _, update in calls] == [0, 11, 12, 13, 14]
    assert calls[1][2].is_whole
    assert calls[1][0] == calls[1][1]


def test_a_call_for_many_deltas_has_the_keys_that_are_gone_no_more() -> None:
    handler = Held()
    table = {"prices": {str: int}}
    shown: list[Any] = []
    module = module_of(
        "slow",
        state_models={
            "in": {"book": model("delta_update_in", table, on_update=handler, high_water_mark=2)}
        },
        init_function=lambda to_send, states, config: shown.append(states),
    )
    with leading(model("delta_update_out", table)) as leader:
        addresses = {"states": {"in": {"book": towards(leader.addresses)}}}
        with running(module, addresses=addresses, console_loglevel=None):
            leader.send(prices={"a": 1, "b": 2})
            assert handler.entered.wait(PATIENCE_S)
            for change in ({"c": 3}, {"a": None}, {"d": 4}):
                leader.send(prices=change)
            until(lambda: shown[0].status("book").number == 3)
            handler.goes_on.set()
            first, (args, _, update) = (handler.calls.get(timeout=PATIENCE_S) for _ in range(2))
    assert (first[0], update.is_whole) == ({"prices": {"a": 1, "b": 2}}, True)
    assert args == {"prices": {"b": 2, "c": 3, "d": 4}}


@pytest.mark.parametrize(("fields", "conflated"), [({"n": str}, 0), ({"n": list}, 2)])
@pytest.mark.slow
def test_calls_that_may_hold_too_much_become_one_long_before_those_that_cannot(
    fields: Any, conflated: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = update_calls.MAX_WAITING_BYTES
    monkeypatch.setattr(update_calls, "MAX_WAITING_BYTES", most // SMALLER)
    handler = Held()
    shown: list[Any] = []
    module = module_of(
        "slow",
        state_models={"in": {"book": model("full_update_in", fields, on_update=handler)}},
        init_function=lambda to_send, states, config: shown.append(states),
    )
    size = 600_000 // SMALLER
    large: Any = [[]] * size if fields["n"] is list else "x" * size
    with leading(model("full_update_out", fields)) as leader:
        addresses = {"states": {"in": {"book": towards(leader.addresses)}}}
        with running(module, addresses=addresses, console_loglevel=None):
            leader.send(n=large[:1])
            assert handler.entered.wait(PATIENCE_S)
            for number in range(1, 4):
                leader.send(n=large[number:])
                until(lambda number=number: shown[0].status("book").number == number)
            until(lambda: shown[0].status("book").conflated == conflated)
            handler.goes_on.set()
            calls = [handler.calls.get(timeout=PATIENCE_S) for _ in range(4 - conflated)]
    assert [update.number for _, _, update in calls] == [0, *range(1 + conflated, 4)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [900, 90_000])
def test_calls_that_hold_too_many_bytes_become_one(
    kind: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(update_calls, "MAX_WAITING_BYTES", int(2.5 * size))
    handler = Held()
    text = {"n": str}
    in_model = model(f"{kind}_in", text, on_update=handler)
    module = module_of("slow", state_models={"in": {"book": in_model}})
    with leading(model(f"{kind}_out", text)) as leader:
        addresses = {"states": {"in": {"book": towards(leader.addresses)}}}
        with running(module, addresses=addresses, console_loglevel=None) as service:
            leader.send(n="")
            assert handler.entered.wait(PATIENCE_S)
            for number in range(1, 4):
                leader.send(n=f"{number}" * size)
            until(lambda: service.states.status("book").conflated == 2)
            handler.goes_on.set()
            calls = [handler.calls.get(timeout=PATIENCE_S) for _ in range(2)]
    assert [(update.number, args["n"][:1]) for args, _, update in calls] == [(0, ""), (3, "3")]


def test_updates_of_a_stop_that_wait_become_one_call() -> None:
    handler = Held()
    shown: list[Any] = []
    module = module_of(
        "slow",
        state_models={"in": {"book": model("delta_update_in", N, on_update=handler)}},
        init_function=lambda to_send, states, config: shown.append(states),
    )
    with leading(model("delta_update_out", N)) as leader:
        addresses = {"states": {"in": {"book": towards(leader.addresses)}}}
        with running(module, addresses=addresses, console_loglevel=None) as service:
            leader.send(n=0)
            assert handler.entered.wait(PATIENCE_S)
            for n in range(1, 6):
                leader.send(n=n)
            until(lambda: shown[0]["book"] == {"n": 5})
            stopping = threading.Thread(target=service.stop_service)
            stopping.start()
            until(lambda: service.stats()["states"]["in"]["book"]["queued"] == 1)
            handler.goes_on.set()
            stopping.join(PATIENCE_S)
            assert service.failure is None
    calls = [handler.calls.get_nowait() for _ in range(handler.calls.qsize())]
    assert [args["n"] for args, _, _ in calls] == [0, 5]
    assert calls[1][2].is_whole


def test_calls_of_others_come_between_those_of_a_busy_state() -> None:
    handler = Held()
    ticked: queue.Queue[int] = queue.Queue()
    module = module_of(
        "busy",
        state_models={
            "in": {
                "book": model("delta_update_in", N, on_update=handler),
                "tick": model(
                    "full_update_in", N, on_update=lambda args: ticked.put(handler.calls.qsize())
                ),
            }
        },
    )
    with (
        leading(model("delta_update_out", N)) as leader,
        leading(model("full_update_out", N)) as ticks,
    ):
        addresses = {"book": towards(leader.addresses), "tick": towards(ticks.addresses)}
        with running(
            module, addresses={"states": {"in": addresses}}, console_loglevel=None
        ) as service:
            leader.send(n=0)
            assert handler.entered.wait(PATIENCE_S)
            for n in range(1, 100):
                leader.send(n=n)
            until(lambda: service.stats()["states"]["in"]["book"]["queued"] == 99)
            ticks.send(n=0)
            until(lambda: service.stats()["states"]["in"]["tick"]["queued"] == 1)
            handler.goes_on.set()
            done = ticked.get(timeout=PATIENCE_S)
            until(lambda: handler.calls.qsize() == 100)
    assert done < 50


def test_a_snapshot_is_told_as_the_whole_value() -> None:
    with leading(model("delta_update_out", N)) as leader:
        leader.send(n=7)
        got: queue.Queue[Any] = queue.Queue()

        def on_update(args: Any, update: Any) -> None:
            got.put((args, update.number, update.is_whole, update.epoch))

        module = module_of(
            "late", state_models={"in": {"book": model("delta_update_in", N, on_update=on_update)}}
        )
        addresses = {"states": {"in": {"book": towards(leader.addresses)}}}
        with running(module, addresses=addresses, console_loglevel=None):
            args, number, is_whole, epoch = got.get(timeout=PATIENCE_S)
            leader.send(n=8)
            assert got.get(timeout=PATIENCE_S) == ({"n": 8}, 1, False, epoch)
    assert (args, number, is_whole) == ({"n": 7}, 0, True)
    assert isinstance(epoch, int)


def test_only_handlers_of_in_states_may_take_an_update() -> None:
    module = module_of("wrong", main=lambda to_send, update: None)
    with pytest.raises(DefinitionError, match="'update'"), running(module):
        pass


@pytest.mark.slow
def test_the_age_of_a_value_under_a_slow_handler_stays_that_of_its_reading() -> None:
    """200 updates a second, 25 ms for each: without reading apart the value falls behind."""
    oldest_s = 0.0
    sent_at: dict[int, float] = {}
    shown: list[Any] = []
    pause = threading.Event()
    module = module_of(
        "slow",
        state_models={
            "in": {
                "book": model(
                    "delta_update_in", N, on_update=lambda: pause.wait(0.025), high_water_mark=50
                )
            }
        },
        init_function=lambda to_send, states, config: shown.append(states),
    )
    with leading(model("delta_update_out", N)) as leader:
        addresses = {"states": {"in": {"book": towards(leader.addresses)}}}
        with running(module, addresses=addresses, console_loglevel=None), stalls() as stalled:
            leader.send(n=0)
            until(lambda: shown[0]["book"] == {"n": 0})
            for n in range(1, 400):
                sent_at[n] = monotonic()
                leader.send(n=n)
                pause.wait(0.005)
                seen = shown[0]["book"]["n"]
                if seen + 1 in sent_at:
                    oldest_s = max(oldest_s, monotonic() - sent_at[seen + 1])
    assert oldest_s < 1.0 + stalled.total_s
