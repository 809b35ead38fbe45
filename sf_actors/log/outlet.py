"""A descriptor that lines are written to and that may take none: a pipe, a terminal, a socket."""

from __future__ import annotations

import os
import select
from time import monotonic
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_S: Final = 0.1
"""How long a line may wait until its reader takes it; those after it do not wait at all."""

PIECE: Final = select.PIPE_BUF
"""Bytes that a pipe takes at once if it takes any (POSIX, write)."""

MOST_LATE: Final = 100
"""Lines that a signal handler may write while another is being written."""


class Outlet:
    """Writes lines without ever waiting for long; for one thread at a time.

    A line that nobody takes in time is dropped and counted; of one that was begun the rest is
    written first. When the reader comes back, a line tells how many were dropped.

    :param tell: makes the line that tells so, without a newline
    """

    def __init__(self, fd: int, tell: Callable[[int], str]) -> None:
        self._fd = fd
        self._tell = tell
        self._ready = select.poll()
        self._ready.register(fd, select.POLLOUT)
        self._rest = b""
        self._dropped = 0
        self._is_stuck = False
        self._is_writing = False
        self._late: list[bytes] = []

    @property
    def is_ready(self) -> bool:
        """Whether it takes something now."""
        return self._can_take(0.0)

    def write(self, line: bytes) -> None:
        """Write a line with its newline, or drop it.

        :raises OSError: the descriptor is closed or its reader gone
        """
        if self._is_writing:
            # a signal handler has come in between
            if len(self._late) < MOST_LATE:
                self._late.append(line)
            else:
                self._dropped += 1
            return
        self._is_writing = True
        try:
            self._write(line)
            while self._late:
                self._write(self._late.pop(0))
        finally:
            self._is_writing = False

    def _write(self, line: bytes) -> None:
        until = monotonic() + (0.0 if self._is_stuck else PATIENCE_S)
        rest, self._rest = self._rest, b""
        if rest:
            self._rest = self._put(rest, until)
            if self._rest:
                self._dropped += 1
                return
        if self._dropped and self._can_take(0.0):
            note, self._dropped = self._tell(self._dropped), 0
            line = note.encode() + b"\n" + line
        left = self._put(line, until)
        if len(left) == len(line):
            self._dropped += line.count(b"\n")
        else:
            self._rest = left

    def _put(self, data: bytes, until: float) -> bytes:
        """Write as much as is taken until then; return the rest."""
        while data:
            if not self._can_take(until - monotonic()):
                self._is_stuck = True
                return data
            data = data[os.write(self._fd, data[:PIECE]) :]
        self._is_stuck = False
        return data

    def _can_take(self, seconds: float) -> bool:
        found = self._ready.poll(max(0, int(seconds * 1000)))
        # an error is for the write to raise
        return bool(found)
