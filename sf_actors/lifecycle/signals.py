"""Signals while a service blocks the main thread: the first stops it, the second ends the process.

A signal counts when our handler is called, by the interpreter or by a handler of user code. But if
the main thread is stuck in a C call, no handler is called. So the interpreter also writes the
number of each signal to a pipe, and a thread that waits there counts the signals that the main
thread misses.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Self

from sf_actors.sync.event import LightEvent

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

#: Added to the number of a signal for which our handler was called.
_HANDLED: Final = 0x80

#: Time within which a main thread that is not stuck handles a signal, in seconds.
LOOKING_S = 0.05

#: Interrupts a blocking call of the main thread. Ignored by default, so a late one does no harm.
NUDGE: Final = signal.SIGURG

#: How long one of our threads may take to end when it has nothing left to do, in seconds.
ENDING_S = 1.0


class SignalHandlers:
    """Handles the signals within a `with` block, and then puts the old handlers back.

    Outside the main thread it does nothing. In the child of a fork the old handlers are put back at
    once: the child has no thread that waits at the pipe, and its signals are not the parent's.

    Both of its threads start at the beginning: when a signal comes, the system may have none left.

    :param on_first: called with the number of the first signal and the frame in which it came; runs
        in a thread of its own
    """

    def __init__(self, on_first: Callable[[int, FrameType | None], None]) -> None:
        self._on_first = on_first
        self._is_active = threading.current_thread() is threading.main_thread()
        self._old: dict[signal.Signals, Any] = {}
        self._old_wakeup_fd = -1
        self._frame: FrameType | None = None
        self._read_fd = self._write_fd = -1
        self._first: SimpleQueue[tuple[int, FrameType | None] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._has_looked = LightEvent()
        #: a lock for each signal that may be missed: the first to acquire it counts the signal, the
        #: waiting thread or our handler, if it is called after all
        self._claims: dict[int, threading.Lock] = {}
        #: how often our handler was called for each signal, and how many of these calls count
        self._calls: dict[int, int] = dict.fromkeys(SIGNALS, 0)
        self._seen: dict[int, int] = dict.fromkeys(SIGNALS, 0)

    def __enter__(self) -> Self:
        if self._is_active:
            self._read_fd, self._write_fd = os.pipe()
            os.set_blocking(self._write_fd, False)
            try:
                self._start_thread(self._act_on_first, name="stop")
                self._start_thread(self._watch, name="signals")
            except BaseException:
                self._end_threads()
                raise
            _active.append(self)
            self._old_wakeup_fd = signal.set_wakeup_fd(self._write_fd, warn_on_full_buffer=False)
            for number in SIGNALS:
                # leave an ignored SIGHUP alone: nohup does that, or whatever started the service
                if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                    self._old[number] = signal.signal(number, self._handle)
            if signal.getsignal(NUDGE) is signal.SIG_DFL:
                self._old[NUDGE] = signal.signal(NUDGE, self._look_up)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._is_active:
            return
        self.put_back()
        self._end_threads()
        self._frame = None

    def put_back(self) -> None:
        """Put the old handlers back; in the main thread."""
        self._is_active = False
        _active.remove(self)
        for number, old in self._old.items():
            # None: it was not set from Python, and cannot be put back from here
            signal.signal(number, signal.SIG_DFL if old is None else old)
        signal.set_wakeup_fd(self._old_wakeup_fd)

    def nudge(self) -> None:
        """Wake a blocking call of the main thread, such as `time.sleep`, to see a raised exception.

        Any thread. A call that never checks for signals goes on.
        """
        ident = threading.main_thread().ident
        if self._is_active and NUDGE in self._old and ident is not None:
            signal.pthread_kill(ident, NUDGE)

    def _look_up(self, _signum: int, _frame: FrameType | None) -> None:
        # an exception that waits for the main thread is raised at its next call
        self._has_looked.set()

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        self._frame = frame
        # in this order: a thread that has made a claim sees the call, or loses the claim
        self._calls[signum] += 1
        claim = self._claims.pop(signum, None)
        if self._is_active and (claim is None or claim.acquire(blocking=False)):
            os.write(self._write_fd, bytes((_HANDLED | signum,)))

    def _watch(self) -> None:
        is_first = True
        while came := os.read(self._read_fd, 64):
            for number in came:
                signum = number & ~_HANDLED
                if signum not in SIGNALS or not (number & _HANDLED or self._is_missed(signum)):
                    continue
                self._seen[signum] += 1
                if not is_first:
                    # at once: what blocked the graceful stop may block an orderly exit too
                    os._exit(128 + signum)
                is_first = False
                self._first.put((signum, self._frame or _main_frame()))

    def _is_missed(self, signum: int) -> bool:
        """Return True if the main thread is stuck, so that our handler is not called."""
        if signal.getsignal(signum) != self._handle:
            return False
        claim = self._claims[signum] = threading.Lock()
        self._has_looked.clear()
        self.nudge()
        was_called = self._calls[signum] > self._seen[signum]
        if was_called or self._has_looked.wait(LOOKING_S):
            # it has called a handler, ours or that of user code
            self._claims.pop(signum, None)
            return False
        return claim.acquire(blocking=False)

    def _act_on_first(self) -> None:
        first = self._first.get()
        if first is not None:
            self._on_first(*first)

    def _start_thread(self, function: Callable[[], None], *, name: str) -> None:
        thread = threading.Thread(target=function, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _end_threads(self) -> None:
        """End both threads, the one that waits for a signal and the one that acts on it."""
        os.close(self._write_fd)
        self._first.put(None)
        for thread in self._threads:
            thread.join(ENDING_S)
        os.close(self._read_fd)


_active: Final[list[SignalHandlers]] = []


class _Fork(threading.local):
    """Gives the child of a fork its own signals.

    They are blocked until its handlers are in place: an earlier one would reach the parent's pipe.
    """

    def __init__(self) -> None:
        self._mask: set[int] | None = None

    def before(self) -> None:
        if _active:
            self._mask = set(signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS))

    def in_parent(self) -> None:
        mask, self._mask = self._mask, None
        if mask is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def in_child(self) -> None:
        for handlers in _active:
            handlers.put_back()
        self.in_parent()


_fork: Final = _Fork()
os.register_at_fork(
    before=lambda: _fork.before(),  # noqa: PLW0108 - each thread has its own
    after_in_parent=lambda: _fork.in_parent(),  # noqa: PLW0108
    after_in_child=lambda: _fork.in_child(),  # noqa: PLW0108
)


def _main_frame() -> FrameType | None:
    """Return the current frame of the main thread, for a signal whose handler was not called."""
    ident = threading.main_thread().ident
    return None if ident is None else sys._current_frames().get(ident)  # noqa: SLF001
