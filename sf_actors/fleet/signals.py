"""Handles the signals that end a fleet while it runs."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def taken(waking: int, note: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Handle the signals within the block, except those that are ignored; in the main thread.

    :param waking: a descriptor that is written to at each signal; -1: none
    :param note: the signal handler
    """
    old = {number: signal.getsignal(number) for number in SIGNALS}
    old_waking = signal.set_wakeup_fd(waking, warn_on_full_buffer=False)
    try:
        for number, handler in old.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, note)
        yield
    finally:
        signal.set_wakeup_fd(old_waking)
        for number, handler in old.items():
            signal.signal(number, handler)
