"""The console: writes to whatever `sys.stderr` is at the moment."""

from __future__ import annotations

import io
import os
import stat
import sys
from contextlib import suppress
from typing import Any, Final, TextIO

from sf_actors.errors import ServiceStopped
from sf_actors.log.line import bare_line
from sf_actors.log.outlet import Outlet
from sf_actors.log.rendering import to_json, to_text
from sf_actors.sync.locks import new_rlock

LAST_PATIENCE_S: Final = 1.0
"""How long the last text of a command may wait for the reader, in seconds."""

MARK: Final = b"\x1e"
"""The record separator of ASCII, which comes before each line after `Console.mark_lines`."""


class Console:
    """Writes lines to standard error; any thread.

    A pipe or terminal that nobody reads does not block writers for long (see `Outlet`).
    """

    def __init__(self) -> None:
        # Reentrant: a signal handler that logs may interrupt a write in its own thread.
        self._lock = new_rlock()
        self._outlet: tuple[tuple[int, int, int], Outlet] | None = None
        self._marked: tuple[int, int, int] | None = None

    def mark_lines(self) -> None:
        """Begin each line in the present pipe at descriptor 2 with `MARK`.

        Its reader can so tell a line from text before it without a newline, such as a progress bar.
        """
        found = os.fstat(2)
        self._marked = 2, found.st_dev, found.st_ino

    def renew(self) -> None:
        """Reset, in the child of a fork: another thread may have held the lock."""
        self._lock = new_rlock()
        self._outlet = None

    def write(self, line: dict[str, Any], encoded: str | None) -> None:
        """Write one line: coloured text on a terminal, else JSON.

        :param encoded: the line as JSON, if the caller has it already
        """
        stream = sys.stderr
        try:
            encoding = (getattr(stream, "encoding", None) or "utf-8").lower()
            if stream.isatty():
                text = to_text(line, colours="NO_COLOR" not in os.environ)
            elif encoded is not None and encoding == "utf-8":
                text = encoded
            else:
                text = to_json(line, ascii_only=encoding != "utf-8")
            self._put(stream, text, encoding, is_line=True)
        except ServiceStopped:
            raise
        except Exception:  # noqa: BLE001 - closed, broken or replaced: there is nowhere to report it
            return

    def write_last(self, text: str) -> None:
        """Write the text with which a command ends, for which a reader may take longer."""
        stream = sys.stderr
        with suppress(Exception):  # as above
            self._put(stream, text, getattr(stream, "encoding", None) or "utf-8", LAST_PATIENCE_S)

    def _put(
        self,
        stream: TextIO,
        text: str,
        encoding: str,
        patience_s: float | None = None,
        *,
        is_line: bool = False,
    ) -> None:
        packed = (text + "\n").encode(encoding, "backslashreplace")
        with self._lock:
            outlet = self._outlet_of(stream)
            if outlet is None:
                stream.write(packed.decode(encoding))
                stream.flush()
            else:
                if outlet.is_ready:
                    # first the output that others have buffered
                    stream.flush()
                if is_line and self._outlet is not None and self._outlet[0] == self._marked:
                    packed = MARK + packed
                outlet.write(packed, patience_s)

    def _outlet_of(self, stream: object) -> Outlet | None:
        """Return the outlet for a stream that may block, None for any other stream."""
        if not isinstance(stream, io.TextIOWrapper):
            return None
        try:
            fd = stream.fileno()
        except io.UnsupportedOperation:
            return None
        found = os.fstat(fd)
        mode = found.st_mode
        if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISCHR(mode)):
            return None
        key = (fd, found.st_dev, found.st_ino)
        if self._outlet is None or self._outlet[0] != key:
            self._outlet = key, Outlet(fd, _note_of_dropped)
        return self._outlet[1]


def _note_of_dropped(dropped: int) -> str:
    return to_json(bare_line("warning", None, "lines dropped: nobody read them", count=dropped))


CONSOLE = Console()
os.register_at_fork(after_in_child=CONSOLE.renew)


def write_to_console(line: dict[str, Any], encoded: str | None) -> None:
    """Write one line to the current standard error, see `Console.write`."""
    CONSOLE.write(line, encoded)
