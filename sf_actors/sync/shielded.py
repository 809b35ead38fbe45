"""Shields calls from Ctrl-C and other exceptions of signal handlers, which would break them off.

Such an exception is raised in the main thread, wherever it is. So a call that must happen wholly or
not at all runs in another thread while the main thread waits. If it takes only a moment, it runs in
the main thread and the handlers are delayed, which saves a thread (the benchmark `lifecycle`).
"""

from __future__ import annotations

import signal
import sys
import threading
from contextvars import copy_context
from functools import partial
from itertools import compress, repeat
from operator import is_not
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from sf_actors.sync.event import LightEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import FrameType

    Handlers = Mapping[int, Callable[[int, FrameType | None], Any]]

T = TypeVar("T")

#: All signals except those that cannot be handled or that the program's own faults cause.
_SIGNALS: Final = sorted(
    signal.valid_signals()
    - {signal.SIGKILL, signal.SIGSTOP, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}
)

# The functions that `signal` wraps: its conversions to enums take longer than all else here.
_signal: Final[Any] = sys.modules.get("_signal", signal)
_handler_of: Final = _signal.getsignal
_set_handler: Final = _signal.signal


class _Outcome(Generic[T]):
    """A function that runs once, in the first thread to claim it, and its outcome."""

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self._claim = threading.Lock()
        self.is_over = LightEvent()
        self.result: Any = None
        self.error: BaseException | None = None

    def claim(self) -> bool:
        """Return True to the first caller, who may run the function or leave it alone."""
        return self._claim.acquire(blocking=False)

    def run(self) -> None:
        """Run the function, unless it was claimed."""
        if not self.claim():
            return
        try:
            self.result = self._function()
        except BaseException as error:  # noqa: BLE001 - raised in the waiting thread
            self.error = error
        self.is_over.set()

    def take(self) -> T:
        """Return the result of the function, or raise its exception."""
        error, self.error = self.error, None
        try:
            if error is not None:
                raise error
            result: T = self.result
            return result
        finally:
            del error


def shielded(
    function: Callable[[], T],
    undo: Callable[[T], object] | None = None,
    *,
    lend: Callable[[Callable[[], object]], bool] | None = None,
) -> T:
    """Call a function to its end; an exception of a signal handler is raised only afterwards.

    The function must end within a bounded time. Outside the main thread, or if the system has no
    thread left, it is simply called.

    :param undo: called with the result, if an exception of a signal handler replaces it
    :param lend: runs a function in a thread that is there, or returns False: a new one is started
    :raises BaseException: the exception of the function, or else of the signal handler
    """
    if threading.current_thread() is not threading.main_thread():
        return function()
    outcome = _Outcome(function)
    run_there = partial(copy_context().run, outcome.run)

    def hand_over() -> None:
        if lend is None or not lend(run_there):
            threading.Thread(target=run_there, name="shielded", daemon=True).start()

    try:
        # if it were broken off, it would leave the thread in a list for ever
        briefly_shielded(hand_over)
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
    """Call a function that takes only a moment, as `shielded` does, but with handlers delayed."""
    if threading.current_thread() is not threading.main_thread():
        return function()
    outcome = _Outcome(function)
    found = tuple(map(_handler_of, _SIGNALS))
    # most are the default, which are left out without a Python step
    is_set = map(is_not, found, repeat(_signal.SIG_DFL))
    some: Any = compress(zip(_SIGNALS, found, strict=True), is_set)
    handlers = {number: handler for number, handler in some if callable(handler)}
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
    """Put all handlers back; an exception of one that is already back is raised afterwards."""
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
    """Call the handlers of signals that came; then raise the last exception, if any."""
    raised = None
    for number, frame in came:
        try:
            handlers[number](number, frame)
        except BaseException as error:  # noqa: BLE001 - the others must be called too
            raised = error
    if raised is not None:
        raise raised


def _wait_until(is_over: LightEvent) -> None:
    """Wait to the end, whatever is raised meanwhile."""
    while not is_over.is_set():
        try:
            is_over.wait()
        except BaseException:  # noqa: BLE001, S112 - the first one is raised afterwards
            continue
