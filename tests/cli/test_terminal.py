"""Verbs on a terminal: colour, keys, Ctrl-C, and nothing that could harm it."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.shell import echoing, looked_at, ran
from tests.support.stand_in_inspector import stand_in
from tests.support.terminal import Terminal

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

GREEN, RESET, SCREEN_OFF, CURSOR_ON = "\x1b[32m", "\x1b[0m", "\x1b[?1049l", "\x1b[?25h"


def test_there_is_colour_unless_it_is_not_wanted() -> None:
    with looked_at(echoing("desk")):
        with Terminal("ps") as terminal:
            status, shown = terminal.wait()
        with Terminal("ps", NO_COLOR="1") as terminal:
            _, plain = terminal.wait()

    assert status == 0
    assert f"{GREEN}READY" in shown
    assert "READY" in plain
    assert "\x1b" not in plain


def test_a_reply_is_indented_on_a_terminal_alone() -> None:
    with looked_at(echoing("desk")):
        with Terminal("call", "echo", "n=1") as terminal:
            _, shown = terminal.wait()
        piped = ran("call", "echo", "n=1").out

    assert shown == '{\r\n  "n": 1\r\n}\r\n'
    assert piped == '{"n": 1}\n'


@pytest.mark.parametrize(
    ("end", "status"),
    [("q", 0), ("\x03", 130), (signal.SIGTERM, 0)],
    ids=["q", "ctrl-c", "sigterm"],
)
def test_top_leaves_the_terminal_as_it_was(end: str | signal.Signals, status: int) -> None:
    with looked_at(echoing("desk"), echoing("other")), Terminal("top") as terminal:
        terminal.wait_for("desk")
        terminal.press("r")
        terminal.wait_for("sorted by received_per_s")
        assert not terminal.is_as_before
        if isinstance(end, str):
            terminal.press(end)
        else:
            terminal.send(end)
        ended, shown = terminal.wait()

        assert ended == status
        assert terminal.is_as_before
        assert CURSOR_ON in shown
        assert SCREEN_OFF in shown
        assert "Traceback" not in shown


def test_ctrl_c_ends_a_verb_that_waits_with_130_and_no_word() -> None:
    with Terminal("wait", "nosuch", "--timeout", "30") as terminal:
        terminal.wait_for("waiting for nosuch: it does not run yet")
        terminal.press("\x03")
        status, shown = terminal.wait()

        assert status == 130
        assert "Traceback" not in shown
        assert terminal.is_as_before


EVIL = "a\x1b[2J\x9b\u202e\nb"


def evil(args: dict[str, Any]) -> dict[str, Any]:
    """Answer as an inspector whose names would take over a terminal."""
    counters = {"received": 1, "failed": 0, "last_error": EVIL, "status": {"phase": EVIL}}
    side = {"in": {EVIL: counters}, "out": {}}
    stats = {
        "service": EVIL,
        "phase": EVIL,
        "uptime_s": 1.0,
        "router": {"queued": 0, EVIL: 1},
        "connections": side,
        "states": side,
    }
    one = {"service": stats, "running": [{"model": EVIL, "since_s": 2, "at": EVIL}]}
    process = {"cpu_s": 0.0, "rss_bytes": 1, EVIL: 1}
    shape = {"type": EVIL, "topic": EVIL, "arguments": {"properties": {EVIL: {"x-sf-type": EVIL}}}}
    info = {
        "service": EVIL,
        "pid": 1,
        "file": EVIL,
        "command": EVIL,
        "config": [EVIL],
        "versions": {EVIL: EVIL},
        "models": {"connections": {"in": {"echo": shape, EVIL: shape}, "out": {}}},
        "addresses": {"connections": {"in": {"echo": {EVIL: EVIL}}}},
    }
    answers: dict[str, Any] = {
        "ping": {"pid": 1, "services": ["desk", EVIL]},
        "stats": {"services": [one], "process": process},
        "info": info,
        "loglevel": {"console": EVIL, "file": EVIL},
    }
    if args["verb"] == "stats" and args.get("service"):
        answers["stats"] = one | {"process": process}
    if args["verb"] not in answers:
        return {"error": {"type": EVIL, "message": EVIL}}
    return {"return_args": answers[args["verb"]]}


@pytest.mark.parametrize(
    "argv",
    [
        ["ps"],
        ["top", "--once"],
        ["stats", "desk"],
        ["info", "desk"],
        ["info", "desk/echo"],
        ["loglevel", "desk"],
        ["stop", "desk"],
        ["health", "desk"],
        ["call", "desk/echo"],
        ["watch", "desk/echo", "--timeout", "0.5"],
    ],
    ids=lambda argv: argv[0],
)
def test_nothing_of_a_service_reaches_the_terminal_that_could_harm_it(
    argv: list[str], folder: Path
) -> None:
    with stand_in(folder, evil), Terminal(*argv, NO_COLOR="1") as terminal:
        _, shown = terminal.wait()

    assert "Traceback" not in shown
    assert shown.replace("\r\n", "").isprintable(), shown
    assert "\\x1b[2J" in shown or "\\u001b[2J" in shown or argv[0] in {"stop", "watch"}
