"""Reads the log files of a fleet's instances: past lines merged by time, then new ones."""

from __future__ import annotations

import heapq
import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from sf_actors.cli.stderr import report
from sf_actors.fleet.channel import Lines
from sf_actors.wording import reason_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path


class Found(NamedTuple):
    """A line of a log file; lines sort by time.

    :ivar raw: the line as written in the file
    """

    timestamp: str
    name: str
    line: dict[str, Any]
    raw: str


def names_in(folder: Path) -> list[str]:
    """Return the instances that have log files."""
    return sorted(path.name.removesuffix(".log") for path in folder.glob("*.log"))


class FleetLogs:
    """Reads the log files of a folder; one thread.

    :param is_wanted: takes an instance's name, and says if its lines are wanted
    """

    def __init__(self, folder: Path, is_wanted: Callable[[str], bool]) -> None:
        self._folder = folder
        self._is_wanted = is_wanted
        self._tails: dict[str, _Tail] = {}

    def written(self) -> Iterator[Found]:
        """Yield the lines written so far, of rotated files too, merged by time."""
        names = [name for name in names_in(self._folder) if self._is_wanted(name)]
        for name in names:
            self._tails[name] = _Tail(self._folder, name)
        return heapq.merge(*(self._all_of(name) for name in names), key=lambda one: one.timestamp)

    def new(self) -> list[Found]:
        """Return the lines since the last call, by time; all lines of a new instance."""
        for name in names_in(self._folder):
            if name not in self._tails and self._is_wanted(name):
                self._tails[name] = _Tail(self._folder, name)
        found = [one for tail in self._tails.values() for one in tail.new()]
        return sorted(found, key=lambda one: one.timestamp)

    def close(self) -> None:
        """Close the files."""
        for tail in self._tails.values():
            tail.close()

    def _all_of(self, name: str) -> Iterator[Found]:
        path = self._folder / f"{name}.log"
        for aside in sorted(self._folder.glob(f"{path.name}.*")):
            try:
                with aside.open("rb") as file:
                    yield from _parsed(name, file)
            except OSError as error:
                report(f"{aside}: {reason_of(error)}")
        yield from self._tails[name].new()


class _Tail:
    """Follows one log file, across its rotations."""

    def __init__(self, folder: Path, name: str) -> None:
        self._path = folder / f"{name}.log"
        self._name = name
        self._lines = Lines()
        self._file: BinaryIO | None = None

    def new(self) -> Iterator[Found]:
        """Yield the complete lines that were written since the last call."""
        if self._file is None:
            with suppress(OSError):
                self._file = self._path.open("rb")
        while self._file is not None:
            is_last = not self._was_put_aside()
            # what is written meanwhile is for the next call: it may be more than can be read
            left = max(0, os.fstat(self._file.fileno()).st_size - self._file.tell())
            while piece := self._file.read(min(65536, left) if is_last else 65536):
                left -= len(piece)
                yield from _parsed(self._name, self._lines.add(piece))
            if is_last:
                return
            self.close()
            with suppress(OSError):
                self._file = self._path.open("rb")

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _was_put_aside(self) -> bool:
        if self._file is None:
            return False
        with suppress(OSError):
            return not os.path.samestat(self._path.stat(), os.fstat(self._file.fileno()))
        return False


def _parsed(name: str, lines: Iterable[bytes]) -> Iterator[Found]:
    for raw in lines:
        text = raw.decode("utf-8", "replace").rstrip("\n")
        with suppress(ValueError, RecursionError):
            line = json.loads(text)
            if isinstance(line, dict) and isinstance(line.get("timestamp"), str):
                yield Found(line["timestamp"], name, line, text)


def is_of_workflow(line: Mapping[str, Any], workflow_id: str) -> bool:
    """Return True if a log line is of a workflow id, which is typed as the line shows it."""
    given = line.get("workflow_id")
    if given is None or isinstance(given, str):
        return bool(given == workflow_id)
    return workflow_id in {json.dumps(given), json.dumps(given, ensure_ascii=False)}
