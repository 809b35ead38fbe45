"""What a question is answered with: rows of figures, and comparisons that have a target."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks.peers import PEERS
from benchmarks.spread import Spread, ratios, spread

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The unit of a ratio.
TIMES = "\N{MULTIPLICATION SIGN}"

#: How the reason begins for which a contender that failed is left out.
FAILED = "failed: "

#: How a comparison stands to its target.
MET, AIM, MISSED = "met", "aim met", "MISSED"


@dataclass(frozen=True)
class Settings:
    """How thoroughly to measure.

    :param rounds: how often each contender has its turn
    :param burst_s: how long one turn measures, in seconds
    :param is_quick: whether parts that cannot be made shorter are left out
    """

    rounds: int = 15
    burst_s: float = 0.25
    is_quick: bool = False


@dataclass(frozen=True)
class Target:
    """What is to be reached at least, and what is aimed at.

    :param at_least: the worst figure that will do
    :param aim: the figure that is wanted; not above `at_least` where less is better
    """

    at_least: float
    aim: float

    @property
    def less_is_better(self) -> bool:
        """Whether a smaller figure is the better one."""
        return self.aim <= self.at_least

    def judge(self, figure: float) -> str:
        """Return `AIM`, `MET` or `MISSED`."""
        sign = 1 if self.less_is_better else -1
        if sign * figure <= sign * self.aim:
            return AIM
        return MET if sign * figure <= sign * self.at_least else MISSED


@dataclass(frozen=True)
class Row:
    """The figures of one contender.

    :param samples: one for each round; None where the round failed
    :param unit: of the samples
    :param less_is_better: whether a smaller figure is the better one
    :param is_ours: whether it is the package that is measured
    """

    name: str
    samples: tuple[float | None, ...]
    unit: str
    less_is_better: bool = True
    is_ours: bool = False

    @property
    def taken(self) -> list[float]:
        """The samples of the rounds that did not fail."""
        return [sample for sample in self.samples if sample is not None]

    @property
    def spread(self) -> Spread:
        """The middle of the samples."""
        return spread(self.taken)


@dataclass(frozen=True)
class Comparison:
    """Figures that are judged: ratios of two rows, or absolute ones.

    :param text: what is compared with what
    :param unit: `TIMES` for a ratio
    """

    text: str
    samples: tuple[float, ...]
    target: Target | None = None
    unit: str = TIMES

    @property
    def spread(self) -> Spread:
        """The middle of the samples."""
        return spread(self.samples)

    @property
    def verdict(self) -> str:
        """How it stands to its target; empty without one."""
        return "" if self.target is None else self.target.judge(self.spread.median)


@dataclass
class Answer:
    """What came out of one question.

    :param left_out: name of a contender and why it was not measured
    :param notes: what a reader must know to understand the figures
    """

    question: str
    title: str
    rows: list[Row] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def failed(self) -> list[str]:
        """The contenders, peers apart, that ran and failed."""
        reasons = self.left_out.items()
        return [name for name, why in reasons if why.startswith(FAILED) and name not in PEERS]

    def row(self, name: str) -> Row | None:
        """Return the row of a contender, or None when it was not measured."""
        return next((row for row in self.rows if row.name == name), None)

    def add(
        self,
        name: str,
        samples: Sequence[float | None],
        unit: str,
        *,
        less_is_better: bool = True,
        is_ours: bool = False,
    ) -> None:
        """Add the figures of one contender; one without any is left out."""
        if any(sample is not None for sample in samples):
            self.rows.append(Row(name, tuple(samples), unit, less_is_better, is_ours))
        else:
            self.left_out.setdefault(name, "no round gave a figure")

    def compare(
        self, ours: str, other: str, target: Target | None = None, text: str | None = None
    ) -> None:
        """Add the ratio of two rows, round by round; nothing where one of them is missing."""
        above, below = self.row(ours), self.row(other)
        if above is None or below is None:
            return
        found = ratios(above.samples, below.samples)
        if found:
            self.comparisons.append(Comparison(text or f"{ours} / {other}", tuple(found), target))

    def judge(self, text: str, samples: Sequence[float], target: Target | None, unit: str) -> None:
        """Add figures that are judged as they are."""
        if samples:
            self.comparisons.append(Comparison(text, tuple(samples), target, unit))

    def plain(self) -> dict[str, Any]:
        """Return everything, ready for JSON."""
        return {
            "title": self.title,
            "seconds": round(self.seconds, 1),
            "rows": [
                {
                    "name": row.name,
                    "unit": row.unit,
                    "less_is_better": row.less_is_better,
                    "is_ours": row.is_ours,
                    "spread": vars(row.spread),
                    "samples": row.samples,
                }
                for row in self.rows
            ],
            "comparisons": [
                {
                    "text": comparison.text,
                    "unit": comparison.unit,
                    "spread": vars(comparison.spread),
                    "samples": comparison.samples,
                    "target": comparison.target and vars(comparison.target),
                    "verdict": comparison.verdict,
                }
                for comparison in self.comparisons
            ],
            "left_out": self.left_out,
            "notes": self.notes,
        }
