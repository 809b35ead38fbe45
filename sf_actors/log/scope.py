"""The outputs of one service's lines: its levels and its file."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec import UNSET, UnsetType

from sf_actors.errors import UsageError
from sf_actors.log.console import write_to_console
from sf_actors.log.current import SCOPE, THREAD_STARTS, Runs, Scope
from sf_actors.log.level import OFF, parse_level, shown_level
from sf_actors.log.line import bare_line
from sf_actors.log.open_scopes import OPEN_SCOPES
from sf_actors.log.rendering import to_json
from sf_actors.sync.locks import new_rlock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextvars import Token
    from os import PathLike

    from sf_actors.log.file import LogFile


#: Functions that are called with the level and the fields of each written line; for tests.
LISTENERS: list[Callable[[int, dict[str, Any]], None]] = []


class LogScope:
    """The outputs for the lines of one run of a service; opened at its start, closed at its end.

    :param name: the service's name in each line; None for lines outside any service
    :param console_level: the lowest level that goes to standard error
    :param log_path: the file to write to; its folder is created
    :param file_level: the lowest level that goes to the file
    :param backup_count: hourly files to keep; 0 keeps all
    :param runs: the other runs of the same service
    :raises UsageError: an unknown level, or a file that cannot be opened
    """

    def __init__(
        self,
        name: str | None,
        *,
        console_level: str | int | None = "INFO",
        log_path: str | PathLike[str] | None = None,
        file_level: str | int | None = "INFO",
        backup_count: int = 24,
        runs: Runs | None = None,
    ) -> None:
        self.name = name
        self.runs = runs or Runs()
        self._console_level = parse_level(console_level, where="console_loglevel")
        self._file_level = parse_level(file_level, where="file_loglevel")
        if not isinstance(backup_count, int) or isinstance(backup_count, bool) or backup_count < 0:
            raise UsageError(f"backup_count: expected a number from 0 on, got {backup_count!r}")
        self._file: LogFile | None = None
        self._file_trouble = False
        self._closing = new_rlock()
        if log_path is not None and self._file_level != OFF:
            from sf_actors.log.file import LogFile  # noqa: PLC0415 - imports sockets and pickle

            self._file = LogFile.open(log_path, backup_count)
        self.threshold = self._lowest()
        self._closed = name is None
        if not self._closed:
            THREAD_STARTS.watch()
            OPEN_SCOPES.add(self)
            self.runs.begin(self)

    def __repr__(self) -> str:
        return f"<LogScope {self.name!r}>"

    def _lowest(self) -> int:
        return min(self._console_level, OFF if self._file is None else self._file_level)

    def close(self) -> None:
        """Close the file; later lines of the service go only to the console; any thread."""
        with self._closing:
            file, self._file = self._file, None
            self.threshold = self._lowest()
            was_closed, self._closed = self._closed, True
        if not was_closed:
            THREAD_STARTS.unwatch()
            OPEN_SCOPES.remove(self)
        if file is not None:
            file.close()

    @property
    def log_file(self) -> str | None:
        """The path of the present log file, if there is one."""
        file = self._file
        return None if file is None else file.path

    @property
    def levels(self) -> tuple[str | int | None, str | int | None]:
        """The levels of the console and of the file by their names; None: no lines, or no file."""
        file = None if self._file is None else self._file_level
        return shown_level(self._console_level), None if file is None else shown_level(file)

    def set_levels(
        self, console: str | int | UnsetType | None, file: str | int | UnsetType | None
    ) -> None:
        """Change the given levels; any thread.

        :raises UsageError: an unknown level, or there is no file
        """
        console_level, file_level = self._console_level, self._file_level
        if console is not UNSET:
            console_level = parse_level(console, where="console")
        if file is not UNSET:
            file_level = parse_level(file, where="file")
            if self._file is None:
                raise UsageError(f"file: {self.name} writes no log file; run it with one")
        with self._closing:
            self._console_level, self._file_level = console_level, file_level
            self.threshold = self._lowest()

    @contextmanager
    def entered(self) -> Iterator[LogScope]:
        """Assign lines of the current context to this service while the block runs."""
        token = self.enter()
        try:
            yield self
        finally:
            self.leave(token)

    def enter(self) -> Token[Scope | None]:
        """Do the same as `entered`, without a block; returns the token for `leave`."""
        return SCOPE.set(self)

    def leave(self, token: Token[Scope | None]) -> None:
        """Undo `enter`, in the same context."""
        SCOPE.reset(token)

    def adopt(self) -> None:
        """Assign all further lines of the current thread to this service."""
        SCOPE.set(self)

    def write(self, level: int, line: dict[str, Any]) -> None:
        """Write a line to the console and the file, by their levels; any thread."""
        encoded = None
        file = self._file
        if file is not None and level >= self._file_level:
            encoded = to_json(line)
            self._report_once(file.write(encoded))
        if level >= self._console_level:
            write_to_console(line, encoded)
        for listen in LISTENERS:
            listen(level, line)

    def _report_once(self, trouble: OSError | None) -> None:
        was_reported, self._file_trouble = self._file_trouble, trouble is not None
        if trouble is not None and not was_reported:
            event = "log file cannot be written"
            write_to_console(bare_line("error", self.name, event, reason=str(trouble)), None)


def scopes_of_one_service(**options: Any) -> Callable[..., LogScope]:
    """Return what makes the scope of each run of a service, from its name and its other options."""
    return partial(LogScope, runs=Runs(), **options)


NOT_A_SERVICE = LogScope(None)
"""The scope of a line from outside any service."""
