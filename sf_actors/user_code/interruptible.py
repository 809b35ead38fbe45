"""Runs user code so that another thread can end it by raising `ServiceStopped` in it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from sf_actors.errors import ServiceStopped
from sf_actors.sync.forks import FORKS
from sf_actors.sync.locks import new_lock
from sf_actors.user_code.forked_child import end_child
from sf_actors.user_code.interrupt_guard import InterruptGuard

if TYPE_CHECKING:
    from collections.abc import Callable


class LeftBehind(BaseException):
    """User code has returned after the stop gave it up.

    The stop has taken over what its thread owned, so the thread may only end.
    """


class UserCode:
    """A place where user code runs, one call at a time, and can be interrupted.

    An exception raised from another thread arrives some time later. `run` returns only when no more
    can arrive, so that none hits the package's own code.

    :param interrupt_guard: the guard of the user code's `to_send`
    """

    __slots__ = (
        "_forks",
        "_interrupt_guard",
        "_is_left_behind",
        "_lock",
        "_thread_id",
        "_was_interrupted",
        "began",
        "label",
    )

    def __init__(self, interrupt_guard: InterruptGuard | None = None) -> None:
        #: the name of the running code, for messages; None while nothing runs
        self.label: str | None = None
        #: when it began, in seconds of `perf_counter`; set by the caller of `run`
        self.began = 0.0
        self._interrupt_guard = interrupt_guard or InterruptGuard()
        self._thread_id = 0
        self._was_interrupted = False
        self._is_left_behind = False
        self._lock = new_lock()
        self._forks = FORKS.count

    def run(
        self, label: str, function: Callable[..., Any], args: tuple[Any, ...] = ()
    ) -> tuple[Any, BaseException | None]:
        """Call a user's function; HOT.

        Does not return in the child of a fork that the function makes: the child ends with it.

        :returns: its result and None, or None and its exception
        :raises LeftBehind: `leave_behind` was called meanwhile
        """
        result: Any = None
        error: BaseException | None = None
        self._thread_id = threading.get_ident()
        try:
            try:
                self.label = label
                result = function(*args)
            except BaseException as raised:  # noqa: BLE001 - user code may raise anything
                error = raised
            if FORKS.count != self._forks:
                end_child(error)
            # from here on nobody interrupts, but an interrupt that is on its way may hit `_end`
            self.label = None
            try:
                # an interrupting thread sets the flag before it reads the label
                if self._was_interrupted:
                    self._end()
            except ServiceStopped:
                self._end()
            return result, error  # noqa: TRY300 - `else` would not clear the label
        except BaseException:
            # perhaps raised by a signal handler between these lines
            self.label = None
            raise
        finally:
            # its traceback refers to this frame: a cycle that only the garbage collector would free
            del error

    def _end(self) -> None:
        """Note that nothing runs any more, once no exception can arrive from another thread."""
        while True:
            try:
                self.label = None
                if self._was_interrupted:
                    with self._lock:
                        self._interrupt_guard.take_back(self._thread_id)
            except ServiceStopped:
                continue
            if self._is_left_behind:
                raise LeftBehind
            return

    @property
    def thread_id(self) -> int | None:
        """The id of the thread in which user code runs, or None if nothing runs."""
        return None if self.label is None else self._thread_id

    def runs_here(self) -> bool:
        """Return True if user code runs in the calling thread."""
        return self.label is not None and self._thread_id == threading.get_ident()

    def interrupt(self) -> str | None:
        """Raise `ServiceStopped` in the user code that runs now; any thread.

        Code that is stuck in a C call gets it when the call returns.

        :returns: the label of the interrupted code, or None if nothing runs
        """
        with self._lock:
            self._was_interrupted = True
            if self.label is not None:
                self._interrupt_guard.interrupt(self._thread_id)
            return self.label

    def leave_behind(self, is_meant: Callable[[], bool]) -> int | None:
        """Give up the user code that runs now; any thread.

        :param is_meant: returns True if the code that runs now may be given up; the code cannot end
            during this
        :returns: the id of its thread, in which `run` raises `LeftBehind` if the code ever returns;
            None if nothing was given up
        """
        with self._lock:
            # before reading the label: either `run` sees this, or this sees that it has ended
            self._was_interrupted = True
            if self.label is None or not is_meant():
                return None
            self._is_left_behind = True
            return self._thread_id
