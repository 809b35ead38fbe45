"""A flag that threads wait for, for the many of which most are never waited for."""

from __future__ import annotations

import threading


class LightEvent:
    """Does what a `threading.Event` does, faster and smaller as long as nobody waits.

    It has no lock of its own: a signal handler or an exception that is raised in a thread from
    outside may come at any place and leaves nothing locked. What it saves is a row of the benchmark
    `shortcuts`.
    """

    __slots__ = ("_is_set", "_waiting")

    def __init__(self, *, is_set: bool = False) -> None:
        self._is_set = is_set
        #: one lock for each thread that waits, held until it may go on
        self._waiting: list[threading.Lock] = []

    def is_set(self) -> bool:
        """Return whether it is set."""
        return self._is_set

    def set(self) -> None:
        """Set it and let all go on who wait; any thread."""
        # before it looks who waits: who comes later looks whether it is set
        self._is_set = True
        while self._waiting:
            try:
                gate = self._waiting.pop()
            except IndexError:
                return  # another thread sets it as well
            gate.release()

    def clear(self) -> None:
        """Let it be unset again; any thread."""
        self._is_set = False

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it is set; any thread.

        :param timeout_s: None: for ever
        :returns: False when the time is over and it is not set
        """
        if self._is_set:
            return True
        gate = threading.Lock()
        gate.acquire()
        self._waiting.append(gate)
        if self._is_set or gate.acquire(timeout=-1 if timeout_s is None else max(0, timeout_s)):
            return True
        try:
            self._waiting.remove(gate)
        except ValueError:
            return True  # it was set right now
        return False
