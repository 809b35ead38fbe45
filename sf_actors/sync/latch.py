"""A latch: a thread waits until several others have arrived."""

from __future__ import annotations

import threading


class Latch:
    """Waits for names; any thread may arrive.

    :param names: the expected names
    """

    def __init__(self, names: set[str]) -> None:
        self._pending = set(names)
        self._errors: list[BaseException] = []
        self._changed = threading.Condition()

    def arrive(self, name: str, error: BaseException | None = None) -> None:
        """Note that `name` has arrived, or failed with `error`; a second call does nothing."""
        with self._changed:
            if name not in self._pending:
                return
            self._pending.discard(name)
            if error is not None:
                self._errors.append(error)
            self._changed.notify_all()

    def wait_for(self, names: set[str], timeout_s: float) -> None:
        """Wait until these names have arrived or failed, or the time is over."""
        with self._changed:
            self._changed.wait_for(lambda: not self._pending & names, timeout_s)

    def wait(self, timeout_s: float) -> set[str]:
        """Wait until all have arrived or one has failed.

        :returns: the names that have not arrived in time
        :raises BaseException: the error of the first one that failed
        """
        with self._changed:
            self._changed.wait_for(lambda: self._errors or not self._pending, timeout_s)
            if self._errors:
                raise self._errors[0]
            return set(self._pending)
