"""Measures a thread's work in processor time, which excludes the time of other threads."""

from __future__ import annotations

from time import thread_time


class CpuTime:
    """The work of the current thread from now on; for use in that thread."""

    def __init__(self) -> None:
        self._begun = thread_time()

    @property
    def spent_s(self) -> float:
        """The processor time so far, in seconds."""
        return thread_time() - self._begun
