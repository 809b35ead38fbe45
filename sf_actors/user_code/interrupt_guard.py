"""Where user code is inside the package, and what is raised in its thread waits until it leaves.

Python raises an asynchronous exception between any two instructions. In user code that is as good
a place as any; inside `to_send` a socket or a descriptor could be lost by it.

A thread says where it is without a lock, and the interrupting one says that it is at work before
it looks: whichever comes second sees the other. Only then a thread takes the lock.
"""

from __future__ import annotations

import ctypes
import threading

from sf_actors.errors import ServiceStopped


class InterruptGuard:
    """The threads that are inside the package, and those that are to be interrupted afterwards.

    HOT: a thread adds its id to `inside`, and if `has_pending` calls `enter`; it discards it and if
    `has_pending` calls `leave`. What stands between belongs into one `try … finally`.

    :ivar inside: the ids of the threads that are inside
    :ivar is_alert: a thread is being interrupted, or is to be
    """

    __slots__ = ("_lock", "_waiting", "has_pending", "inside")

    def __init__(self) -> None:
        self.inside: set[int] = set()
        self.has_pending = False
        self._lock = threading.Lock()
        self._waiting: set[int] = set()

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

    def interrupt(self, thread_id: int) -> None:
        """Raise `ServiceStopped` in a thread as soon as it is not inside; any other thread."""
        with self._lock:
            self.has_pending = True
            if thread_id in self.inside:
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
