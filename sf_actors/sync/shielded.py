"""Calls that Ctrl-C, or what else a signal handler raises, does not break off half way.

Such an exception is raised in the main thread, wherever it is. So what must happen wholly or not at
all happens in another thread, and the main thread waits.
"""

from __future__ import annotations

import _thread
import threading
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from sf_actors.sync.event import LightEvent

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

#: As it is before anybody wraps it: to ask which thread starts another would make an entry of a
#: thread that `threading` does not know, and that stays.
_START: Final = threading.Thread.start


class _Outcome(Generic[T]):
    """A function that runs once, in the thread that comes first, and what came of it."""

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self._claim = threading.Lock()
        self.is_over = LightEvent()
        self.result: Any = None
        self.error: BaseException | None = None

    def claim(self) -> bool:
        """Return whether the function is the caller's to run, or to leave alone."""
        return self._claim.acquire(blocking=False)

    def run(self) -> None:
        """Run the function, unless it was claimed."""
        if not self.claim():
            return
        try:
            self.result = self._function()
        except BaseException as error:  # noqa: BLE001 - raised in the thread that waits
            self.error = error
        self.is_over.set()

    def take(self) -> T:
        """Return what the function returned, or raise what it raised."""
        error, self.error = self.error, None
        try:
            if error is not None:
                raise error
            result: T = self.result
            return result
        finally:
            del error


def shielded(function: Callable[[], T], undo: Callable[[T], object] | None = None) -> T:
    """Call a function that must be bounded in time; what a signal handler raises comes after it.

    In any other thread than the main one, or without a thread to be had, it is simply called.

    :param undo: given what was returned, if that is lost to an exception of a signal handler
    :raises BaseException: what the function raised, or else the signal handler
    """
    if threading.current_thread() is not threading.main_thread():
        return function()
    outcome = _Outcome(function)
    run_there = partial(copy_context().run, outcome.run)
    try:
        # a Thread's own `start` can be broken off half way, and then leaves it in a list for ever
        _thread.start_new_thread(_run_in_thread, (run_there,))
        outcome.is_over.wait()
    except RuntimeError:
        if not outcome.claim():
            raise
        # the system has no thread left
        return function()
    except BaseException:
        if not outcome.claim():
            _wait_until(outcome.is_over)
            if outcome.error is None and undo is not None:
                undo(outcome.result)
        raise
    return outcome.take()


def _run_in_thread(function: Callable[[], None]) -> None:
    """Call a function in a thread that `threading` knows; from one that it does not."""
    try:
        _START(threading.Thread(target=function, name="shielded", daemon=True))
    except RuntimeError:
        # the system has no thread left
        function()


def _wait_until(is_over: LightEvent) -> None:
    """Wait, whatever else is raised meanwhile."""
    while not is_over.is_set():
        try:
            is_over.wait()
        except BaseException:  # noqa: BLE001, S112 - one is raised afterwards
            continue
