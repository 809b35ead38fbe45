"""Writes lines to a descriptor that may block, such as a pipe, a terminal or a socket."""

from __future__ import annotations

import os
import select
from time import monotonic
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_S: Final = 0.1
"""How long a line may wait for the reader, in seconds; after a timeout, lines do not wait."""

PIECE: Final = select.PIPE_BUF
"""How many bytes a writable pipe takes without blocking (POSIX, write)."""

MOST_LATE: Final = 100
"""How many lines signal handlers may write while another line is being written."""


class Outlet:
    """Writes lines without ever blocking for long; one thread at a time.

    A line that is not read in time is dropped and counted; a line that was partly written is
    completed first. When the reader comes back, a line says how many were dropped.

    :param note_of: returns that line for a number, without a newline
    """

    def __init__(self, fd: int, note_of: Callable[[int], str]) -> None:
        self._fd = fd
        self._note_of = note_of
        self._ready = select.poll()
        self._ready.register(fd, select.POLLOUT)
        self._rest = b""
        self._dropped = 0
        self._is_stuck = False
        self._is_writing = False
        self._late: list[bytes] = []

    @property
    def is_ready(self) -> bool:
        """True if a write would not block now."""
        return self._can_take(0.0)

    def write(self, line: bytes, patience_s: float | None = None) -> None:
        """Write a line with its newline, or drop it.

        :param patience_s: how long it may wait for the reader, even if lines before it were dropped
        :raises OSError: the descriptor is closed, or its reader is gone
        """
        if self._is_writing:
            # called from a signal handler that interrupted a write
            if len(self._late) < MOST_LATE:
                self._late.append(line)
            else:
                self._dropped += 1
            return
        self._is_writing = True
        try:
            self._write(line, patience_s)
            while self._late:
                self._write(self._late.pop(0))
        finally:
            self._is_writing = False

    def _write(self, line: bytes, patience_s: float | None = None) -> None:
        if patience_s is None:
            patience_s = 0.0 if self._is_stuck else PATIENCE_S
        until = monotonic() + patience_s
        rest, self._rest = self._rest, b""
        if rest:
            self._rest = self._put(rest, until)
            if self._rest:
                self._dropped += 1
                return
        if self._dropped and self._can_take(0.0):
            note, self._dropped = self._note_of(self._dropped), 0
            line = note.encode() + b"\n" + line
        left = self._put(line, until)
        if len(left) == len(line):
            self._dropped += line.count(b"\n")
        else:
            self._rest = left

    def _put(self, data: bytes, until: float) -> bytes:
        """Write as much as possible until a time; returns the rest."""
        while data:
            if not self._can_take(until - monotonic()):
                self._is_stuck = True
                return data
            data = data[os.write(self._fd, data[:PIECE]) :]
        self._is_stuck = False
        return data

    def _can_take(self, seconds: float) -> bool:
        found = self._ready.poll(max(0, int(seconds * 1000)))
        # also True for errors, which the write will raise
        return bool(found)
