"""Formats an answer as text for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.figures import MISSED, TIMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.figures import Answer, Comparison, Row, Target
    from benchmarks.spread import Spread


def number(value: float) -> str:
    """Return a figure with three significant digits and grouped thousands."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.3f}"


def aligned(lines: Sequence[Sequence[str]], *, indent: str = "  ") -> str:
    """Return columns, the first one aligned left and the others aligned right."""
    if not lines:
        return ""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    shown = []
    for first, *rest in lines:
        cells = [first.ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        shown.append((indent + "  ".join(cells)).rstrip())
    return "\n".join(shown)


def table(answer: Answer) -> str:
    """Return everything in an answer."""
    parts = [f"{answer.question}: {answer.title} ({answer.seconds:.0f} s)"]
    if answer.rows:
        head = ("", "median", "", "quartiles")
        parts.append(aligned([head, *(_row(row) for row in answer.rows)]))
    if answer.comparisons:
        head5 = ("", "median", "quartiles", "at least", "aim", "")
        parts.append(aligned([head5, *(_comparison(c) for c in answer.comparisons)]))
    parts += [f"  note: {note}" for note in answer.notes]
    parts += [f"  left out: {name}: {reason}" for name, reason in answer.left_out.items()]
    return "\n".join(parts)


def summary(answers: Sequence[Answer]) -> str:
    """Return one line: how many targets were met, and which were missed."""
    judged = [(a, c) for a in answers for c in a.comparisons if c.target is not None]
    missed = [f"{a.question}: {c.text}" for a, c in judged if c.verdict == MISSED]
    line = f"{len(judged) - len(missed)} of {len(judged)} targets met"
    return "\n  ".join([line + (", missed:" if missed else ""), *missed])


def judged(comparison: Comparison) -> str:
    """Return a comparison and its verdict, in one line."""
    text, median, _, least, aim, verdict = _comparison(comparison)
    return f"{text}: {median} ({least}, aim {aim}): {verdict}"


def _row(row: Row) -> tuple[str, ...]:
    return (row.name, number(row.spread.median), row.unit, _quartiles(row.spread))


def _comparison(comparison: Comparison) -> tuple[str, ...]:
    spread = comparison.spread
    least, aim = _bounds(comparison.target)
    unit = TIMES if comparison.unit == TIMES else f" {comparison.unit}"
    median = f"{number(spread.median)}{unit}"
    return (comparison.text, median, _quartiles(spread), least, aim, comparison.verdict)


def _quartiles(spread: Spread) -> str:
    return f"{number(spread.low)} - {number(spread.high)}" if spread.count > 1 else "one round"


def _bounds(target: Target | None) -> tuple[str, str]:
    if target is None:
        return "", ""
    sign = "≤" if target.less_is_better else "≥"
    return f"{sign} {target.at_least:g}", f"{sign} {target.aim:g}"
