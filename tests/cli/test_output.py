"""What verbs print: JSON in text forms, escaped, coloured on a terminal alone."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from sf_actors.cli.output import Output, plain, to_json


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": b"\x00\x01"}, '{"a": "AAE="}'),
        ([float("nan"), float("inf"), -float("inf")], '["NaN", "Infinity", "-Infinity"]'),
        ({5: 2, None: 3, True: 4}, '{"5": 2, "null": 3, "true": 4}'),
        ({"é": "ü"}, '{"é": "ü"}'),
        (datetime(2026, 1, 31, tzinfo=UTC), '"2026-01-31T00:00:00Z"'),
        ((1, {2}), "[1, [2]]"),
    ],
)
def test_a_value_is_one_line_of_json_in_its_text_form(value: object, expected: str) -> None:
    assert to_json(value) == expected


@pytest.mark.parametrize(
    "text", ["\x1b[2J", "\x9b31m", "\u202e", "\ufeff", "\ud800", "\U000e0001", "a\nb", "\x7f"]
)
def test_no_character_of_a_value_reaches_the_terminal_that_could_harm_it(text: str) -> None:
    printed = to_json({text: text})

    assert printed.isprintable()
    assert json.loads(printed) == {text: text}


def test_indented_json_is_escaped_line_by_line() -> None:
    assert to_json({"a": "\x9b"}, indent=2) == '{\n  "a": "\\u009b"\n}'


def test_a_table_escapes_its_cells_and_lines_them_up() -> None:
    table = Output().table(("NAME", "N"), [("a\x1b[31m", "1"), ("b", "200")], right=(1,))

    assert table.splitlines() == ["NAME         N", "a\\x1b[31m    1", "b          200"]


def test_a_value_of_no_type_of_ours_is_its_text() -> None:
    class Odd:
        def __str__(self) -> str:
            return "odd"

    assert plain(Odd()) == "odd"


class Terminal:
    """Standard output that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_there_is_colour_on_a_terminal_without_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", Terminal())
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert Output().coloured("x", "bad") == "\x1b[31mx\x1b[0m"
    monkeypatch.setenv("NO_COLOR", "")
    assert Output().coloured("x", "bad") == "x"


def test_there_is_no_colour_elsewhere() -> None:
    assert Output().coloured("x", "bad") == "x"
