"""Lets threads of user code end by `ServiceStopped` without a traceback."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from sf_actors.errors import ServiceStopped
from sf_actors.sync.locks import new_lock

if TYPE_CHECKING:
    from collections.abc import Callable


class QuietEnd:
    """Wraps the process's `threading.excepthook`, from the first run on."""

    def __init__(self) -> None:
        self._lock = new_lock()
        self._next: Callable[[threading.ExceptHookArgs], object] | None = None

    def stand_by(self) -> None:
        """Install the wrapper, once per process; any thread."""
        with self._lock:
            if self._next is None:
                self._next, threading.excepthook = threading.excepthook, self._on_end

    def _on_end(self, ended: threading.ExceptHookArgs, /) -> None:
        if self._next is not None and not issubclass(ended.exc_type, ServiceStopped):
            self._next(ended)


QUIET_END = QuietEnd()
