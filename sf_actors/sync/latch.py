"""A latch: a thread waits until several others have arrived."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from sf_actors.sync.event import LightEvent
from sf_actors.sync.locks import new_lock

if TYPE_CHECKING:
    from collections.abc import Callable


class Latch:
    """Waits for names; any thread may arrive.

    If a signal handler raises in a waiting thread, nothing stays locked, as it might with a
    `threading.Condition`.

    :param names: the expected names
    """

    def __init__(self, names: set[str]) -> None:
        self._pending = set(names)
        self._errors: list[BaseException] = []
        self._lock = new_lock()
        #: an event for each waiting thread, set when it must look again
        self._changed: list[LightEvent] = []

    def arrive(self, name: str, error: BaseException | None = None) -> None:
        """Note that `name` has arrived, or failed with `error`; a second call does nothing."""
        with self._lock:
            if name not in self._pending:
                return
            self._pending.discard(name)
            if error is not None:
                self._errors.append(error)
            changed, self._changed = self._changed, []
        for event in changed:
            event.set()

    def wait_for(self, names: set[str], timeout_s: float) -> set[str]:
        """Wait until these names have arrived or failed, at most `timeout_s`.

        :returns: the names that have not
        """
        self._wait_until(lambda: not self._pending & names, timeout_s)
        with self._lock:
            return self._pending & names

    def wait(self, timeout_s: float) -> set[str]:
        """Wait until all have arrived or one has failed.

        :returns: the names that have not arrived in time
        :raises BaseException: the error of the first one that failed
        """
        self._wait_until(lambda: bool(self._errors) or not self._pending, timeout_s)
        with self._lock:
            if self._errors:
                raise self._errors[0]
            return set(self._pending)

    def _wait_until(self, is_reached: Callable[[], bool], timeout_s: float) -> None:
        deadline = monotonic() + timeout_s
        while (left_s := deadline - monotonic()) > 0:
            event = LightEvent()
            with self._lock:
                if is_reached():
                    return
                self._changed.append(event)
            event.wait(left_s)
