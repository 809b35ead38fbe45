"""Running user code so that another thread can end it by raising `ServiceStopped` in it."""

from __future__ import annotations

import ctypes
import threading
from typing import TYPE_CHECKING, Any

from sf_actors.errors import ServiceStopped

if TYPE_CHECKING:
    from collections.abc import Callable


class UserCode:
    """A place where user code runs, one call at a time, and can be interrupted.

    An exception raised from another thread arrives some time later. `run` returns only when none
    can arrive any more, so that it never hits the package's own code.
    """

    __slots__ = ("_lock", "_thread_id", "_was_interrupted", "label")

    def __init__(self) -> None:
        #: what runs now, for messages; None while nothing runs
        self.label: str | None = None
        self._thread_id = 0
        self._was_interrupted = False
        self._lock = threading.Lock()

    def run(
        self, label: str, function: Callable[..., Any], *args: Any
    ) -> tuple[Any, BaseException | None]:
        """Call a user's function.

        :returns: its result and None, or None and whatever it raised
        """
        result: Any = None
        error: BaseException | None = None
        self._thread_id = threading.get_ident()
        try:
            self.label = label
            result = function(*args)
        except BaseException as raised:  # noqa: BLE001 - user code may raise anything
            error = raised
        while True:
            try:
                self.label = None
                if self._was_interrupted:
                    with self._lock:
                        _raise_in_thread(self._thread_id, None)
            except ServiceStopped:
                continue
            return result, error

    @property
    def thread_id(self) -> int | None:
        """The thread in which user code runs, or None when nothing runs."""
        return None if self.label is None else self._thread_id

    def runs_here(self) -> bool:
        """Return whether user code runs in the calling thread."""
        return self.label is not None and self._thread_id == threading.get_ident()

    def interrupt(self) -> str | None:
        """Raise `ServiceStopped` in the user code that runs now; any thread.

        What is stuck in a C call gets it when the call returns.

        :returns: the label of what was interrupted, or None when nothing runs
        """
        with self._lock:
            self._was_interrupted = True
            if self.label is not None:
                _raise_in_thread(self._thread_id, ServiceStopped)
            return self.label


def _raise_in_thread(thread_id: int, error: type[BaseException] | None) -> None:
    """Raise an exception in a thread once it runs Python code again, or take it back (None)."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread_id), None if error is None else ctypes.py_object(error)
    )
