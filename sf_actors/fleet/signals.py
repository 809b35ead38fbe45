"""The signals that end a fleet, as long as it runs."""

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
    """Take the signals for as long as the block lasts, but for those that are ignored.

    In the main thread.

    :param waking: a descriptor that is written to when one comes; -1: none
    :param note: handles each
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
