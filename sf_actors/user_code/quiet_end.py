"""Threads of user code that end by `ServiceStopped` do so without a word."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from sf_actors.errors import ServiceStopped

if TYPE_CHECKING:
    from collections.abc import Callable


class QuietEnd:
    """Stands before the process's hook for what ends a thread, from the first run on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next: Callable[[threading.ExceptHookArgs], object] | None = None

    def stand_by(self) -> None:
        """Take the place of the hook, once in a process; any thread."""
        with self._lock:
            if self._next is None:
                self._next, threading.excepthook = threading.excepthook, self._on_end

    def _on_end(self, ended: threading.ExceptHookArgs, /) -> None:
        if self._next is not None and not issubclass(ended.exc_type, ServiceStopped):
            self._next(ended)


QUIET_END = QuietEnd()
