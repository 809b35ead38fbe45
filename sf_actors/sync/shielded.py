"""Calls that Ctrl-C, or what else a signal handler raises, does not break off half way.

Such an exception is raised in the main thread, wherever it is. So what must happen wholly or not at
all happens in another thread, and the main thread waits; or, where it takes a moment, the handlers
are put off until it is over, which spares the threads (the benchmark `lifecycle`).
"""

from __future__ import annotations

import signal
import sys
import threading
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from sf_actors.sync.event import LightEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import FrameType

    Handlers = Mapping[int, Callable[[int, FrameType | None], Any]]

T = TypeVar("T")

#: All but those that the program itself brings about.
_SIGNALS: Final = sorted(
    signal.valid_signals()
    - {signal.SIGKILL, signal.SIGSTOP, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}
)

# The functions that `signal` wraps: its conversions to enums take longer than all else here.
_signal: Final[Any] = sys.modules.get("_signal", signal)
_handler_of: Final = _signal.getsignal
_set_handler: Final = _signal.signal


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
    run_there = copy_context().run
    thread = threading.Thread(target=run_there, args=(outcome.run,), name="shielded", daemon=True)
    try:
        # broken off half way, it would leave the thread in a list for ever
        briefly_shielded(thread.start)
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


def briefly_shielded(function: Callable[[], T], undo: Callable[[T], object] | None = None) -> T:
    """Call a function that takes a moment, as `shielded` does, with the handlers put off."""
    if threading.current_thread() is not threading.main_thread():
        return function()
    outcome = _Outcome(function)
    found: Any = zip(_SIGNALS, map(_handler_of, _SIGNALS), strict=True)
    handlers = {number: handler for number, handler in found if callable(handler)}
    came: list[tuple[int, FrameType | None]] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append((number, frame))

    try:
        try:
            for number in handlers:
                _set_handler(number, note)
            copy_context().run(outcome.run)
        finally:
            _restore(handlers)
        _call_all(handlers, came)
    except BaseException:
        _restore(handlers)
        if not outcome.claim() and outcome.error is None and undo is not None:
            undo(outcome.result)
        raise
    return outcome.take()


def _restore(handlers: Handlers) -> None:
    """Put handlers in their places; what one raises that is there again comes afterwards."""
    left, raised = dict(handlers), None
    while left:
        try:
            while left:
                number = next(iter(left))
                _set_handler(number, left[number])
                del left[number]
        except BaseException as error:  # noqa: BLE001 - see above
            raised = error
    if raised is not None:
        raise raised


def _call_all(
    handlers: Handlers,
    came: list[tuple[int, FrameType | None]],
) -> None:
    """Call the handlers of signals that came; what the last one raises is raised."""
    raised = None
    for number, frame in came:
        try:
            handlers[number](number, frame)
        except BaseException as error:  # noqa: BLE001 - the others are to be called as well
            raised = error
    if raised is not None:
        raise raised


def _wait_until(is_over: LightEvent) -> None:
    """Wait, whatever else is raised meanwhile."""
    while not is_over.is_set():
        try:
            is_over.wait()
        except BaseException:  # noqa: BLE001, S112 - one is raised afterwards
            continue
