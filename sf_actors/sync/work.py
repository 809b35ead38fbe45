"""How much work a thread has done: processor time, which stands still while others run."""

from __future__ import annotations

from time import thread_time


class Work:
    """What the thread that makes it does from then on; for that thread."""

    def __init__(self) -> None:
        self._begun = thread_time()

    @property
    def spent_s(self) -> float:
        """Its processor time until now, in seconds."""
        return thread_time() - self._begun
