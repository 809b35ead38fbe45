"""SIGINT and SIGTERM while a service blocks the main thread: the first stops it, the second ends.

A signal may come while the main thread holds any lock or is stuck in a C call. So the handler
itself does nothing: the interpreter writes the number of the signal to a pipe, and a thread that
waits there acts on it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class SignalHandlers:
    """Handles both signals within a `with` block, and puts the old handlers back.

    Outside the main thread it does nothing.

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
        self._watcher: threading.Thread | None = None

    def __enter__(self) -> SignalHandlers:
        if self._is_active:
            self._read_fd, self._write_fd = os.pipe()
            os.set_blocking(self._write_fd, False)
            self._watcher = threading.Thread(target=self._watch, name="signals", daemon=True)
            self._watcher.start()
            self._old_wakeup_fd = signal.set_wakeup_fd(self._write_fd, warn_on_full_buffer=False)
            for number in SIGNALS:
                self._old[number] = signal.signal(number, self._note_frame)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._is_active:
            return
        for number, old in self._old.items():
            # None: set by something that is not Python, and cannot be put back from here
            signal.signal(number, signal.SIG_DFL if old is None else old)
        signal.set_wakeup_fd(self._old_wakeup_fd)
        os.close(self._write_fd)
        if self._watcher is not None:
            self._watcher.join(1.0)
        self._frame = None

    def _note_frame(self, _signum: int, frame: FrameType | None) -> None:
        self._frame = frame

    def _watch(self) -> None:
        is_first = True
        with contextlib.closing(os.fdopen(self._read_fd, "rb", buffering=0)) as pipe:
            while numbers := pipe.read(64):
                for number in numbers:
                    if number not in SIGNALS:
                        continue
                    if not is_first:
                        # at once: whatever kept the graceful stop may keep an orderly exit as well
                        os._exit(128 + number)
                    is_first = False
                    frame = self._frame or _main_frame()
                    threading.Thread(
                        target=self._on_first, args=(number, frame), name="stop", daemon=True
                    ).start()


def _main_frame() -> FrameType | None:
    """Return where the main thread is: the handler has not been called there yet."""
    ident = threading.main_thread().ident
    return None if ident is None else sys._current_frames().get(ident)  # noqa: SLF001
