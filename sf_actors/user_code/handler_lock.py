"""The right to run user code: one call at a time, in the order of arrival.

The thread that brings a call may take the lock at once if no other call runs and none waits; else
the call queues at the router. A counter of queued calls decides, so that no call overtakes another.
"""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING, Any

from sf_actors.sync.event import LightEvent
from sf_actors.sync.locks import new_lock
from sf_actors.user_code.call_contexts import CallContexts
from sf_actors.user_code.call_runner import CallRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sf_actors.user_code.call import Call
    from sf_actors.user_code.interrupt_guard import InterruptGuard


class HandlerLock(CallRunner):
    """The right to run the user code of one service, and the runner of its calls.

    :param least_pause_s: least time between two calls, in seconds
    :param offered: returns the arguments of a handler after `args`: to_send, states, config
    :param on_error: called with each exception of user code and its call
    :param contexts: makes the context of each call
    :param interrupt_guard: the guard of the handlers' `to_send`
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
        super().__init__(
            offered=offered,
            on_error=on_error,
            contexts=contexts or CallContexts(),
            interrupt_guard=interrupt_guard,
        )
        self._least_pause_s = least_pause_s
        self._not_before = 0.0
        self._lock = threading.Lock()
        #: as of the lock. A thread that brings a call may take it without waiting if none is
        #: `queued`; then it may `run` calls and must release it
        self.acquire = self._lock.acquire
        self.release = self._lock.release
        self._count_lock = new_lock()
        self._hurry = LightEvent()
        #: number of calls that wait for the lock; a thread that keeps it over several calls checks
        #: this
        self.queued = 0

    def run(self, call: Call) -> None:
        """Run a call; in the thread that holds the lock. HOT."""
        if self._least_pause_s:
            self._hurry.wait(max(0.0, self._not_before - monotonic()))
        self.contexts.new().run(self._run, call)
        if self._least_pause_s:
            self._not_before = monotonic() + self._least_pause_s

    def _acquire(self, timeout_s: float) -> bool:
        """Wait for the lock, counted as queued, so that no thread keeps it for its next call."""
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

        :param claim: called with the lock held; returns False if the call was cancelled meanwhile
        """
        self._lock.acquire()
        try:
            if claim():
                # with the lock held, so that a thread that sees zero still comes after this call
                self.dequeue()
                if call.is_worth_it():
                    self.run(call)
        finally:
            self.release()

    def run_first(self, call: Call) -> None:
        """Run a call in this thread, before any other call can come.

        The `with` statement releases the lock whatever a signal handler raises.
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
        """Wait until no user code runs under the lock; any thread that does not hold it.

        :returns: False if some still runs after `timeout_s`
        """
        if not self._acquire(timeout_s):
            return False
        self._lock.release()
        return True

    def hurry(self) -> None:
        """End the pauses between calls, since the service stops."""
        self._hurry.set()
