"""The ZeroMQ context: shared while anybody uses it, gone afterwards."""

from __future__ import annotations

import errno
import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import zmq

from sf_actors.sockets import contexts as context
from sf_actors.sockets.contexts import MAX_SOCKETS, ContextLease, giving_way

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(autouse=True)
def nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "_shared", {False: context._Shared(), True: context._Shared()})


needs_policies = pytest.mark.skipif(
    not hasattr(os, "SCHED_BATCH"), reason="the system has no scheduling policies"
)


def threads() -> set[int]:
    return {int(path.name) for path in Path("/proc/self/task").iterdir()}


def policies_of_threads_of(lease_of: dict[str, bool]) -> set[int]:
    before = threads()
    lease = ContextLease(**lease_of)
    try:
        return {os.sched_getscheduler(thread) for thread in threads() - before}
    finally:
        lease.give_back()


def test_leases_share_one_context_which_ends_with_the_last() -> None:
    first, second = ContextLease(), ContextLease()

    assert first.context is second.context
    first.give_back()
    assert not second.context.closed
    second.give_back()
    assert second.context.closed


def test_a_context_that_ended_is_followed_by_a_new_one() -> None:
    first = ContextLease()
    first.give_back()
    second = ContextLease()

    assert not second.context.closed
    second.give_back()


def test_a_private_lease_has_a_context_of_its_own() -> None:
    shared, private = ContextLease(), ContextLease(private=True)

    assert private.context is not shared.context
    private.give_back()
    assert private.context.closed
    assert not shared.context.closed
    shared.give_back()


def test_to_give_back_twice_counts_once() -> None:
    first, second = ContextLease(), ContextLease()
    first.give_back()
    first.give_back()

    assert not second.context.closed
    second.give_back()


def test_a_context_holds_more_sockets_than_the_default() -> None:
    lease = ContextLease()

    assert lease.context.get(zmq.MAX_SOCKETS) == MAX_SOCKETS > 1_023
    lease.give_back()


def test_what_is_published_has_a_context_of_its_own() -> None:
    calls, published, more = ContextLease(), ContextLease(gives_way=True), ContextLease()

    assert published.context is not calls.context is more.context
    published.give_back()
    assert published.context.closed
    assert not calls.context.closed
    calls.give_back()
    more.give_back()


@needs_policies
def test_only_the_threads_for_what_is_published_give_way() -> None:
    assert policies_of_threads_of({"gives_way": True}) == {os.SCHED_BATCH}
    assert policies_of_threads_of({}) == {os.SCHED_OTHER}
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


@needs_policies
@pytest.mark.parametrize(
    ("refused", "number"),
    [("sched_setscheduler", errno.EPERM), ("sched_getscheduler", errno.ENOSYS)],
)
def test_threads_give_way_no_more_than_the_system_lets_them(
    refused: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, "refused")

    before = threads()
    with monkeypatch.context() as patched:
        patched.setattr(os, refused, refuse)
        lease = ContextLease(gives_way=True)
    policies = {os.sched_getscheduler(thread) for thread in threads() - before}
    lease.give_back()

    assert policies == {os.SCHED_OTHER}


@needs_policies
def test_the_policy_that_somebody_chose_for_a_thread_stays() -> None:
    seen: list[int] = []

    def look() -> None:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        seen.extend(policies_of_threads_of({"gives_way": True}))
        with giving_way():
            seen.append(os.sched_getscheduler(0))
        seen.append(os.sched_getscheduler(0))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join(10)

    assert seen == [os.SCHED_IDLE] * 3


@pytest.mark.slow
def test_signals_while_a_context_is_freed_leave_nothing_of_it(
    new_address: Callable[[], str],
) -> None:
    """The fixture that looks for what is left behind says so."""
    old = signal.signal(signal.SIGALRM, lambda _number, _frame: None)
    try:
        for _ in range(3):
            lease = ContextLease()
            waiting = lease.context.socket(zmq.DEALER)
            waiting.connect(f"tcp://{new_address()}")
            waiting.send(b"")
            # freeing the context waits so long for the message to be taken
            waiting.close(linger=50)
            signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
            lease.give_back()
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
