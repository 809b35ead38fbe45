"""A flag that ends all waiting calls; threads can check it, poll it or be called back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sf_actors.sync.locks import new_lock
from sf_actors.sync.wakeup import Wakeup

if TYPE_CHECKING:
    from collections.abc import Callable


class Closing:
    """Tells waiting calls to give up, once and for all."""

    def __init__(self) -> None:
        self._lock = new_lock()
        self._is_set = False
        self._is_over = False
        self._functions: list[Callable[[], None]] = []
        self._wakeup: Wakeup | None = None

    def is_set(self) -> bool:
        """Return True once it is set; any thread."""
        return self._is_set

    def set(self) -> None:
        """Set it; any thread. A second call calls the functions again."""
        with self._lock:
            if self._is_over:
                return
            self._is_set = True
            for function in self._functions:
                function()
            if self._wakeup is not None:
                self._wakeup.set()

    def call(self, function: Callable[[], None]) -> None:
        """Have a function called right after it is set, in the thread that sets it; any thread."""
        self._functions.append(function)

    @property
    def fd(self) -> int:
        """A descriptor that is readable once it is set; for the thread that starts the service.

        It is created on first use.
        """
        if self._wakeup is None:
            self._wakeup = Wakeup()
        return self._wakeup.fd

    def close(self) -> None:
        """Free the descriptor, once nobody polls it any more; any thread."""
        with self._lock:
            self._is_over = True
            if self._wakeup is not None:
                self._wakeup.close()
