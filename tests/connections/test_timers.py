"""Timers of running services: their calls, beside everything else a service does."""

from __future__ import annotations

import queue
import threading
from itertools import pairwise
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors import DefinitionError, ModelError, Refused, counterpart
from sf_actors.connections.timer import CallEnded
from sf_actors.log import WORKFLOW_ID
from sf_actors.testing import module_of, running
from tests.log.lines import read
from tests.support.models import ANY_PORT, address_of, at, counters, into, replyer, service
from tests.support.services import ask
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: An interval in seconds that tests can wait for many times.
SHORT_S = 0.01


def timer(handler: Callable[..., Any], every_s: float = SHORT_S, **creation: Any) -> dict[str, Any]:
    return {
        "connection_type": "timer",
        "required_creation_arguments": {"on_time": handler, "every_s": every_s},
        "optional_creation_arguments": creation,
    }


def ticking(handler: Callable[..., Any], every_s: float = SHORT_S, **options: Any) -> Any:
    creation = options.pop("creation", {})
    one = service("ticking", {"it": timer(handler, every_s, **creation)})
    return running(one, **{"console_loglevel": None, **options})


def test_it_is_called_at_its_rate_and_never_before_its_time() -> None:
    times: queue.Queue[float] = queue.Queue()
    before = monotonic()
    with ticking(lambda: times.put(monotonic()), 0.02) as svc:
        called = [times.get(timeout=PATIENCE_S) - before for _ in range(10)]
        until(lambda: counters(svc, "it")["handled"] >= 10, "the counts")
        numbers = counters(svc, "it")

    assert all(at >= (k + 1) * 0.02 for k, at in enumerate(called))
    assert numbers["handler_s"]["count"] >= 10
    assert numbers["failed"] == numbers["refused"] == 0


def test_its_args_say_that_nothing_was_left_out() -> None:
    got: queue.Queue[Any] = queue.Queue()
    with ticking(into(got), PATIENCE_S, creation={"at_start": True}):
        assert got.get(timeout=PATIENCE_S) == {"missed": 0}


def test_with_at_start_the_first_call_comes_at_once() -> None:
    got: queue.Queue[Any] = queue.Queue()
    with ticking(into(got), 3600, creation={"at_start": True}):
        assert got.get(timeout=PATIENCE_S) == {"missed": 0}


def test_it_is_not_called_before_init_function_has_returned() -> None:
    order: queue.Queue[str] = queue.Queue()

    def init_function() -> None:
        threading.Event().wait(5 * SHORT_S)
        order.put("init")

    models = {"it": timer(lambda: order.put("called"), at_start=True)}
    with running(service("one", models, init_function=init_function)):
        assert [order.get(timeout=PATIENCE_S) for _ in range(2)] == ["init", "called"]


def test_calls_that_a_slow_one_keeps_out_are_told_to_the_next() -> None:
    missed: queue.Queue[int] = queue.Queue()
    may_end = threading.Event()

    def on_time(args: dict[str, int]) -> None:
        missed.put(args["missed"])
        assert may_end.wait(PATIENCE_S)

    with ticking(on_time, creation={"at_start": True}) as svc:
        assert missed.get(timeout=PATIENCE_S) == 0
        threading.Event().wait(10 * SHORT_S)
        may_end.set()
        told = missed.get(timeout=PATIENCE_S)
        assert told >= 9
        until(lambda: counters(svc, "it")["missed"] >= told, "the count")


def test_a_handler_that_fails_or_refuses_is_called_again() -> None:
    calls: queue.Queue[int] = queue.Queue()
    errors = [ValueError("no"), Refused("not now")]

    def on_time() -> None:
        calls.put(1)
        if errors:
            raise errors.pop(0)

    with ticking(on_time) as svc:
        for _ in range(3):
            calls.get(timeout=PATIENCE_S)
        until(lambda: counters(svc, "it")["handled"] >= 1, "the third")
        numbers = counters(svc, "it")

    assert (numbers["failed"], numbers["refused"]) == (1, 1)
    assert numbers["last_error"] == "ValueError: no"
    assert svc.failure is None


