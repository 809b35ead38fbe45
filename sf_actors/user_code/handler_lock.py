"""The right to run user code: one call at a time, in the order in which calls came.

Who brings a call may take the lock at once when no other call runs and none waits; else the call
queues at the router. A counter of what is queued decides, so no call overtakes another.
"""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING, Any

from sf_actors.sync.event import LightEvent
from sf_actors.user_code.call_contexts import CallContexts
from sf_actors.user_code.call_runner import CallRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sf_actors.user_code.call import Call
    from sf_actors.user_code.interrupt_guard import InterruptGuard


class HandlerLock(CallRunner):
    """The right to run user code of one service, and the place where it runs.

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
        super().__init__(
            offered=offered,
            on_error=on_error,
            contexts=contexts or CallContexts(),
            interrupt_guard=interrupt_guard,
        )
        self._least_pause_s = least_pause_s
        self._not_before = 0.0
        self._lock = threading.Lock()
        #: lets others have the lock; in the thread that has it
        self.release = self._lock.release
        self._count_lock = threading.Lock()
        self._hurry = LightEvent()
        #: calls that wait for the lock; whoever holds it over several calls gives it back then
        self.queued = 0

    def try_acquire(self) -> bool:
        """Take the lock, if no call runs and none waits; any thread. HOT.

        :returns: whether it was taken: then `run` calls, and `release` it
        """
        return not self.queued and self._lock.acquire(blocking=False)

    def run(self, call: Call) -> None:
        """Run a call; in the thread that has the lock. HOT."""
        if self._least_pause_s:
            self._hurry.wait(max(0.0, self._not_before - monotonic()))
        self.contexts.new().run(self._run, call)
        if self._least_pause_s:
            self._not_before = monotonic() + self._least_pause_s

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

    def hurry(self) -> None:
        """Let no call wait for its least pause any more, since the service stops."""
        self._hurry.set()
