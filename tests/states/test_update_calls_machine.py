"""Slow handlers in any rhythm: whatever is conflated, what they build is the state."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from sf_actors.counters import Counters
from sf_actors.replication.values.frozen import freeze
from sf_actors.states import update_calls
from sf_actors.states.update_calls import UpdateCall, UpdateCalls
from sf_actors.user_code.update import Update
from tests.replication.shapes import patches, plain_merge, wholes
from tests.support.effort import effort
from tests.support.hunting import hunt

pytestmark = pytest.mark.slow

MOST = 4
MOST_BYTES = 100

PROFILE = settings(
    max_examples=effort(200, brief=40),
    stateful_step_count=50,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


class FakeLock:
    """Counts what queues, as the handler lock does."""

    def __init__(self) -> None:
        self.queued = 0

    def enqueue(self) -> None:
        self.queued += 1

    def dequeue(self) -> None:
        self.queued -= 1


def fake_actor() -> Any:
    return SimpleNamespace(
        label="it",
        counters=Counters("queued"),
        run_context=SimpleNamespace(
            handler_lock=FakeLock(), router=SimpleNamespace(enqueue_source=lambda source: None)
        ),
        model=SimpleNamespace(
            creation={"high_water_mark": MOST}, arguments=SimpleNamespace(has_many_values=False)
        ),
    )


class SlowHandler(RuleBasedStateMachine):
    """Updates come, and the handler is called for them when it pleases.

    It builds its own index from `args` alone.
    """

    calls_type: type[UpdateCalls] = UpdateCalls

    def __init__(self) -> None:
        super().__init__()
        self.actor = fake_actor()
        self.calls = self.calls_type(self.actor)
        self.calls._most_bytes = MOST_BYTES
        self.value: dict[str, Any] = {}
        self.number = -1
        self.statuses = 0
        self.handled = 0
        self.index: dict[str, Any] = {}
        self.seen_number = -1
        self.seen_statuses: list[int] = []

    def come(self, fields: dict[str, Any], size: int, *, is_whole: bool) -> None:
        self.number += 1
        self.value = fields if is_whole else plain_merge(self.value, fields)
        whole = freeze(self.value)
        self.calls.add(
            UpdateCall(
                self.calls,
                self.handle,
                dict(fields),
                workflow_id=self.number,
                pinned={"it": self.value},
                whole=whole,
                update=Update(self.number, 1, is_whole),
                size=size,
            )
        )
        self.check_bounds()

    @rule(fields=patches, size=st.sampled_from((1, 1, 1, 40, 200)))
    def a_delta_comes(self, fields: dict[str, Any], size: int) -> None:
        self.come(fields, size, is_whole=False)

    @rule(fields=wholes)
    def a_whole_value_comes(self, fields: dict[str, Any]) -> None:
        self.come(fields, 1, is_whole=True)

    @rule()
    def the_phase_changes(self) -> None:
        self.statuses += 1
        self.calls.add(
            UpdateCall(self.calls, self.take_status, self.statuses, workflow_id=self.number)
        )
        self.check_bounds()

    @rule(count=st.integers(1, 3))
    def the_handler_is_called(self, count: int) -> None:
        for _ in range(count):
            self.call_next()

    @precondition(lambda self: self.number >= 0)
    @rule()
    def all_is_handled(self) -> None:
        while self.call_next():
            pass
        assert self.index == self.value
        assert self.seen_number == self.number
        assert self.handled + self.actor.counters.conflated == self.number + 1
        assert self.actor.run_context.handler_lock.queued == 0

    def teardown(self) -> None:
        self.calls.drain()
        assert sum(call.whole is not None for call in self.calls._waiting) <= 1
        if self.number >= 0:
            self.all_is_handled()

    def call_next(self) -> bool:
        call = self.calls.next_call()
        if call is None:
            return False
        self.actor.run_context.handler_lock.dequeue()
        self.pinned = call.pinned
        call.handler(call.args)
        return True

    def handle(self, args: dict[str, Any], update: Update) -> None:
        assert update.number > self.seen_number
        if not update.is_whole:
            assert update.number == self.seen_number + 1
        self.index = args if update.is_whole else plain_merge(self.index, args)
        assert self.pinned is not None
        assert self.index == self.pinned["it"]
        self.seen_number = update.number
        self.handled += 1

    def take_status(self, status: int) -> None:
        assert status > max(self.seen_statuses, default=0)
        self.seen_statuses.append(status)

    def check_bounds(self) -> None:
        waiting = self.calls._waiting
        updates = sum(call.whole is not None for call in waiting)
        assert updates <= MOST
        assert len(waiting) - updates <= MOST + 1
        # a single one may be as large as a message
        assert updates == 1 or sum(call.size for call in waiting) <= MOST_BYTES
        assert self.actor.run_context.handler_lock.queued == len(waiting)


def test_whatever_is_conflated_the_handler_can_build_the_value_from_its_calls() -> None:
    run_state_machine_as_test(SlowHandler, settings=PROFILE)


class NeverConflates(UpdateCalls):
    """Lets any number of calls wait."""

    def _conflate(self) -> None:
        pass


class DropsTheOldest(UpdateCalls):
    """Makes room by the oldest, and the last call stays a delta."""

    def _conflate(self) -> None:
        while len(self._waiting) > MOST or self._bytes > MOST_BYTES:
            dropped = self._waiting.popleft()
            self._bytes -= dropped.size
            self.counters.conflated += 1
            self._handler_lock.dequeue()


class ForgetsWhatItDropped(UpdateCalls):
    """Counts nothing of what is conflated."""

    def _conflate(self) -> None:
        before = self.counters.conflated
        super()._conflate()
        self.counters.conflated = before


class SaysNothingOfTheWhole(UpdateCall):
    """Gives the whole value without saying that it is one."""

    def become_whole(self) -> None:
        update = self.update
        super().become_whole()
        self.update = update


@pytest.mark.parametrize("broken", [NeverConflates, DropsTheOldest, ForgetsWhatItDropped])
def test_calls_with_one_rule_broken_are_found_out(broken: type[UpdateCalls]) -> None:
    class Broken(SlowHandler):
        calls_type = broken

    with pytest.raises(AssertionError):
        hunt(Broken, PROFILE, examples=200)


def test_a_whole_value_that_does_not_say_so_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "UpdateCall", SaysNothingOfTheWhole)
    assert update_calls.UpdateCall is not SaysNothingOfTheWhole
    with pytest.raises(AssertionError):
        hunt(SlowHandler, PROFILE, examples=200)
