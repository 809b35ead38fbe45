"""Tracebacks as text: nothing in them passes for a log line; those of the package are bounded."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors.log.tracebacks import LONGEST_TRACEBACK, bounded_traceback, whole_traceback
from sf_actors.wording import LONGEST_TEXT

if TYPE_CHECKING:
    from collections.abc import Callable

FORGED = "2026-01-01T00:00:00Z [info     ] all is well"


def caught(raising: Callable[[], object]) -> Any:
    try:
        raising()
    except Exception:  # noqa: BLE001 - whatever the test raises
        return sys.exc_info()
    raise AssertionError("nothing was raised")


def throw(error: Exception) -> None:
    raise error


def noted() -> None:
    error = ValueError("bad")
    error.add_note(f"see\n{FORGED}")
    throw(error)


def chained() -> None:
    try:
        noted()
    except ValueError as error:
        raise LookupError(f"worse\n{FORGED}") from error


def grouped() -> None:
    try:
        chained()
    except LookupError as error:
        throw(ExceptionGroup(f"all\n{FORGED}", [error, ExceptionGroup("more", [error])]))


def of_a_syntax() -> None:
    compile(f"x = (\n{FORGED}", f"name\n{FORGED}", "exec")


def at_a_frame() -> None:
    exec(compile("1 / 0", f"name\n{FORGED}", "exec"))


@pytest.mark.parametrize("raising", [noted, chained, grouped, of_a_syntax, at_a_frame])
@pytest.mark.parametrize("made", [whole_traceback, bounded_traceback])
def test_no_line_of_a_text_begins_where_a_log_line_would(
    raising: Callable[[], object], made: Callable[[Any], str]
) -> None:
    text = made(caught(raising))

    assert "[info     ]" in text
    assert not any(line.startswith(FORGED[:4]) for line in text.split("\n"))


def test_a_traceback_is_otherwise_that_of_python() -> None:
    text = whole_traceback(caught(lambda: throw(ValueError("bad"))))

    first, *frames, last = text.split("\n")
    assert (first, last) == ("Traceback (most recent call last):", "ValueError: bad")
    assert frames[0].startswith(f'  File "{__file__}", line ')


def test_a_cause_is_told_before_what_it_caused() -> None:
    lines = whole_traceback(caught(chained)).split("\n")

    cause = lines.index("The above exception was the direct cause of the following exception:")
    assert lines[cause - 1] == lines[cause + 1] == ""
    assert lines.index("ValueError: bad") < cause < lines.index("LookupError: worse")
    assert lines.count("Traceback (most recent call last):") == 2


def test_a_text_of_a_bounded_traceback_is_cut() -> None:
    text = bounded_traceback(caught(lambda: throw(ValueError("x" * 1_000_000))))

    last = text.split("\n")[-1]
    assert last.startswith("ValueError: xxx")
    assert last.endswith("characters left out)")
    assert len(last) <= LONGEST_TEXT


def test_a_bounded_traceback_keeps_its_first_and_last_frames() -> None:
    def even(depth: int) -> None:
        if depth == 0:
            throw(ValueError("deep"))
        odd(depth - 1)

    def odd(depth: int) -> None:
        # two of them, since Python itself leaves out a frame that is repeated
        even(depth - 1)

    text = bounded_traceback(caught(lambda: even(400)))

    assert len(text) <= LONGEST_TRACEBACK + 1000
    assert "in caught\n" in text
    assert text.endswith("ValueError: deep")
    assert "lines left out)" in text


def test_notes_without_end_are_cut() -> None:
    def annotated() -> None:
        error = ValueError("bad")
        error.add_note("x\n" * 100_000)
        throw(error)

    assert len(bounded_traceback(caught(annotated))) <= 2 * LONGEST_TRACEBACK


def test_a_whole_traceback_keeps_its_texts() -> None:
    assert "x" * 100_000 in whole_traceback(caught(lambda: throw(ValueError("x" * 100_000))))


def test_no_exception_is_shown_as_python_does() -> None:
    assert whole_traceback((None, None, None)) == "NoneType: None"
