"""Where user code is inside the package, and what is raised in its thread waits until it leaves.

Python raises an asynchronous exception between any two instructions. In user code that is as good
a place as any; inside `to_send` a socket or a descriptor could be lost by it.

A thread says where it is without a lock, and the interrupting one says that it is at work before
it looks: whichever comes second sees the other. Only then a thread takes the lock. To take it each
time would be simpler, and a fifth of what a publisher's `to_send` takes (the rows `a guard` of the
benchmark `shortcuts`, next to those of `parts`). That one of two comes second, for both threads, is
what the GIL makes so: without it no service starts.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from typing import TYPE_CHECKING, Any

from sf_actors.errors import ServiceStopped, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def require_plain_threads() -> None:
    """Refuse an interpreter whose threads run beside each other, or that gevent has changed.

    :raises UsageError: it is one
    """
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None and any(map(monkey.is_module_patched, ("threading", "socket", "select"))):
        raise UsageError(
            "expected threads of the system, got those of gevent's monkey patching, under which "
            "sockets and waits block the whole process; run the service in a process without it"
        )
    is_gil_enabled = getattr(sys, "_is_gil_enabled", None)
    if is_gil_enabled is not None and not is_gil_enabled():
        raise UsageError(
            "expected an interpreter with the global interpreter lock, got one without; "
            "run it with PYTHON_GIL=1"
        )


class InterruptGuard:
    """The threads that are inside the package, and those that are to be interrupted afterwards.

    HOT: a thread adds its id to `guarded_threads`, and if `has_pending` calls `enter`; it discards
    it and if `has_pending` calls `leave`. All of that belongs into one `try … finally`.

    :ivar guarded_threads: the ids of the threads that are inside
    :ivar has_pending: a thread is being interrupted, or is to be
    """

    __slots__ = ("_lock", "_redirected", "_waiting", "guarded_threads", "has_pending")

    def __init__(self) -> None:
        self.guarded_threads: set[int] = set()
        self.has_pending = False
        self._lock = threading.Lock()
        self._waiting: set[int] = set()
        #: what is called in place of raising something in a thread
        self._redirected: dict[int, Callable[[], None]] = {}

    def enter(self) -> None:
        """Let an interrupt that has begun arrive now; in the thread that is inside from now on."""
        with self._lock:
            return

    def leave(self, thread_id: int) -> None:
        """Take the interrupt that has waited; in the thread that is inside no longer.

        :raises ServiceStopped: there is one
        """
        with self._lock:
            has_waited = thread_id in self._waiting
            self._waiting.discard(thread_id)
            self.has_pending = bool(self._waiting)
        if has_waited:
            raise ServiceStopped("the service stops, and its user code is to end")

    def call_outside(self, function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
        """Call user code that an interrupt may reach at any place; in a thread that is inside.

        :raises ServiceStopped: an interrupt has waited, or came meanwhile
        :raises BaseException: what the function raised
        """
        here = threading.get_ident()
        try:
            self.guarded_threads.discard(here)
            if self.has_pending:
                self.leave(here)
            return function(**arguments)
        finally:
            self.guarded_threads.add(here)
            if self.has_pending:
                self.enter()

    def redirect(self, thread_id: int, interrupt: Callable[[], None] | None) -> None:
        """Have interrupts of a thread call a function, which waits for nothing; in that thread.

        :param interrupt: None: they are raised in the thread again
        """
        with self._lock:
            if interrupt is None:
                self._redirected.pop(thread_id, None)
            else:
                self._redirected[thread_id] = interrupt

    def interrupt(self, thread_id: int) -> None:
        """Raise `ServiceStopped` in a thread as soon as it is not inside; any other thread."""
        with self._lock:
            self.has_pending = True
            if thread_id in self._redirected:
                self._redirected[thread_id]()
            elif thread_id in self.guarded_threads:
                self._waiting.add(thread_id)
            else:
                _raise_in_thread(thread_id, ServiceStopped)
            self.has_pending = bool(self._waiting)

    def take_back(self, thread_id: int) -> None:
        """Take back what has not arrived yet."""
        with self._lock:
            _raise_in_thread(thread_id, None)
            self._waiting.discard(thread_id)
            self.has_pending = bool(self._waiting)


def _raise_in_thread(thread_id: int, error: type[BaseException] | None) -> None:
    """Raise an exception in a thread once it runs Python code again, or take it back (None)."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread_id), None if error is None else ctypes.py_object(error)
    )
