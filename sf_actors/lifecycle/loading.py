"""Runs a service file and its setup hooks in a way that a stop can interrupt."""

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

    from sf_actors.lifecycle.residents import Inhabitant, Source
    from sf_actors.lifecycle.run import Run

T = TypeVar("T")


class Loading:
    """User code that runs before any actor exists: a stop waits for it and interrupts it.

    :param stop_timeout_s: deadline of a stop, in seconds
    :param nudge: wakes a blocking call in the loading thread so that an exception can be raised
    :ivar contexts: what it is loaded in, and the service's calls run in afterwards
    :ivar code: where the file runs
    :ivar event_loop: for the coroutine functions of what is loaded; ended if that fails
    """

    label = "the service file"

    def __init__(self, *, stop_timeout_s: float, nudge: Callable[[], None]) -> None:
        self._stop_timeout_s = stop_timeout_s
        self._nudge = nudge
        self.contexts = CallContexts()
        self.event_loop = EventLoop(InterruptGuard())
        self.code = UserCode(self.event_loop.interrupt_guard)
        self._done = LightEvent()
        #: the run, as others see it
        self.resident: Resident | None = None

    def enter(self, name: str, service: Inhabitant, source: Source) -> None:
        """Let others of the process see the run that begins."""
        self.resident = Resident(name, service, source, self.code)
        RESIDENTS.enter(self.resident)

    def note(self, run: Run) -> Run:
        """Take what was loaded."""
        if self.resident is not None:
            self.resident.state = run.state
            if RESIDENTS.on_loaded is not None:
                RESIDENTS.on_loaded(self.resident)
        return run

    def leave(self, end: Callable[[], None] | None) -> None:
        """Take that the run has ended, or will not begin; may be called twice.

        :param end: what else is to be done for that, before
        """
        if end is not None:
            end()
        if self.resident is not None:
            RESIDENTS.leave(self.resident)

    def run(self, function: Callable[[], T]) -> T:
        """Load; in the thread that starts the service.

        :raises UsageError: the interpreter cannot interrupt user code safely
        :raises BaseException: what the function raised
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
        """Wait until it has ended, and interrupt it like all user code; any thread.

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
        """Return the error that it could not be interrupted within the deadline.

        :param name: of the service
        """
        return StopOverdue(
            f"{name}: still running {self._stop_timeout_s:g} s after the stop began, left behind: "
            f"{self.label}"
        )

    def _interrupt(self) -> None:
        self.code.interrupt()
        self._nudge()
