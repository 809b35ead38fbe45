"""What the tests of logs share: lines read back, and a value that cannot be shown."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

DEADLINE_S = 5.0


def lines_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line, parse_constant=pytest.fail) for line in text.splitlines()]


def read(path: Path) -> list[dict[str, Any]]:
    return lines_of(path.read_text("utf-8"))


class Console:
    """What has come out on standard error since it was last asked."""

    def __init__(self, captured: pytest.CaptureFixture[str]) -> None:
        self._captured = captured

    def lines(self) -> list[dict[str, Any]]:
        return lines_of(self._captured.readouterr().err)

    def line(self) -> dict[str, Any]:
        (line,) = self.lines()
        return line


class Terminal(io.StringIO):
    """A standard error that a person looks at."""

    def isatty(self) -> bool:
        return True


class Unshowable:
    def __repr__(self) -> str:
        raise ValueError("no")


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value
