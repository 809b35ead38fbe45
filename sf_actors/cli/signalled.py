"""A descriptor that signals make readable, for loops that also wait for other descriptors."""

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
    """Yield a descriptor that becomes readable with a signal; in the main thread.

    Python runs signal handlers between instructions, so a signal right before a blocking wait would
    not end that wait. In other threads the descriptor never becomes readable.
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
