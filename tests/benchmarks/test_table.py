from __future__ import annotations

import pytest

from benchmarks.figures import Answer, Target
from benchmarks.table import aligned, number, summary, table


@pytest.mark.parametrize(
    ("value", "shown"),
    [(123456.7, "123,457"), (99.94, "99.9"), (1.254, "1.25"), (0.0123, "0.012"), (0.0, "0")],
)
def test_a_number_has_about_three_digits(value: float, shown: str) -> None:
    assert number(value) == shown


def test_the_first_column_stands_left_and_the_others_right() -> None:
    assert aligned([("a", "1", "x"), ("long", "22", "y")], indent="") == "a      1  x\nlong  22  y"


def answered() -> Answer:
    answer = Answer("rpc", "an echo")
    answer.add("raw", [100.0, 100.0], "us")
    answer.add("ours", [160.0, 160.0], "us", is_ours=True)
    answer.compare("ours", "raw", Target(1.5, 1.25))
    answer.left_out["zero"] = "not installed"
    answer.notes.append("on a loud machine")
    return answer


def test_a_row_that_loses_is_shown_with_its_target() -> None:
    (line,) = [line for line in table(answered()).splitlines() if "ours / raw" in line]
    assert line.split()[-5:] == ["≤", "1.5", "≤", "1.25", "MISSED"]


def test_what_was_left_out_is_named_with_its_reason() -> None:
    assert "left out: zero: not installed" in table(answered())


def test_the_summary_names_the_missed_targets() -> None:
    assert summary([answered()]).splitlines() == [
        "0 of 1 targets met, missed:",
        "  rpc: ours / raw",
    ]


def test_an_answer_without_any_figure_can_be_shown() -> None:
    assert table(Answer("rpc", "an echo")).startswith("rpc: an echo")
