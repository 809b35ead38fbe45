"""The router: queued calls run one by one in their order, or are cancelled, each exactly once."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors.counters import Counters
from sf_actors.testing import running
from sf_actors.user_code.call import Call
from tests.support.models import replyer, service
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sf_actors.actors.router import Router


class Noted(Call):
    """A call that tells what becomes of it."""

    def __init__(self, number: int, handler: Any, told: queue.Queue[Any]) -> None:
        super().__init__(handler, number, label="it", counters=Counters())
        self.told = told

    def complete(self, result: Any, error: BaseException | None) -> None:
        self.told.put((self.args, "done" if error is None else "failed"))

    def settle(self) -> None:
        self.told.put((self.args, "settled"))

    def cancel(self) -> None:
        self.told.put((self.args, "cancelled"))


class Hold:
    """A handler that waits until the test lets it go on."""

    def __init__(self) -> None:
        self.inside = threading.Event()
        self.may_go = threading.Event()

    def __call__(self, args: Any, *_offered: Any) -> None:
        self.inside.set()
        assert self.may_go.wait(PATIENCE_S)


def nothing(args: Any, *_offered: Any) -> None:
    """Do nothing."""


@pytest.fixture
def router(tmp_path: Path) -> Iterator[Router]:
    module = service("routed", {"it": replyer(lambda args: None)})
    addresses = {"connections": {"in": {"it": f"ipc://{tmp_path}/it"}}}
    with running(module, addresses=addresses) as served:
        yield served._run.state.router  # type: ignore[union-attr]


def held(router: Router, hold: Hold, told: queue.Queue[Any]) -> threading.Thread:
    """Take the handler lock in a thread of its own."""
    thread = threading.Thread(target=router._handler_lock.run_here, args=(Noted(-1, hold, told),))
    thread.start()
    assert hold.inside.wait(PATIENCE_S)
    return thread


def test_a_service_of_one_connection_has_a_thread_for_its_calls_once_one_waits(
    router: Router,
) -> None:
    assert router.thread is None
    told: queue.Queue[Any] = queue.Queue()
    hold = Hold()
    thread = held(router, hold, told)
    router.enqueue(Noted(0, nothing, told))
    hold.may_go.set()
    thread.join(PATIENCE_S)

    assert [told.get(timeout=PATIENCE_S) for _ in range(3)] == [
        (-1, "done"),
        (0, "done"),
        (0, "settled"),
    ]
    assert router.thread is not None
    assert router.thread.name == "routed/router"


def test_a_service_of_two_connections_has_a_thread_for_calls_that_wait_at_once(
    tmp_path: Path,
) -> None:
    module = service("routed", {"a": replyer(nothing), "b": replyer(nothing)})
    places = {name: f"ipc://{tmp_path}/{name}" for name in ("a", "b")}
    with running(module, addresses={"connections": {"in": places}}) as served:
        thread = served._run.state.router.thread  # type: ignore[union-attr]
        assert thread is not None
        assert thread.is_alive()


def test_a_marker_passes_at_once_where_nothing_has_ever_queued(router: Router) -> None:
    passed = threading.Event()

    router.call_after_queued(passed.set)

    assert passed.is_set()
    assert router.thread is None


def test_no_thread_begins_after_the_stop(router: Router) -> None:
    router.stop()
    router.begin()

    assert router.thread is None
    assert not router.actor_ref.is_alive()


def test_when_the_system_has_no_thread_for_it_a_call_runs_where_it_comes_from(
    router: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_thread(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    told: queue.Queue[Any] = queue.Queue()
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", no_thread)
        router.enqueue(Noted(0, nothing, told))
        assert [told.get_nowait() for _ in range(2)] == [(0, "done"), (0, "settled")]
    router.enqueue(Noted(1, nothing, told))

    assert [told.get(timeout=PATIENCE_S) for _ in range(2)] == [(1, "done"), (1, "settled")]
    assert router.thread is not None


def test_calls_that_wait_run_in_their_order(router: Router) -> None:
    told: queue.Queue[Any] = queue.Queue()
    hold = Hold()
    thread = held(router, hold, told)
    for number in range(100):
        router.enqueue(Noted(number, nothing, told))
    hold.may_go.set()
    thread.join(PATIENCE_S)

    assert told.get(timeout=PATIENCE_S) == (-1, "done")
    for number in range(100):
        assert told.get(timeout=PATIENCE_S) == (number, "done")
        assert told.get(timeout=PATIENCE_S) == (number, "settled")


def test_a_marker_passes_after_what_was_queued_before_it(router: Router) -> None:
    told: queue.Queue[Any] = queue.Queue()
    hold = Hold()
    thread = held(router, hold, told)
    router.enqueue(Noted(0, nothing, told))
    router.call_after_queued(lambda: told.put("marker"))
    router.enqueue(Noted(1, nothing, told))
    hold.may_go.set()
    thread.join(PATIENCE_S)

    came = [told.get(timeout=PATIENCE_S) for _ in range(6)]
    assert came.index((0, "settled")) < came.index("marker") < came.index((1, "done"))


def test_cancelling_reaches_every_call_that_waits_also_the_next_one(router: Router) -> None:
    told: queue.Queue[Any] = queue.Queue()
    hold = Hold()
    thread = held(router, hold, told)
    for number in range(3):
        router.enqueue(Noted(number, nothing, told))
    until(lambda: len(router.queue._messages) == 2, "the router waits with the first")

    assert router.cancel_queued() == 3
    hold.may_go.set()
    thread.join(PATIENCE_S)

    came = {told.get(timeout=PATIENCE_S) for _ in range(4)}
    assert came == {(-1, "done"), (0, "cancelled"), (1, "cancelled"), (2, "cancelled")}
    assert router._handler_lock.queued == 0


def test_what_comes_after_the_cancelling_is_cancelled_as_well(router: Router) -> None:
    told: queue.Queue[Any] = queue.Queue()
    router.cancel_queued()
    router.enqueue(Noted(5, nothing, told))

    assert told.get(timeout=PATIENCE_S) == (5, "cancelled")
    until(lambda: router._handler_lock.queued == 0, "an empty queue")


def test_a_fault_of_its_own_costs_one_call_and_is_counted(router: Router) -> None:
    told: queue.Queue[Any] = queue.Queue()

    class Broken(Noted):
        def complete(self, result: Any, error: BaseException | None) -> None:
            raise ZeroDivisionError

    router.enqueue(Broken(0, nothing, told))
    router.enqueue(Noted(1, nothing, told))

    assert told.get(timeout=PATIENCE_S) == (0, "settled")
    assert told.get(timeout=PATIENCE_S) == (1, "done")
    assert told.get(timeout=PATIENCE_S) == (1, "settled")
    assert router._run_context.supervisor._state.router_restarts == 1  # type: ignore[attr-defined]
    assert router.actor_ref.is_alive()
