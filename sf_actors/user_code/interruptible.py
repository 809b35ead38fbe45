"""Running user code so that another thread can end it by raising `ServiceStopped` in it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from sf_actors.errors import ServiceStopped
from sf_actors.sync.forks import FORKS
from sf_actors.user_code.forked_child import end_child
from sf_actors.user_code.interrupt_guard import InterruptGuard

if TYPE_CHECKING:
    from collections.abc import Callable


class LeftBehind(BaseException):
    """User code has come back after the stop gave it up: nothing is left to be done with it.

    What the thread owned belongs to the stop, so that all it may do is end.
    """


class UserCode:
    """A place where user code runs, one call at a time, and can be interrupted.

    An exception raised from another thread arrives some time later. `run` returns only when none
    can arrive any more, so that it never hits the package's own code.

    :param interrupt_guard: that of the `to_send` which the user code has
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
        #: what runs now, for messages; None while nothing runs
        self.label: str | None = None
        #: when that began, in seconds of `perf_counter`; set by who calls `run`
        self.began = 0.0
        self._interrupt_guard = interrupt_guard or InterruptGuard()
        self._thread_id = 0
        self._was_interrupted = False
        self._is_left_behind = False
        self._lock = threading.Lock()
        self._forks = FORKS.count

    def run(
        self, label: str, function: Callable[..., Any], args: tuple[Any, ...] = ()
    ) -> tuple[Any, BaseException | None]:
        """Call a user's function; HOT.

        Does not return in the child of a fork that the function makes: the child ends with it.

        :returns: its result and None, or None and whatever it raised
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
            # from here on nobody interrupts; one that was on its way may hit the very call
            self.label = None
            try:
                # who interrupts sets the first before it reads the label
                if self._was_interrupted:
                    self._end()
            except ServiceStopped:
                self._end()
            return result, error  # noqa: TRY300 - `else` would not clear the label
        except BaseException:
            # also what a signal handler has raised between these lines
            self.label = None
            raise
        finally:
            # its traceback refers to this frame: a cycle, which only a collection would free
            del error

    def _end(self) -> None:
        """Take that nothing runs any more, once no exception can come from another thread."""
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
                self._interrupt_guard.interrupt(self._thread_id)
            return self.label

    def leave_behind(self, is_meant: Callable[[], bool]) -> int | None:
        """Give up the user code that runs now; any thread.

        :param is_meant: asked about what runs then, which cannot end before it is given up
        :returns: its thread, whose `run` raises `LeftBehind` when it ever comes back; None when
            nothing runs, or nothing that is meant
        """
        with self._lock:
            # as in `run`: either it sees this, or this sees that it has ended
            self._was_interrupted = True
            if self.label is None or not is_meant():
                return None
            self._is_left_behind = True
            return self._thread_id
