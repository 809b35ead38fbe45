"""A descriptor that tells of signals, for who waits for other things as well."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def signalled() -> Iterator[int]:
    """Give a descriptor that is readable once a signal came; in the main thread.

    One that comes right before a wait begins would not end it: Python's handlers run between
    instructions alone. In another thread it never is.
    """
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    is_main = threading.current_thread() is threading.main_thread()
    previous = signal.set_wakeup_fd(writing, warn_on_full_buffer=False) if is_main else -1
    try:
        yield reading
    finally:
        if is_main:
            signal.set_wakeup_fd(previous)
        os.close(reading)
        os.close(writing)
