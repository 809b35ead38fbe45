"""The right to run user code: one call at a time, in the order in which calls came.

Who brings a call may take the lock at once when no other call runs and none waits; else the call
queues at the router. A counter of what is queued decides, so no call overtakes another.
"""

from __future__ import annotations

import threading
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Any, ClassVar

from sf_actors.counters import Counters
from sf_actors.errors import Refused
from sf_actors.log import WORKFLOW_ID
from sf_actors.sync.event import LightEvent
from sf_actors.user_code.call_contexts import CallContexts
from sf_actors.user_code.interruptible import UserCode
from sf_actors.user_code.states_view import PINNED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sf_actors.user_code.interrupt_guard import InterruptGuard


class Call:
    """One call of a handler: what comes in, and what is to happen with what comes out.

    Subclasses override `complete`, which runs under the lock, right after the handler: what the
    handler returned is read before other user code can change it.
    """

    __slots__ = ("args", "counters", "handler", "label", "pinned", "workflow_id")

    #: whether it is a message's: what its handler raises is logged and counted as a failed handler,
    #: and the stop may give it up
    reports: ClassVar[bool] = True

    def __init__(
        self,
        handler: Callable[..., Any],
        args: Any,
        *,
        label: str,
        counters: Counters,
        workflow_id: object = None,
        pinned: Mapping[str, Any] | None = None,
    ) -> None:
        self.handler = handler
        self.args = args
        self.label = label
        self.counters = counters
        self.workflow_id = workflow_id
        #: versions of states that the handler sees instead of the current ones
        self.pinned = pinned

    def is_worth_it(self) -> bool:
        """Say whether the handler is still to be called, once the call has waited its turn."""
        return True

    def complete(self, result: Any, error: BaseException | None) -> None:
        """Take what the handler returned or raised; runs under the lock."""

    def settle(self) -> None:
        """Say that the call is over, after the lock was given back; runs in the router's thread."""

    def cancel(self) -> None:
        """Take that the call will never run, since the service stops."""

    def leave_behind(self) -> None:
        """Take that the call runs and nobody waits for it any more; runs in the stop's thread."""


class OneOffCall(Call):
    """A call of a function that is no handler, whose error belongs to who asked for it."""

    __slots__ = ("done", "error")
    reports: ClassVar[bool] = False

    def __init__(self, function: Callable[..., Any], *, label: str) -> None:
        super().__init__(function, None, label=label, counters=Counters())
        self.done = LightEvent()
        self.error: BaseException | None = None

    def complete(self, result: Any, error: BaseException | None) -> None:  # noqa: ARG002
        """Keep the error."""
        self.error = error
        self.done.set()

    def cancel(self) -> None:
        """Take that it will never run."""
        self.done.set()


