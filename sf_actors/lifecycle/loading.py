"""Runs a service file and its setup hooks so that a stop can interrupt them."""

from __future__ import annotations

from time import monotonic, perf_counter
from typing import TYPE_CHECKING, TypeVar

from sf_actors.errors import StopOverdue
from sf_actors.lifecycle.residents import RESIDENTS, Resident
from sf_actors.lifecycle.signals import ENDING_S
from sf_actors.lifecycle.stop import until_deadline
from sf_actors.sync.event import LightEvent
from sf_actors.user_code.call_contexts import CallContexts
from sf_actors.user_code.event_loop import EventLoop
from sf_actors.user_code.interrupt_guard import InterruptGuard, require_plain_threads
from sf_actors.user_code.interruptible import UserCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from sf_actors.lifecycle.residents import ResidentService, Source
    from sf_actors.lifecycle.run import Run

T = TypeVar("T")


class Loading:
    """The loading of one service, before any actor exists: a stop waits for it and interrupts it.

    :param stop_timeout_s: deadline of a stop, in seconds
    :param nudge: wakes a blocking call in the loading thread so that an exception can be raised
    :ivar contexts: the contexts in which the file is loaded and, later, calls run
    :ivar code: the place where the file runs
    :ivar event_loop: runs the coroutine functions of the file; ended if loading fails
    """

    label = "the service file"

    def __init__(self, *, stop_timeout_s: float, nudge: Callable[[], None]) -> None:
        self._stop_timeout_s = stop_timeout_s
        self._nudge = nudge
        self.contexts = CallContexts()
        self.event_loop = EventLoop(InterruptGuard())
        self.code = UserCode(self.event_loop.interrupt_guard)
        self._done = LightEvent()
        #: the run, as the rest of the process sees it
        self.resident: Resident | None = None

    def enter(self, name: str, service: ResidentService, source: Source) -> None:
        """Make the run that begins visible to the rest of the process."""
        self.resident = Resident(name, service, source, self.code)
        RESIDENTS.enter(self.resident)

    def note(self, run: Run) -> Run:
        """Note the run that was loaded, and return it."""
        if self.resident is not None:
            self.resident.state = run.state
            if RESIDENTS.on_loaded is not None:
                RESIDENTS.on_loaded(self.resident)
        return run

    def leave(self, end: Callable[[], None] | None) -> None:
        """Note that the run has ended or will not begin; may be called twice.

        :param end: called before, to do the rest of the end
        """
        if end is not None:
            end()
        if self.resident is not None:
            RESIDENTS.leave(self.resident)

    def run(self, function: Callable[[], T]) -> T:
        """Load, by calling `function`; in the thread that starts the service.

        :raises UsageError: the interpreter cannot interrupt user code safely
        :raises BaseException: the exception of the function
        """
        require_plain_threads()
        self.code.began = perf_counter()
        result, error = self.code.run(self.label, self.contexts.new().run, (function,))
        if error is not None:
            self.event_loop.end(ENDING_S)
        self._done.set()
        if error is not None:
            raise error
        loaded: T = result
        return loaded

    def stop(self) -> bool:
        """Wait until loading has ended, and interrupt it like all user code; any thread.

        :returns: False if it has not ended within the deadline; in the loading thread always True,
            at once
        """
        if self.code.runs_here() or self.event_loop.runs_here():
            return True
        since = monotonic()
        return until_deadline(
            self._done.wait, self._interrupt, since=since, timeout_s=self._stop_timeout_s
        )

    def overdue(self, name: str) -> StopOverdue:
        """Return the error for a file that could not be interrupted within the deadline.

        :param name: of the service
        """
        return StopOverdue(
            f"{name}: still running {self._stop_timeout_s:g} s after the stop began, left behind: "
            f"{self.label}"
        )

    def _interrupt(self) -> None:
        self.code.interrupt()
        self._nudge()
