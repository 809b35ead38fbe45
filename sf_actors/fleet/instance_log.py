"""Sorts the output of an instance into its log file and the lines that `up` shows."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from sf_actors.errors import UsageError
from sf_actors.log.console import MARK
from sf_actors.log.file import LogFile
from sf_actors.log.level import INFO, parse_level
from sf_actors.log.rendering import to_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sf_actors.fleet.fleet import FleetService

#: How many of the last lines are kept, to be shown if the instance fails.
LAST: Final = 10


def log_path(folder: Path, name: str) -> Path:
    """Return the path of an instance's log file, for a fleet's folder."""
    return folder / "logs" / f"{name}.log"


class InstanceLog:
    """The lines of one instance; one thread.

    :param name: of the instance
    :param folder: of the fleet
    :param show: takes the name and each line to be shown
    :raises UsageError: the file cannot be written
    """

    def __init__(
        self,
        name: str,
        service: FleetService,
        folder: Path,
        show: Callable[[str, dict[str, Any]], None],
    ) -> None:
        self._name = name
        self._show = show
        self._path = log_path(folder, name)
        self._service = service
        self._file = LogFile.open(self._path, service.backup_count)
        self._is_broken = False
        self.last: deque[dict[str, Any]] = deque(maxlen=LAST)
        self._take_levels(service)

    def follow(self, service: FleetService) -> None:
        """Use the levels and the file settings of a service from now on.

        :raises UsageError: the file cannot be written
        """
        if service.backup_count != self._service.backup_count:
            self._file.close()
            self._file = LogFile.open(self._path, service.backup_count)
        self._service = service
        self._take_levels(service)

    def _take_levels(self, service: FleetService) -> None:
        self._shown_level = _level(service.loglevel)
        self._file_level = _level(service.file_loglevel)
        #: with equal levels the instance itself does the filtering, so that `loglevel` can change
        #: its level while it runs
        self._filters = self._shown_level != self._file_level

    def take(self, stream: str, raw: bytes, *, is_shown: bool = False) -> None:
        """Take a line that the instance has printed to `stdout` or `stderr`.

        :param is_shown: it was already shown
        """
        text_before, mark, marked = raw.rpartition(MARK)
        line = _parsed(marked)
        if line is not None and mark:
            raw = marked
            if text_before:
                self._write(self._printed(stream, text_before), None, is_shown=is_shown)
        if line is None:
            self._write(self._printed(stream, raw), None, is_shown=is_shown)
        else:
            self._write(line, raw.decode(), is_shown=is_shown)

    def note(self, text: str) -> None:
        """Write a warning of `up` about the instance to its file."""
        line = {**self._head("warning", text), "logger": "up"}
        self._file.write(to_json(line))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _printed(self, stream: str, raw: bytes) -> dict[str, Any]:
        text = raw.decode("utf-8", "backslashreplace").rstrip("\r")
        return {**self._head("info", text), "stream": stream}

    def _head(self, level: str, event: str) -> dict[str, Any]:
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        return {"timestamp": now, "level": level, "event": event, "service": self._name}

    def _write(self, line: dict[str, Any], packed: str | None, *, is_shown: bool) -> None:
        level = _level(line["level"]) if self._filters else 0
        self.last.append(line)
        if not self._filters or level >= self._file_level:
            error = self._file.write(packed if packed is not None else to_json(line))
            if error is not None and not self._is_broken:
                self._is_broken = True
                text = f"its log file cannot be written: {error.strerror}"
                self._show(self._name, self._head("warning", text))
        if not is_shown and (not self._filters or level >= self._shown_level):
            self._show(self._name, line)


def _parsed(raw: bytes) -> dict[str, Any] | None:
    """Parse a line of one of our loggers; None for any other line."""
    if not raw.startswith(b'{"timestamp": '):
        return None
    try:
        line = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    is_ours = all(isinstance(line.get(key), str) for key in ("timestamp", "level", "event"))
    return line if is_ours else None


def _level(name: str | None) -> int:
    if name is None:
        return INFO
    try:
        return parse_level(name.removeprefix("level "), where="level")
    except UsageError:
        return INFO
