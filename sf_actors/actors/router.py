"""The router: the actor whose thread runs the calls to handlers that could not run at once."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, cast

from sf_actors.actors.inbox import Inbox, WaitFailed
from sf_actors.actors.pykka_actor import Actor, Envelope
from sf_actors.sync.locks import new_lock
from sf_actors.user_code.call import Call
from sf_actors.user_code.interruptible import LeftBehind

if TYPE_CHECKING:
    from collections.abc import Callable

    from sf_actors.actors.run_context import CallSource, RunContext


class _Marker:
    """A message that reaches the router after every call that was queued before it.

    :param passed: called in the router's thread, or in the one that cancels the queue
    """

    def __init__(self, passed: Callable[[], None]) -> None:
        self.passed = passed


class _QueuedSource:
    """A source of calls in the queue."""

    def __init__(self, source: CallSource) -> None:
        self.source = source


class Router(Actor):
    """Runs queued calls one by one, each under the handler lock.

    Its thread starts with `begin`, at the latest when a call queues: if only one connection brings
    calls, each runs at once in that connection's thread, and the router has nothing to do.

    A fault of the router itself costs the call, not the queue: the same thread goes on, and the
    supervisor counts it as a restart.
    """

    inbox_type = Inbox
    begins_late = True

    def __init__(self, run_context: RunContext) -> None:
        super().__init__()
        self.name = "router"
        self.thread: threading.Thread | None = None
        self._run_context = run_context
        run_context.router = self
        run_context.supervisor.created(self)
        self._handler_lock = run_context.handler_lock
        #: the calls that wait, in order
        self.queue: Inbox = cast("Inbox", self.actor_inbox)
        self._lock = new_lock()
        #: the call that waits for the handler lock, until it runs or is cancelled
        self._next: Call | None = None
        self._is_closed = False
        self._life_lock = new_lock()
        self._has_begun = False
        self._has_ended = False

    def begin(self) -> None:
        """Start the thread, unless it runs or the actor was stopped; any thread."""
        with self._life_lock:
            if not self._has_begun and not self._has_ended:
                self.begin_loop()
                self._has_begun = True

    def stop(self) -> None:
        """End the actor after all queued messages; any thread."""
        with self._life_lock:
            self._has_ended = True
        if self._has_begun:
            super().stop()
        else:
            self.end_unbegun()

    def on_start(self) -> None:
        """Name the thread and assign it to its service."""
        self.thread = threading.current_thread()
        self.thread.name = f"{self._run_context.name}/router"
        self._run_context.scope.adopt()
        self._run_context.supervisor.opened(self, None)

    def on_receive(self, message: Any) -> None:
        """Run one call, or let a marker pass."""
        try:
            if isinstance(message, Call):
                self._run(message)
            elif isinstance(message, _QueuedSource):
                self._run_source(message)
            elif isinstance(message, _Marker):
                message.passed()
            elif isinstance(message, WaitFailed):
                raise message.error
        except LeftBehind:
            self.leave_inbox()
        except BaseException as error:  # noqa: BLE001 - pykka would stop the actors of all services
            self._run_context.supervisor.router_faulted(error)

    def enqueue(self, call: Call) -> None:
        """Queue a call, even if the handler lock is free; any thread."""
        if not self._has_begun:
            try:
                self.begin()
            except RuntimeError:
                # the system has no thread left: the thread that brings the call waits for the lock.
                # The order stays right: while the router has not begun, no other thread brings
                # calls
                self._handler_lock.run_here(call)
                call.settle()
                return
        self._handler_lock.enqueue()
        self.queue.add(call)

    def enqueue_source(self, source: CallSource) -> None:
        """Run the calls of a source in turn with others; any thread."""
        if not self._has_begun:
            try:
                self.begin()
            except RuntimeError:
                # as in `enqueue`
                while (call := source.next_call()) is not None:
                    self._handler_lock.dequeue()
                    self._handler_lock.run_here(call)
                    call.settle()
                return
        self.queue.put(Envelope(_QueuedSource(source)))

    def call_after_queued(self, function: Callable[[], None]) -> None:
        """Have a function called when every call that was queued by now is over; any thread."""
        if self._has_begun:
            self.queue.add(_Marker(function))
        else:
            function()

    def cancel_queued(self) -> int:
        """Cancel every queued call and all later ones; any thread.

        :returns: how many were queued
        """
        with self._lock:
            self._is_closed = True
            waiting: list[Any] = [self._next, *self.queue.take_all()]
            self._next = None
        cancelled = 0
        for message in waiting:
            if isinstance(message, Call):
                self._cancel(message)
                cancelled += 1
            elif isinstance(message, _QueuedSource):
                cancelled += message.source.cancel()
            elif isinstance(message, _Marker):
                message.passed()
        return cancelled

    def _run_source(self, message: _QueuedSource) -> None:
        source = message.source
        while (call := source.next_call()) is not None:
            self._run(call)
            if not (self.queue.empty() or source.is_draining):
                # other messages wait: queue the source again behind them
                self.queue.add(message)
                return

    def _run(self, call: Call) -> None:
        with self._lock:
            is_late = self._is_closed
            self._next = None if is_late else call
        if is_late:
            self._cancel(call)
            return
        is_claimed = False

        def claim() -> bool:
            nonlocal is_claimed
            with self._lock:
                is_claimed = self._next is call
                self._next = None
            return is_claimed

        try:
            self._handler_lock.run_queued(call, claim)
        except LeftBehind:
            # the stop has settled the call
            is_claimed = False
            raise
        finally:
            if is_claimed:
                call.settle()

    def _cancel(self, call: Call) -> None:
        self._handler_lock.dequeue()
        call.cancel()