def test_all_timers_of_a_service_share_one_thread() -> None:
    got: queue.Queue[Any] = queue.Queue()
    models = {f"t{n}": timer(lambda n=n: got.put(n), at_start=True) for n in range(20)}
    before = set(threading.enumerate())
    with running(service("many", models), console_loglevel=None):
        called = {got.get(timeout=PATIENCE_S) for _ in range(60)}
        names = {thread.name for thread in set(threading.enumerate()) - before}

    assert called == set(range(20))
    assert {"many/timers", "many/router"} <= names
    assert not [name for name in names if name.startswith("many/connections")]


def test_no_timer_runs_beside_another_handler() -> None:
    inside = threading.Lock()
    together: list[str] = []

    def alone() -> dict[str, Any]:
        if not inside.acquire(blocking=False):
            together.append("together")
        else:
            threading.Event().wait(0.0005)
            inside.release()
        return {}

    models = {
        "fast": timer(alone, 0.001),
        "slow": timer(alone, 0.003),
        "echo": replyer(alone, {"n": int}),
    }
    with running(service("one", models), addresses=at({"echo": ANY_PORT})) as svc:
        for n in range(20):
            ask(address_of(svc), n)
        until(lambda: counters(svc, "slow")["handled"] >= 10, "the timers")

    assert not together


def test_main_mode_allows_timers() -> None:
    called = threading.Event()

    def main() -> None:
        assert called.wait(PATIENCE_S)

    with running(service("one", {"it": timer(called.set)}, main=main), as_main=True) as svc:
        assert svc.wait(PATIENCE_S)
    assert svc.failure is None


def test_main_mode_still_refuses_what_is_inbound_beside_a_timer() -> None:
    models = {"it": timer(print), "echo": replyer(print)}
    with (
        pytest.raises(DefinitionError, match="got connection 'echo';"),
        running(service("one", models, main=print), as_main=True, addresses=at({"echo": ANY_PORT})),
    ):
        pass


def test_a_service_of_a_timer_alone_needs_no_addresses_and_can_be_run_again() -> None:
    got: queue.Queue[Any] = queue.Queue()
    with ticking(into(got)) as svc:
        got.get(timeout=PATIENCE_S)
    while not got.empty():
        got.get()
    with svc:
        assert got.get(timeout=PATIENCE_S)


def test_the_stop_waits_for_the_call_that_runs_and_makes_no_other() -> None:
    began, may_end = threading.Event(), threading.Event()
    calls = []

    def on_time() -> None:
        calls.append(1)
        began.set()
        assert may_end.wait(PATIENCE_S)

    with ticking(on_time) as svc:
        assert began.wait(PATIENCE_S)
        stop = threading.Thread(target=svc.stop_service)
        stop.start()
        timers: Any = svc._run.state.timers  # type: ignore[union-attr]
        until(lambda: not timers._has_begun, "the stop")
        may_end.set()
        stop.join(PATIENCE_S)

    assert svc.failure is None
    assert len(calls) == 1
    numbers = counters(svc, "it")
    assert (numbers["handled"], numbers["queued"], numbers["dropped"]) == (1, 0, {})


def test_a_call_that_waits_behind_one_that_does_not_end_is_dropped_by_the_stop() -> None:
    began, may_end = threading.Event(), threading.Event()

    def stubborn() -> None:
        began.set()
        while not may_end.is_set():
            try:
                may_end.wait(PATIENCE_S)
            except BaseException:  # noqa: BLE001 - it will not be interrupted
                continue

    models = {
        "stubborn": timer(stubborn, at_start=True),
        "other": timer(lambda: None, at_start=True),
    }
    with running(service("one", models), stop_timeout_s=0.4, console_loglevel=None) as svc:
        assert began.wait(PATIENCE_S)
        until(lambda: counters(svc, "other")["queued"] == 1, "a call that waits")
        svc.stop_service()
        numbers = counters(svc, "other")
        may_end.set()

    assert numbers["dropped"] == {"stopped": 1}
    assert "stubborn" in str(svc.failure)


