"""Interrupts: whatever they hit in user code, inside `to_send` they wait until it returns."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, Any, cast

import pytest

from sf_actors import ServiceStopped
from sf_actors.connections.external_target import ExternalTarget
from sf_actors.counters import Counters
from sf_actors.schema.schema import Schema
from sf_actors.sync.closing import Closing
from sf_actors.user_code.interrupt_guard import InterruptGuard
from sf_actors.user_code.interruptible import LeftBehind, UserCode
from sf_actors.user_code.to_send import SendPermit, ToSend
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from sf_actors.actors.run_context import RunContext
    from sf_actors.definition.models import Model


INTERRUPTS = 200


class FakeRunContext:
    name = "fake"

    def __init__(self) -> None:
        self.interrupt_guard = InterruptGuard()
        self.closing = Closing()

    def new_workflow_id(self) -> str:
        return "w"


class Counted:
    """What every outbound connection has."""

    counters = Counters()


class Critical(Counted):
    """An outbound connection that must be left by the way that it was entered."""

    def __init__(self) -> None:
        self.entered = self.left = 0

    def send(self, args: Any, workflow_id: object) -> None:
        self.entered += 1
        for _ in range(5):
            abs(-1)  # each call is a place where an exception could be raised
        self.left += 1


class Waiting(Counted):
    """An outbound connection that waits until the test lets it go on."""

    def __init__(self) -> None:
        self.entered, self.may_go = threading.Event(), threading.Event()

    def send(self, args: Any, workflow_id: object) -> None:
        self.entered.set()
        for _ in range(100):
            abs(-1)
        assert self.may_go.wait(PATIENCE_S)
        for _ in range(100):
            abs(-1)


class Sending:
    """User code in a thread of its own, with a `to_send` to one outbound connection."""

    def __init__(self, outbound: Any, user_code: Callable[[Callable[[], Any]], Any]) -> None:
        run_context = FakeRunContext()
        self.interrupt_guard = run_context.interrupt_guard
        self.code = UserCode(run_context.interrupt_guard)
        to_send = ToSend(
            "test",
            {("connection", "it"): outbound},
            SendPermit(),
            interrupt_guard=run_context.interrupt_guard,
            new_workflow_id=run_context.new_workflow_id,
        )
        self.outcome: list[tuple[Any, BaseException | None] | BaseException] = []
        self._function = lambda: user_code(lambda: to_send("it", {}))
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.outcome.append(self.code.run("user code", self._function))
        except BaseException as error:  # noqa: BLE001 - told in the test's own thread
            self.outcome.append(error)

    def is_over(self, timeout_s: float = PATIENCE_S) -> bool:
        self._thread.join(timeout_s)
        return not self._thread.is_alive()


def test_an_interrupt_during_a_send_arrives_when_the_send_is_over() -> None:
    outbound = Waiting()
    sending = Sending(outbound, lambda send: send())
    assert outbound.entered.wait(PATIENCE_S)
    assert sending.code.interrupt() == "user code"
    outbound.may_go.set()
    assert sending.is_over()
    [(result, error)] = sending.outcome  # type: ignore[misc]
    assert result is None
    assert isinstance(error, ServiceStopped)
    assert not sending.interrupt_guard.has_pending


def test_user_code_that_swallows_the_interrupt_goes_on_and_is_interrupted_again() -> None:
    first, second = Waiting(), Waiting()
    outbounds = [first, second]

    class Both(Counted):
        def send(self, args: Any, workflow_id: object) -> None:
            outbounds.pop(0).send(args, workflow_id)

    caught: list[BaseException] = []

    def user_code(send: Callable[[], Any]) -> None:
        for _ in range(2):
            try:
                send()
            except ServiceStopped as error:
                caught.append(error)

    sending = Sending(Both(), user_code)
    for outbound in (first, second):
        assert outbound.entered.wait(PATIENCE_S)
        sending.code.interrupt()
        outbound.may_go.set()
    assert sending.is_over()
    assert len(caught) == 2


def test_what_an_interrupt_waited_for_is_not_interrupted_after_the_user_code() -> None:
    outbound = Waiting()
    interrupt_guard = InterruptGuard()
    code = UserCode(interrupt_guard)

    def user_code() -> None:
        here = threading.get_ident()
        interrupt_guard.guarded_threads.add(here)
        outbound.send({}, None)
        interrupt_guard.guarded_threads.discard(here)  # and does not look for what has waited

    faults: list[BaseException] = []

    def run() -> None:
        try:
            code.run("it", user_code)
            for _ in range(1000):
                abs(-1)
        except BaseException as error:  # noqa: BLE001 - told in the test's own thread
            faults.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert outbound.entered.wait(PATIENCE_S)
    code.interrupt()
    outbound.may_go.set()
    thread.join(PATIENCE_S)
    assert faults == []
    assert not interrupt_guard.has_pending


@pytest.mark.slow
def test_no_interrupt_ever_hits_the_inside_of_a_send() -> None:
    outbound, run_context = Critical(), FakeRunContext()
    code = UserCode(run_context.interrupt_guard)
    to_send = ToSend(
        "test",
        {("connection", "it"): outbound},
        SendPermit(),
        interrupt_guard=run_context.interrupt_guard,
        new_workflow_id=run_context.new_workflow_id,
    )
    errors: list[BaseException | None] = []
    sending, over = threading.Semaphore(0), threading.Semaphore(0)

    def send_until_interrupted() -> None:
        sending.release()
        while True:
            to_send("it", {})

    def run() -> None:
        for _ in range(INTERRUPTS):
            errors.append(code.run("sending", send_until_interrupted)[1])
            over.release()

    seed = random.randrange(2**32)
    rng = random.Random(seed)
    thread = threading.Thread(target=run)
    thread.start()
    for _ in range(INTERRUPTS):
        assert sending.acquire(timeout=PATIENCE_S)
        sum(range(rng.randrange(5_000)))
        code.interrupt()
        assert over.acquire(timeout=PATIENCE_S)
    thread.join(PATIENCE_S)
    assert [type(error) for error in errors] == [ServiceStopped] * INTERRUPTS
    assert outbound.entered == outbound.left > 0, f"seed {seed}"


def test_what_an_external_target_does_is_user_code_that_can_be_interrupted() -> None:
    entered = threading.Event()

    def target() -> None:
        entered.set()
        while True:
            pass

    class FakeModel:
        arguments = return_arguments = Schema({}, {}, where="it")
        creation = {"target": target, "timeout_s": None}  # noqa: RUF012 - a fake

    run_context = FakeRunContext()
    outbound = ExternalTarget(cast("RunContext", run_context), cast("Model", FakeModel()))
    code = UserCode(run_context.interrupt_guard)
    to_send = ToSend(
        "test",
        {("connection", "it"): outbound},
        SendPermit(),
        interrupt_guard=run_context.interrupt_guard,
        new_workflow_id=run_context.new_workflow_id,
    )
    outcome: list[Any] = []
    thread = threading.Thread(target=lambda: outcome.append(code.run("x", to_send, ("it", {}))))
    thread.start()
    assert entered.wait(PATIENCE_S)
    code.interrupt()
    thread.join(PATIENCE_S)
    [(_, error)] = outcome
    assert isinstance(error, ServiceStopped)
    assert not run_context.interrupt_guard.guarded_threads


def test_user_code_that_was_left_behind_ends_and_does_nothing_else() -> None:
    outbound = Waiting()
    sending = Sending(outbound, lambda send: send())
    assert outbound.entered.wait(PATIENCE_S)
    assert sending.code.leave_behind(lambda: False) is None
    assert sending.code.leave_behind(lambda: True) is not None
    outbound.may_go.set()
    assert sending.is_over()
    [outcome] = sending.outcome
    assert isinstance(outcome, LeftBehind)


def test_nothing_is_left_behind_where_nothing_runs() -> None:
    code = UserCode()
    assert code.leave_behind(lambda: True) is None
    assert code.run("it", lambda: 5) == (5, None)


@pytest.mark.parametrize("count", [1, 3])
def test_a_shield_that_was_left_is_open(count: int) -> None:
    interrupt_guard = InterruptGuard()
    here = threading.get_ident()
    for _ in range(count):
        interrupt_guard.guarded_threads.add(here)
        interrupt_guard.enter()
        interrupt_guard.guarded_threads.discard(here)
        interrupt_guard.leave(here)
    assert not interrupt_guard.has_pending
