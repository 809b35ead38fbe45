"""Splits standard output and error of a process by the instance whose code prints each line."""

from __future__ import annotations

import io
import sys
import threading
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, TextIO

from sf_actors.log.current import current_scope
from sf_actors.sync.locks import new_rlock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from _typeshed import ReadableBuffer

#: The instance that one of our threads works for, outside the code of its service.
INSTANCE: ContextVar[str | None] = ContextVar("sf_actors_instance", default=None)

#: A line without end is passed on in parts of this many characters.
_LONGEST: Final = 1024 * 1024


@contextmanager
def split_streams(take: Callable[[str, str, str, bool], None]) -> Iterator[None]:
    """Pass each printed line to `take`, with the instance whose code prints it.

    On a terminal, standard output is also shown at once, for instance a debugger's prompt. Output
    that belongs to no instance goes to the real stream as before.

    :param take: takes instance, stream, line, and if it was already shown; one call at a time
    """
    old = sys.stdout, sys.stderr
    lock = new_rlock()
    sys.stdout = _Split("stdout", old[0], take, lock)
    sys.stderr = _Split("stderr", old[1], take, lock)
    try:
        yield
    finally:
        for split in (sys.stdout, sys.stderr):
            if isinstance(split, _Split):
                split.end()
        sys.stdout, sys.stderr = old


class _Split(io.TextIOBase):
    """A text stream that is split; any thread."""

    encoding = "utf-8"
    errors = "backslashreplace"
    mode = "w"
    line_buffering = write_through = True

    def __init__(
        self,
        name: str,
        real: TextIO,
        take: Callable[[str, str, str, bool], None],
        lock: threading.RLock,
    ) -> None:
        self.name = f"<{name}>"
        self.buffer = _Bytes(self)
        self._stream = name
        self._real = real
        self._take = take
        self._lock = lock
        self._is_shown = name == "stdout" and real.isatty()
        self._begun: dict[tuple[int, str], str] = {}

    def writable(self) -> bool:
        """Return True."""
        return True

    def reconfigure(self, **_how: object) -> None:
        """Do nothing: it stays UTF-8 and line-buffered."""

    def fileno(self) -> int:
        """Return the descriptor of the real stream."""
        return self._real.fileno()

    def write(self, text: str) -> int:
        """Write text for the instance whose code this thread runs, if it runs any."""
        scope = current_scope()
        instance = INSTANCE.get() if scope is None else scope.name
        if instance is None:
            self._real.write(text)
            self._real.flush()
            return len(text)
        with self._lock:
            if self._is_shown:
                self._real.write(text)
                self._real.flush()
            key = threading.get_ident(), instance
            *lines, rest = (self._begun.pop(key, "") + text).split("\n")
            for line in lines:
                self._take(instance, self._stream, line, self._is_shown)
            if len(rest) > _LONGEST:
                self._take(instance, self._stream, rest, self._is_shown)
            elif rest:
                self._begun[key] = rest
        return len(text)

    def flush(self) -> None:
        """Flush the real stream."""
        self._real.flush()

    def end(self) -> None:
        """Pass on the lines that have no newline yet."""
        with self._lock:
            for (_, instance), rest in self._begun.items():
                self._take(instance, self._stream, rest, self._is_shown)
            self._begun.clear()


class _Bytes(io.BufferedIOBase):
    """The `buffer` of a split stream, which takes bytes; any thread."""

    def __init__(self, split: _Split) -> None:
        self._split = split

    def writable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the descriptor of the real stream."""
        return self._split.fileno()

    def write(self, data: ReadableBuffer) -> int:
        """Write bytes as text."""
        packed = bytes(data)
        self._split.write(packed.decode("utf-8", "backslashreplace"))
        return len(packed)

    def flush(self) -> None:
        """Flush the real stream."""
        self._split.flush()
