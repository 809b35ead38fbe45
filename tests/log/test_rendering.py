"""Lines on a terminal and as JSON: all of it visible, one line each, and bounded."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors.log import WORKFLOW_ID, get_logger
from sf_actors.log.rendering import MAX_FIELDS, MAX_LINE_BYTES, to_json, to_text
from tests.support.effort import effort

if TYPE_CHECKING:
    from collections.abc import Callable

from tests.log.lines import Terminal, Unshowable

LOG = get_logger()

#: It clears the screen, turns what follows around, and goes on with a line of its own.
EVIL = "\x1b[2J\u202eevil\r\n2026-01-01T00:00:00Z [info     ] forged\x9b1m\x7f"


class Evil:
    def __repr__(self) -> str:
        return EVIL

    def __str__(self) -> str:
        return EVIL


def fail() -> None:
    try:
        raise ValueError(EVIL)
    except ValueError:
        LOG.exception("failed")


def with_workflow_id(value: object) -> None:
    token = WORKFLOW_ID.set(value)
    try:
        LOG.info("got")
    finally:
        WORKFLOW_ID.reset(token)


WAYS = {
    "event": lambda: LOG.info(EVIL),
    "an event that is no text": lambda: LOG.info(Evil()),
    "an argument": lambda: LOG.info("got %s", EVIL),
    "value": lambda: LOG.info("got", value=EVIL),
    "a value that is no text": lambda: LOG.info("got", value=Evil()),
    "a nested value": lambda: LOG.info("got", value=[{EVIL: Evil()}]),
    "key": lambda: LOG.info("got", **{EVIL: 1}),
    "a key that is no text": lambda: LOG.info("got", extra={Evil(): 1}),
    "logger": lambda: get_logger(EVIL).info("got"),
    "a logger that is no text": lambda: get_logger(Evil()).info("got"),
    "workflow_id": lambda: with_workflow_id(EVIL),
    "a workflow id that is no text": lambda: with_workflow_id([{EVIL: EVIL}]),
    "the text of an exception": fail,
    "exception": lambda: LOG.info("got", exception=EVIL),
    "an exception that is no text": lambda: LOG.info("got", exception=Evil()),
    "stack": lambda: LOG.info("got", stack=EVIL),
    "the exception of one line": lambda: LOG.info("got", exception="2026-01-01 forged"),
    "the stack of one line": lambda: LOG.info("got", stack="2026-01-01 forged"),
}


@pytest.mark.usefixtures("svc")
@pytest.mark.parametrize("write", WAYS.values(), ids=WAYS)
def test_a_terminal_is_shown_what_would_move_its_cursor_or_forge_a_line(
    monkeypatch: pytest.MonkeyPatch, write: Callable[[], None]
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("NO_COLOR", "1")

    write()

    first, *others = terminal.getvalue().removesuffix("\n").split("\n")
    assert all(line.isprintable() for line in (first, *others))
    assert first.startswith("20")
    assert not any(line.startswith("20") for line in others)
    if "one line" not in first:
        assert "forged" in terminal.getvalue()


@pytest.mark.usefixtures("svc")
def test_an_escape_is_shown_as_one_types_it(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("NO_COLOR", "1")

    LOG.info("a\x1bb\u202e", value="c\x1bd", other="e f\x1b", plain="Größe", quoted="g h")

    line = terminal.getvalue()
    assert "a\\x1bb\\u202e" in line
    assert "value='c\\x1bd' other='e f\\x1b' plain=Größe quoted='g h'" in line


@pytest.mark.usefixtures("svc")
def test_a_terminal_keeps_the_lines_of_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("NO_COLOR", "1")

    fail()

    _, header, *frames, text, continued = terminal.getvalue().removesuffix("\n").split("\n")
    assert header == "Traceback (most recent call last):"
    assert frames[0].startswith("  File ")
    assert text == "ValueError: \\x1b[2J\\u202eevil\\r"
    assert continued == "    2026-01-01T00:00:00Z [info     ] forged\\x9b1m\\x7f"


@pytest.mark.parametrize("char", ["\x1b", "\n", "\x7f", "\x9b", "\u2028", "\u202e", "\U000e0041"])
@pytest.mark.parametrize("beside", ["", "ö"])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_json_escapes_what_a_terminal_would_act_on_and_keeps_the_value(
    char: str, beside: str, ascii_only: bool
) -> None:
    line = {f"key{char}": f"value{char}{beside}"}

    text = to_json(line, ascii_only=ascii_only)

    assert text.isprintable()
    assert json.loads(text) == line


def as_text(line: dict[str, Any]) -> str:
    return to_text(line, colours=True)


LONG = {
    "a text": {"x": "y" * 5_000_000},
    "a text that is not ASCII": {"x": "漢" * 1_000_000},
    "a text of controls": {"x": "\x1b" * 500_000},
    "a nested value": {"x": [["y" * 1000] * 100] * 100},
    "a key": {"y" * 5_000_000: 1},
    "many fields": {f"field {number}": "y" * 100 for number in range(50_000)},
    "many long fields": {f"field {number}": "y" * 50_000 for number in range(200)},
    "a number": {"x": 1 << 10_000_000},
    "bytes": {"x": b"\xff" * 1_000_000},
    "surrogates": {"x": "\udc80" * effort(1_000_000, brief=200_000)},
}


@pytest.mark.parametrize("fields", LONG.values(), ids=LONG)
@pytest.mark.parametrize("render", [to_json, as_text])
@pytest.mark.slow
def test_a_line_has_an_end(render: Callable[[dict[str, Any]], str], fields: dict[str, Any]) -> None:
    line = {"timestamp": "now", "level": "info", "event": "got", **fields}

    text = render(line)

    assert len(text.encode("utf-8", "surrogatepass")) <= MAX_LINE_BYTES
    assert "got" in text
    assert "left out" in text or "fields_left_out" in text


def test_a_line_that_is_cut_is_json_that_says_what_is_missing() -> None:
    line = {"event": "got", "n": 7, "text": "x" * 2**21, "list": ["x" * 2**21], "note": "short"}

    short = json.loads(to_json(line))

    assert list(short) == list(line)
    assert (short["event"], short["n"], short["note"]) == ("got", 7, "short")
    assert short["text"].endswith("characters left out)")
    assert short["list"].startswith('["xxx')


def test_a_line_of_too_many_fields_keeps_the_first() -> None:
    line = {"event": "got", **{f"field {number}": "y" * 100 for number in range(50_000)}}

    short = json.loads(to_json(line))

    assert short.pop("fields_left_out") == 50_001 - MAX_FIELDS
    assert list(short) == list(line)[:MAX_FIELDS]


def test_a_long_line_within_the_bound_is_left_as_it_is() -> None:
    line = {"event": "got", "text": "x" * 1_000_000}

    assert json.loads(to_json(line)) == line


def test_a_value_that_cannot_be_shown_is_a_note_on_a_terminal_too() -> None:
    assert "<Unshowable: showing it raised ValueError>" in as_text(
        {"event": "x", "v": Unshowable()}
    )