def test_the_least_time_between_calls_holds_for_timers_too() -> None:
    times: queue.Queue[float] = queue.Queue()
    models = {
        name: timer(lambda: times.put(monotonic()), 0.001, at_start=True) for name in ("a", "b")
    }
    with running(service("one", models), service_loop_min_wait_time_s=0.02, console_loglevel=None):
        called = [times.get(timeout=PATIENCE_S) for _ in range(6)]

    assert all(later - earlier >= 0.019 for earlier, later in pairwise(called))


def test_each_call_has_a_workflow_id_of_its_own() -> None:
    ids: queue.Queue[Any] = queue.Queue()
    with ticking(lambda: ids.put(WORKFLOW_ID.get())):
        first, second = (ids.get(timeout=PATIENCE_S) for _ in range(2))

    assert isinstance(first, str)
    assert first != second


def test_a_fault_of_the_actor_costs_no_timer_its_grid(tmp_path: Path) -> None:
    got: queue.Queue[Any] = queue.Queue()
    log = tmp_path / "svc.log"
    with ticking(into(got), log_path=log) as svc:
        got.get(timeout=PATIENCE_S)
        actor = svc._run.state.timers  # type: ignore[union-attr]
        # a message that makes it fail
        actor.tell(CallEnded(None))  # type: ignore[arg-type,union-attr]
        until(lambda: svc._run.state.timers is not actor, "a successor")  # type: ignore[union-attr]
        while not got.empty():
            got.get()
        assert got.get(timeout=PATIENCE_S)

    assert [line["actor"] for line in read(log) if line["event"] == "actor died"] == ["timers"]
    assert svc.failure is None


# what is an error


@pytest.mark.parametrize("every_s", [0, -1, float("inf"), float("nan"), True, "1", None])
def test_an_interval_is_a_finite_number_above_0(every_s: Any) -> None:
    with (
        pytest.raises(ModelError, match=r"\['every_s'\]: expected seconds from 0 .* but above 0"),
        ticking(print, every_s),
    ):
        pass


def test_an_interval_is_required() -> None:
    model = {"connection_type": "timer", "required_creation_arguments": {"on_time": print}}
    with (
        pytest.raises(ModelError, match="creation argument 'every_s' is missing"),
        running(service("one", {"it": model})),
    ):
        pass


def test_a_handler_is_required() -> None:
    model = {"connection_type": "timer", "required_creation_arguments": {"every_s": 1}}
    with (
        pytest.raises(ModelError, match="a timer needs a handler"),
        running(service("one", {"it": model})),
    ):
        pass


@pytest.mark.parametrize(
    "fields",
    [
        {"required_arguments": {"n": int}},
        {"optional_connection_arguments": {"n": int}},
        {"required_return_arguments": {"n": int}},
    ],
)
def test_fields_of_its_own_are_an_error(fields: dict[str, Any]) -> None:
    with (
        pytest.raises(ModelError, match=r"expected a timer without fields of its own, .* got 'n'"),
        running(service("one", {"it": {**timer(print), **fields}})),
    ):
        pass


def test_what_needs_a_socket_is_no_creation_argument_of_a_timer() -> None:
    with (
        pytest.raises(ModelError, match="a timer has no creation argument 'topic'"),
        ticking(print, creation={"topic": "x"}),
    ):
        pass


def test_a_timer_stands_among_the_inbound_connections() -> None:
    with (
        pytest.raises(ModelError, match="belongs in connection_models"),
        running(module_of(connection_models={"out": {"it": timer(print)}})),
    ):
        pass


def test_a_timer_has_no_other_side() -> None:
    with pytest.raises(ModelError, match="'timer' has no other side"):
        counterpart(timer(print))


def test_a_timer_cannot_be_connected_elsewhere() -> None:
    with ticking(print, 3600) as svc, pytest.raises(Exception, match="does not connect"):
        svc.connect("connections", "in", "it", ANY_PORT)
