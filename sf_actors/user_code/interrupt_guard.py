"""Delays interrupts of user code while its thread is inside the package, as in `to_send`.

Python raises an asynchronous exception between any two instructions. In user code that is fine;
inside `to_send` a socket or a descriptor could be lost.

A thread marks itself as inside without a lock. An interrupting thread sets `has_pending` before it
looks for the mark. Whichever comes second sees the other, and only then a thread takes the lock.
Taking it each time would be simpler, but cost a fifth of a publisher's `to_send` (the rows `a
guard` of the benchmark `shortcuts`, next to those of `parts`). Only the GIL guarantees that both
threads agree on which comes second: without it no service starts.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from typing import TYPE_CHECKING, Any

from sf_actors.errors import ServiceStopped, UsageError
from sf_actors.sync.locks import new_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def require_plain_threads() -> None:
    """Refuse a free-threaded interpreter, or one that gevent has patched.

    :raises UsageError: it is one of these
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
    """The threads that are inside the package, and those to interrupt when they leave.

    HOT: a thread adds its id to `guarded_threads` and, if `has_pending`, calls `enter`; later it
    discards the id and, if `has_pending`, calls `leave`. All of that belongs in one `try …
    finally`.

    :ivar guarded_threads: the ids of the threads that are inside
    :ivar has_pending: a thread is being interrupted, or will be
    """

    __slots__ = ("_lock", "_redirected", "_waiting", "guarded_threads", "has_pending")

    def __init__(self) -> None:
        self.guarded_threads: set[int] = set()
        self.has_pending = False
        self._lock = new_lock()
        self._waiting: set[int] = set()
        #: by thread, the function to call instead of raising in it
        self._redirected: dict[int, Callable[[], None]] = {}

    def enter(self) -> None:
        """Let an interrupt that has begun arrive now; in the thread that has just come inside."""
        with self._lock:
            return

    def leave(self, thread_id: int) -> None:
        """Raise the interrupt that waited, if there is one; in the thread that has just left.

        :raises ServiceStopped: there was one
        """
        with self._lock:
            has_waited = thread_id in self._waiting
            self._waiting.discard(thread_id)
            self.has_pending = bool(self._waiting)
        if has_waited:
            raise ServiceStopped("the service is stopping, and its user code must end")

    def call_outside(self, function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
        """Call user code that may be interrupted anywhere; in a thread that is inside.

        :raises ServiceStopped: an interrupt waited, or came meanwhile
        :raises BaseException: the exception of the function
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
        """Make interrupts of a thread call a function, which must not block; runs in that thread.

        :param interrupt: the function; None: interrupts raise in the thread again
        """
        with self._lock:
            if interrupt is None:
                self._redirected.pop(thread_id, None)
            else:
                self._redirected[thread_id] = interrupt

    def interrupt(self, thread_id: int) -> None:
        """Raise `ServiceStopped` in a thread as soon as it is outside; in any other thread."""
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
        """Take back an interrupt that has not arrived yet; in the thread that it was meant for."""
        with self._lock:
            if _KEEPS_SIGNAL:
                _absorb_one(thread_id)
            else:
                _raise_in_thread(thread_id, None)
            self._waiting.discard(thread_id)
            self.has_pending = bool(self._waiting)


def _absorb_one(thread_id: int) -> None:
    """Replace an exception that is on its way to the calling thread, if one is, and catch it."""
    try:
        _raise_in_thread(thread_id, ServiceStopped)
        while True:  # it arrives within the next few instructions
            pass
    except ServiceStopped:
        return
    except BaseException:  # a signal handler was quicker
        _raise_in_thread(thread_id, None)
        raise


def _raise_in_thread(thread_id: int, error: type[BaseException] | None) -> None:
    """Raise an exception in a thread once it runs Python code again, or take it back (None)."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread_id), None if error is None else ctypes.py_object(error)
    )


#: Taking an exception back leaves the interpreter signalled until one is raised in some thread. In
#: 3.11 a thread with a trace function, as under a debugger, or with a profile function then spins
#: for ever at its next call, holding the interpreter's lock.
_KEEPS_SIGNAL = sys.version_info < (3, 13)
