"""Draws the answers as one SVG: a panel for each question, a bar for each contender.

It is written by hand: bars and text need a hundred lines, while matplotlib would require numpy,
pillow and a dozen more packages, and the small SVG libraries are no longer maintained. The colours
follow the light or dark mode of the page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from benchmarks.figures import MISSED
from benchmarks.table import judged, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.figures import Answer, Row

WIDTH, NAMES, BARS, LINE = 760, 250, 400, 20

#: Questions that interest only developers of the package.
UNDRAWN = ("hops", "inspected", "parts", "shortcuts")

STYLE = """
text { font: 12px system-ui, sans-serif; fill: #24292f }
.title { font-size: 14px; font-weight: 600 }
.quiet { fill: #6e7781 }
.bar { fill: #afb8c1 }
.ours { fill: #0969da }
.spread { stroke: #24292f; stroke-width: 1 }
.missed { fill: #cf222e }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .quiet { fill: #8d96a0 }
  .bar { fill: #57606a }
  .ours { fill: #4493f8 }
  .spread { stroke: #e6edf3 }
  .missed { fill: #f85149 }
}
"""


def chart(answers: Sequence[Answer], machine: str) -> str:
    """Return the text of the SVG: bars, and below them the comparisons with targets.

    :param machine: one line about where the figures come from
    """
    drawn: list[str] = []
    y = 20
    for answer in answers:
        if answer.question in UNDRAWN:
            continue
        for unit in dict.fromkeys(row.unit for row in answer.rows):
            rows = [row for row in answer.rows if row.unit == unit]
            y = _panel(drawn, answer, rows, y)
        for comparison in answer.comparisons:
            if comparison.target is not None:
                kind = "missed" if comparison.verdict == MISSED else "quiet"
                drawn.append(_text(20, y, judged(comparison), kind))
                y += LINE
        y += LINE
    drawn.append(_text(10, y, machine, "quiet"))
    body = "\n".join(drawn)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y + 12}" '
        f'viewBox="0 0 {WIDTH} {y + 12}">\n<style>{STYLE}</style>\n{body}\n</svg>\n'
    )


def _panel(drawn: list[str], answer: Answer, rows: list[Row], y: int) -> int:
    """Draw one panel; returns where the next one begins."""
    better = "less" if rows[0].less_is_better else "more"
    drawn.append(_text(10, y, f"{answer.question}: {answer.title}", "title"))
    drawn.append(_text(WIDTH - 10, y, f"{rows[0].unit}, {better} is better", "quiet", "end"))
    top = max(row.spread.high for row in rows) or 1.0
    for row in rows:
        y += LINE
        spread = row.spread
        length = BARS * spread.median / top
        colour = "bar ours" if row.is_ours else "bar"
        drawn.append(_text(NAMES - 8, y, row.name, anchor="end"))
        drawn.append(
            f'<rect class="{colour}" x="{NAMES}" y="{y - 11}" width="{length:.1f}" height="14"/>'
        )
        low, high = (NAMES + BARS * value / top for value in (spread.low, spread.high))
        drawn.append(
            f'<line class="spread" x1="{low:.1f}" x2="{high:.1f}" y1="{y - 4}" y2="{y - 4}"/>'
        )
        drawn.append(_text(round(max(NAMES + length, high)) + 6, y, number(spread.median)))
    return y + LINE + 6


def _text(x: int, y: int, text: str, kind: str = "", anchor: str = "start") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}"{named}>{escape(text)}</text>'