class HandlerLock:
    """The right to run user code of one service.

    :param least_pause_s: least time between two calls, in seconds
    :param offered: gives the arguments of a handler after `args`: to_send, states, config
    :param on_error: told each exception that user code raised, with its call
    :param contexts: gives each call its context
    :param interrupt_guard: that of the `to_send` which the handlers get
    """

    def __init__(
        self,
        *,
        offered: Callable[[Mapping[str, Any] | None], tuple[Any, ...]],
        on_error: Callable[[Call, BaseException], None],
        least_pause_s: float = 0.0,
        contexts: CallContexts | None = None,
        interrupt_guard: InterruptGuard | None = None,
    ) -> None:
        self._offered = offered
        #: what `offered` gives, where it gives every call the same
        self.constant_arguments: tuple[Any, ...] | None = None
        self._on_error = on_error
        self.contexts = contexts or CallContexts()
        self._least_pause_s = least_pause_s
        self._not_before = 0.0
        self._lock = threading.Lock()
        self._count_lock = threading.Lock()
        self._hurry = LightEvent()
        #: calls that wait for the lock; whoever holds it over several calls gives it back then
        self.queued = 0
        self.handled = 0
        self.failed = 0
        self.user_code = UserCode(interrupt_guard)
        #: the call that runs, or ran last
        self._running: Call | None = None

    def try_acquire(self) -> bool:
        """Take the lock, if no call runs and none waits; any thread. HOT.

        :returns: whether it was taken: then `run` calls, and `release` it
        """
        return not self.queued and self._lock.acquire(blocking=False)

    def release(self) -> None:
        """Let others have the lock; in the thread that has it."""
        self._lock.release()

    def run(self, call: Call) -> None:
        """Run a call; in the thread that has the lock. HOT."""
        if self._least_pause_s:
            self._hurry.wait(max(0.0, self._not_before - monotonic()))
        self.contexts.new().run(self._run, call)
        if self._least_pause_s:
            self._not_before = monotonic() + self._least_pause_s

    def _run(self, call: Call) -> None:
        """Run a call in a context of its own; what is logged of it shows what it has bound."""
        WORKFLOW_ID.set(call.workflow_id)
        self._running = call
        began = perf_counter()
        offered = self.constant_arguments
        if offered is None:
            offered = self._offered(call.pinned)
            if not call.reports:
                # `init_function` and signal hooks see the states live
                PINNED.set(None)
        result, error = self.user_code.run(call.label, call.handler, (call.args, *offered))
        seconds = perf_counter() - began
        try:
            self._note(call, error, seconds)
            call.complete(result, error)
        finally:
            # its traceback refers to this frame: a cycle, which only a collection would free
            del error

    def _note(self, call: Call, error: BaseException | None, seconds: float) -> None:
        """Count a call that has ended, and tell what it raised."""
        counters = call.counters
        counters.handler_s.add(seconds)
        if error is None:
            self.handled += 1
            counters.handled += 1
        elif isinstance(error, Refused) and call.reports:
            self.handled += 1
            counters.refused += 1
            self._on_error(call, error)
        else:
            self.failed += 1
            counters.fail(error)
            self._on_error(call, error)

    def _acquire(self, timeout_s: float) -> bool:
        """Wait for the lock, and be counted meanwhile, so that nobody keeps it for a next call."""
        self.enqueue()
        try:
            return self._lock.acquire(timeout=timeout_s)
        finally:
            self.dequeue()

    def enqueue(self) -> None:
        """Count a call that goes to the router, before it is put there."""
        with self._count_lock:
            self.queued += 1

    def dequeue(self) -> None:
        """Count a queued call that was cancelled."""
        with self._count_lock:
            self.queued -= 1

    def run_queued(self, call: Call, claim: Callable[[], bool]) -> None:
        """Run a call that was queued; waits for the lock, in the router's thread.

        :param claim: asked once the lock is there; False: the call was cancelled meanwhile
        """
        self._lock.acquire()
        try:
            if claim():
                # with the lock held: whoever sees zero from now on still comes after this call
                self.dequeue()
                if call.is_worth_it():
                    self.run(call)
        finally:
            self.release()

    def run_first(self, call: Call) -> None:
        """Run a call in this thread before any other can be brought.

        The statement takes and gives back the lock whatever a signal handler raises.
        """
        with self._lock:
            self.run(call)

    def run_here(self, call: Call, *, timeout_s: float = -1) -> bool:
        """Run a call in this thread, waiting for the lock.

        :returns: False when the lock did not come in time
        """
        if not self._acquire(timeout_s):
            return False
        try:
            self.run(call)
        finally:
            self.release()
        return True

    def wait_until_free(self, timeout_s: float) -> bool:
        """Wait until no user code runs under the lock; any thread that does not have it itself.

        :returns: False when it still runs after the time
        """
        if not self._acquire(timeout_s):
            return False
        self._lock.release()
        return True

    def leave_behind(self) -> int | None:
        """Give up the call that runs, if it is a message's; any thread.

        :returns: the thread that may end and do nothing else when the handler ever returns
        """
        running: Call | None = None

        def is_meant() -> bool:
            # asked while it cannot end: right afterwards another may have the lock
            nonlocal running
            running = self._running
            return running is not None and running.reports

        thread_id = self.user_code.leave_behind(is_meant)
        if running is not None and thread_id is not None:
            running.leave_behind()
        return thread_id

    def hurry(self) -> None:
        """Let no call wait for its least pause any more, since the service stops."""
        self._hurry.set()
