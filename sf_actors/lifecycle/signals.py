"""Signals while a service blocks the main thread: the first stops it, the second ends the process.

A signal counts when our handler is called, by the interpreter or by a handler of user code. But it
may come while the main thread is stuck in a C call, and then no handler is called. So the
interpreter also writes the number of each signal to a pipe, and a thread that waits there counts
those of a main thread that does not look.
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

#: How soon a main thread that is not stuck looks for signals, in seconds.
LOOKING_S = 0.05

#: Makes a blocking call of the main thread look up. Ignored by default, so a late one does no harm.
NUDGE: Final = signal.SIGURG

#: How long a thread of ours that has nothing left to do may take to end, in seconds.
ENDING_S = 1.0


class SignalHandlers:
    """Handles the signals within a `with` block, and puts the old handlers back.

    Outside the main thread it does nothing. In the child of a fork the old handlers are back at
    once: the child has no thread that waits at the pipe, and its signals are not the parent's.

    Both threads that it takes are there from the beginning: when a signal comes, the system may
    have none left.

    :param on_first: takes the number of the signal and the frame it came in; runs in a thread of
        its own
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
        #: a claim of each signal that may be missed: who acquires it first has it count, the thread
        #: that waits or our handler, should it be called after all
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
                # nohup's choice, and that of who starts a service in the background
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
            # None: set by something that is not Python, and cannot be put back from here
            signal.signal(number, signal.SIG_DFL if old is None else old)
        signal.set_wakeup_fd(self._old_wakeup_fd)

    def nudge(self) -> None:
        """Make a blocking call of the main thread, `time.sleep` say, see what is raised there.

        Any thread. What never looks for signals goes on.
        """
        ident = threading.main_thread().ident
        if self._is_active and NUDGE in self._old and ident is not None:
            signal.pthread_kill(ident, NUDGE)

    def _look_up(self, _signum: int, _frame: FrameType | None) -> None:
        # an exception that waits for the main thread is raised at its next call
        self._has_looked.set()

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        self._frame = frame
        # in this order: whoever has made a claim sees the call, or loses the claim
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
                    # at once: whatever kept the graceful stop may keep an orderly exit as well
                    os._exit(128 + signum)
                is_first = False
                self._first.put((signum, self._frame or _main_frame()))

    def _is_missed(self, signum: int) -> bool:
        """Return whether the main thread is stuck, so that our handler is not called."""
        if signal.getsignal(signum) != self._handle:
            return False
        claim = self._claims[signum] = threading.Lock()
        self._has_looked.clear()
        self.nudge()
        was_called = self._calls[signum] > self._seen[signum]
        if was_called or self._has_looked.wait(LOOKING_S):
            # it has called the handler, ours or that of user code
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
    """Lets the child of a fork have its signals to itself.

    They wait until its handlers are in place: one that comes before would be told to the parent.
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
    """Return where the main thread is: the handler has not been called there yet."""
    ident = threading.main_thread().ident
    return None if ident is None else sys._current_frames().get(ident)  # noqa: SLF001
