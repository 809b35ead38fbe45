"""The handler lock: one call at a time, none overtakes another."""

from __future__ import annotations

import gc
import threading
import weakref
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any

from sf_actors.counters import Counters
from sf_actors.log import WORKFLOW_ID
from sf_actors.user_code.call import Call
from sf_actors.user_code.handler_lock import HandlerLock
from sf_actors.user_code.interruptible import LeftBehind, UserCode
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    import pytest


class Noted(Call):
    """A call that keeps what it came to."""

    result: Any = None
    error: BaseException | None = None

    def complete(self, result: Any, error: BaseException | None) -> None:
        self.result, self.error = result, error


def call(handler: Any, workflow_id: object = None) -> Noted:
    return Noted(handler, {}, label="it", counters=Counters(), workflow_id=workflow_id)


def handler_lock(**options: Any) -> tuple[HandlerLock, list[BaseException]]:
    errors: list[BaseException] = []

    def note(_call: Call, error: BaseException) -> None:
        errors.append(error)

    return HandlerLock(offered=lambda pinned: (pinned,), on_error=note, **options), errors


def try_run(ours: HandlerLock, call: Call) -> bool:
    """Run a call as who brings it does: at once, if none runs and none waits."""
    if ours.queued or not ours.acquire(blocking=False):
        return False
    try:
        ours.run(call)
    finally:
        ours.release()
    return True


def always() -> bool:
    return True


def test_the_call_that_was_given_up_is_told_although_another_has_the_turn_by_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[Call] = []

    class Told(Noted):
        def leave_behind(self) -> None:
            told.append(self)

    ours, _ = handler_lock()
    entered, may_return = threading.Event(), threading.Event()

    def stuck(_args: Any, _pinned: Any) -> None:
        entered.set()
        may_return.wait(PATIENCE_S)

    given_up, other = (
        Told(handler, {}, label="it", counters=Counters())
        for handler in (stuck, lambda args, pinned: None)
    )

    def run_until_left_behind() -> None:
        with suppress(LeftBehind):
            try_run(ours, given_up)

    thread = threading.Thread(target=run_until_left_behind)
    leave_behind = UserCode.leave_behind

    def and_then_another_runs(code: UserCode, is_meant: Any) -> int | None:
        thread_id = leave_behind(code, is_meant)
        may_return.set()
        thread.join(PATIENCE_S)
        with suppress(LeftBehind):
            ours.run_here(other)
        return thread_id

    monkeypatch.setattr(UserCode, "leave_behind", and_then_another_runs)
    thread.start()
    assert entered.wait(PATIENCE_S)
    assert ours.leave_behind() is not None
    assert told == [given_up]


def test_a_call_runs_at_once_when_none_runs_and_none_waits() -> None:
    ours, _ = handler_lock()
    noted = call(lambda args, pinned: 5)

    assert try_run(ours, noted)
    assert noted.result == 5
    assert (ours.handled, ours.failed) == (1, 0)


def test_a_call_does_not_run_within_another() -> None:
    ours, _ = handler_lock()
    inner = call(lambda args, pinned: None)
    outer = call(lambda args, pinned: try_run(ours, inner))

    try_run(ours, outer)

    assert outer.result is False


def test_a_call_does_not_overtake_one_that_waits() -> None:
    ours, _ = handler_lock()
    ours.enqueue()

    assert not try_run(ours, call(lambda args, pinned: None))
    ours.run_queued(call(lambda args, pinned: None), always)
    assert try_run(ours, call(lambda args, pinned: None))


def test_a_queued_call_that_was_cancelled_does_not_run() -> None:
    ours, _ = handler_lock()
    noted = call(lambda args, pinned: 5)
    ours.run_queued(noted, lambda: False)

    assert noted.result is None
    assert ours.handled == 0


def test_what_a_handler_raises_is_told_and_the_turn_goes_on() -> None:
    ours, errors = handler_lock()
    noted = call(lambda args, pinned: 1 / 0)

    assert try_run(ours, noted)

    assert isinstance(noted.error, ZeroDivisionError)
    assert errors == [noted.error]
    assert (ours.handled, ours.failed, noted.counters.failed) == (0, 1, 1)
    assert try_run(ours, call(lambda args, pinned: None))


def test_the_workflow_id_is_there_during_the_call_and_gone_afterwards() -> None:
    ours, _ = handler_lock()
    noted = call(lambda args, pinned: WORKFLOW_ID.get(), workflow_id="w")
    try_run(ours, noted)

    assert noted.result == "w"
    assert WORKFLOW_ID.get() is None


def test_a_handler_that_starts_another_service_keeps_its_workflow_id() -> None:
    """The other one's `init_function` runs in the same thread."""
    ours, others = handler_lock()[0], handler_lock()[0]
    init = call(lambda args, pinned: WORKFLOW_ID.get())

    def handler(_args: Any, _pinned: Any) -> object:
        others.run_here(init)
        return WORKFLOW_ID.get()

    noted = call(handler, workflow_id="w")
    try_run(ours, noted)

    assert (init.result, noted.result) == (None, "w")


def test_calls_keep_their_least_pause() -> None:
    ours, _ = handler_lock(least_pause_s=0.05)
    started = monotonic()
    for _ in range(3):
        try_run(ours, call(lambda args, pinned: None))

    assert monotonic() - started >= 0.1


def test_a_stop_ends_the_pause() -> None:
    ours, _ = handler_lock(least_pause_s=60)
    try_run(ours, call(lambda args, pinned: None))
    ours.hurry()
    started = monotonic()
    try_run(ours, call(lambda args, pinned: None))

    assert monotonic() - started < PATIENCE_S


def test_to_wait_for_the_turn_ends_at_the_deadline() -> None:
    ours, _ = handler_lock()
    inside, may_go = threading.Event(), threading.Event()

    def hold(args: Any, pinned: Any) -> None:
        inside.set()
        may_go.wait(PATIENCE_S)

    thread = threading.Thread(target=try_run, args=(ours, call(hold)))
    thread.start()
    assert inside.wait(PATIENCE_S)

    assert not ours.run_here(call(lambda args, pinned: None), timeout_s=0.02)
    assert not ours.wait_until_free(0.02)
    may_go.set()
    assert ours.wait_until_free(PATIENCE_S)
    thread.join(PATIENCE_S)


def test_what_a_handler_raised_is_gone_without_a_garbage_collection() -> None:
    class Mine(Exception):
        pass

    raised: list[weakref.ref[Mine]] = []

    def handler(*_offered: object) -> None:
        error = Mine()
        raised.append(weakref.ref(error))
        try:
            raise error
        finally:
            del error

    ours = HandlerLock(offered=lambda pinned: (), on_error=lambda call, error: None)
    gc.disable()
    try:
        assert try_run(ours, Call(handler, None, label="it", counters=Counters()))
        assert [one() for one in raised] == [None]
    finally:
        gc.enable()
