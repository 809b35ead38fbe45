"""The calls that an actor brings: at once or queued, in their order, no more than may wait."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from sf_actors.actors.deliveries import MAX_WAITING_BYTES, Deliveries, ResumeReading
from sf_actors.counters import Counters
from sf_actors.user_code.call import Call
from sf_actors.user_code.handler_lock import HandlerLock

MOST = 4


class FakeRouter:
    """Keeps what queues until the test lets it run."""

    def __init__(self, handler_lock: HandlerLock) -> None:
        self.handler_lock = handler_lock
        self.calls: list[Call] = []

    def enqueue(self, call: Call) -> None:
        self.handler_lock.enqueue()
        self.calls.append(call)

    def run_next(self) -> None:
        call = self.calls.pop(0)
        self.handler_lock.run_queued(call, lambda: True)
        call.settle()


class FakeActor:
    """What deliveries know of an actor; reading is stopped and resumed by name."""

    label = "it"
    is_draining = False

    def __init__(self) -> None:
        self.handled: list[Any] = []
        self.changes: list[str] = []
        self.told: list[object] = []
        self.counters = Counters("queued")
        handler_lock = HandlerLock(
            offered=lambda pinned: (pinned,), on_error=lambda call, error: None
        )
        self.router = FakeRouter(handler_lock)
        self.run_context = SimpleNamespace(
            handler_lock=handler_lock, router=self.router, new_workflow_id=lambda: "new"
        )
        self.model = SimpleNamespace(creation={"high_water_mark": MOST})
        self.inbox = SimpleNamespace(
            pause=lambda source: self.changes.append("pause"),
            resume=lambda source: self.changes.append("resume"),
        )

    def handler(self, args: Any, _pinned: object) -> None:
        self.handled.append(args)

    def tell(self, message: object) -> bool:
        self.told.append(message)
        return True


@pytest.fixture
def actor() -> FakeActor:
    return FakeActor()


def deliveries_of(actor: FakeActor, *, is_ready: bool = True) -> Deliveries:
    source: Any = object()
    return Deliveries(actor, source, is_ready=is_ready)  # type: ignore[arg-type]


def queue(deliveries: Deliveries, actor: FakeActor, count: int) -> None:
    """Bring calls while another has the handler lock."""
    handler_lock = actor.run_context.handler_lock
    assert handler_lock.acquire(blocking=False)
    for number in range(count):
        deliveries.deliver(actor.handler, number, "w")
    handler_lock.release()


def test_a_call_runs_at_once_when_none_runs_and_none_waits(actor: FakeActor) -> None:
    deliveries_of(actor).deliver(actor.handler, 5, "w")

    assert actor.handled == [5]
    assert actor.run_context.handler_lock.acquire(blocking=False)


def test_a_call_queues_while_another_has_the_turn(actor: FakeActor) -> None:
    deliveries = deliveries_of(actor)
    queue(deliveries, actor, 2)

    assert (actor.handled, len(deliveries.backlog)) == ([], 2)
    actor.router.run_next()
    actor.router.run_next()
    assert (actor.handled, len(deliveries.backlog)) == ([0, 1], 0)


def test_the_turn_is_kept_for_the_next_call_until_it_is_let_go(actor: FakeActor) -> None:
    deliveries = deliveries_of(actor)
    deliveries.keeps_handler_lock = True
    deliveries.deliver(actor.handler, 1, "w")
    assert not actor.run_context.handler_lock.acquire(blocking=False)
    deliveries.deliver(actor.handler, 2, "w")
    deliveries.let_go()

    assert actor.handled == [1, 2]
    assert actor.run_context.handler_lock.acquire(blocking=False)


def test_a_kept_turn_is_let_go_for_what_has_queued_meanwhile(actor: FakeActor) -> None:
    deliveries = deliveries_of(actor)
    deliveries.keeps_handler_lock = True
    deliveries.deliver(actor.handler, 1, "w")
    other = Call(actor.handler, "other", label="other", counters=Counters())
    actor.router.enqueue(other)
    deliveries.deliver(actor.handler, 2, "w")
    actor.router.run_next()
    actor.router.run_next()

    assert actor.handled == [1, "other", 2]


def test_nothing_of_a_call_is_kept_when_it_has_run(actor: FakeActor) -> None:
    deliveries = deliveries_of(actor)
    deliveries.deliver(actor.handler, "args", "w", {"state": "value"})

    assert (deliveries._delivery.args, deliveries._delivery.pinned) == (None, None)


def test_calls_before_the_begin_are_kept_and_then_handled_in_their_order(actor: FakeActor) -> None:
    deliveries = deliveries_of(actor, is_ready=False)
    deliveries.deliver(actor.handler, 1, "w")
    deliveries.deliver(actor.handler, 2, "w")
    assert (actor.handled, actor.router.calls, len(deliveries.backlog)) == ([], [], 2)
    deliveries.begin()
    deliveries.deliver(actor.handler, 3, "w")
    for _ in range(3):
        actor.router.run_next()

    assert actor.handled == [1, 2, 3]


def test_reading_pauses_while_too_many_wait_and_goes_on_when_half_of_them_are_over(
    actor: FakeActor,
) -> None:
    deliveries = deliveries_of(actor)
    queue(deliveries, actor, MOST - 1)
    assert actor.changes == []
    deliveries.deliver(actor.handler, MOST, "w")
    assert actor.changes == ["pause"]
    actor.router.run_next()
    assert actor.told == []
    actor.router.run_next()
    actor.router.run_next()
    (message,) = actor.told
    assert isinstance(message, ResumeReading)
    deliveries.resume()

    assert actor.changes == ["pause", "resume"]


def test_reading_pauses_while_two_large_messages_wait_and_goes_on_when_one_is_over(
    actor: FakeActor,
) -> None:
    deliveries = deliveries_of(actor)
    handler_lock = actor.run_context.handler_lock
    assert handler_lock.acquire(blocking=False)
    deliveries.deliver(actor.handler, 1, "w", size=2 * MAX_WAITING_BYTES)
    assert actor.changes == []
    deliveries.deliver(actor.handler, 2, "w", size=1)
    assert actor.changes == ["pause"]
    assert actor.told == []
    handler_lock.release()
    actor.router.run_next()
    (message,) = actor.told
    assert isinstance(message, ResumeReading)
    actor.router.run_next()

    assert deliveries.backlog.size == 0


def test_nothing_is_read_on_when_the_actor_drains(actor: FakeActor) -> None:
    deliveries = deliveries_of(actor)
    actor.is_draining = True
    deliveries.resume()

    assert actor.changes == []


def test_what_begins_here_gets_a_workflow_id(actor: FakeActor) -> None:
    deliveries = deliveries_of(actor)
    with_turn = actor.run_context.handler_lock
    assert with_turn.acquire(blocking=False)
    deliveries.deliver(actor.handler, 1, None)

    assert [call.workflow_id for call in actor.router.calls] == ["new"]
