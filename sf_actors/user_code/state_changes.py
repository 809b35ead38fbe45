"""Notifies waiting threads of changes of states."""

from __future__ import annotations

from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

from sf_actors.errors import ServiceStopped
from sf_actors.sync.event import LightEvent
from sf_actors.sync.forks import FORKS

if TYPE_CHECKING:
    from collections.abc import Callable


class StateChanges:
    """Wakes the threads that wait for states; any thread.

    Like `LightEvent` it has no lock: each change of a list is one atomic step.
    """

    __slots__ = ("_callbacks", "_is_over", "_waiting", "forks")

    def __init__(self) -> None:
        #: the count of forks, by which the child of one is recognised
        self.forks = FORKS.count
        self._is_over = False
        self._waiting: list[LightEvent] = []
        self._callbacks: list[Callable[[], None]] = []

    def notify(self) -> None:
        """Notify that a value or status may have changed; HOT: mostly nobody waits."""
        if self._waiting:
            for event in self._waiting.copy():
                event.set()
        if self._callbacks:
            for callback in self._callbacks.copy():
                callback()

    def end(self) -> None:
        """End all waits, now and later, since the service stops."""
        self._is_over = True
        self.notify()

    def add_callback(self, function: Callable[[], None]) -> None:
        """Call a function at each change from now on, in the thread that makes the change."""
        self._callbacks.append(function)

    def remove_callback(self, function: Callable[[], None]) -> None:
        """Stop calling a function; does nothing if it is not called."""
        with suppress(ValueError):
            self._callbacks.remove(function)

    def wait_until(self, is_so: Callable[[], bool], timeout_s: float | None) -> bool:
        """Wait until `is_so` returns True; return False if it does not in time.

        :raises ServiceStopped: the service stops
        """
        until = None if timeout_s is None else monotonic() + timeout_s
        changed = LightEvent()
        self._waiting.append(changed)
        try:
            while True:
                changed.clear()
                if self._is_over:
                    raise ServiceStopped("the service is stopping: it no longer waits for states")
                if is_so():
                    return True
                left_s = None if until is None else until - monotonic()
                if left_s is not None and left_s <= 0:
                    return False
                changed.wait(left_s)
        finally:
            self._waiting.remove(changed)
