"""The answer to a question: rows of figures, and comparisons with targets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks.peers import PEERS
from benchmarks.spread import Spread, ratios, spread

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The unit of a ratio.
TIMES = "\N{MULTIPLICATION SIGN}"

#: The beginning of the reason for leaving out a contender that failed.
FAILED = "failed: "

#: The verdicts of a comparison with its target.
MET, AIM, MISSED = "met", "aim met", "MISSED"


@dataclass(frozen=True)
class Settings:
    """How thoroughly to measure.

    :param rounds: how many turns each contender has
    :param burst_s: how long one turn measures, in seconds
    :param is_quick: leave out parts that cannot be made shorter
    """

    rounds: int = 15
    burst_s: float = 0.25
    is_quick: bool = False


@dataclass(frozen=True)
class Target:
    """The figure to reach at least, and the one to aim at.

    :param at_least: the worst acceptable figure
    :param aim: the desired figure; not above `at_least` if less is better
    """

    at_least: float
    aim: float

    @property
    def less_is_better(self) -> bool:
        """True if a smaller figure is better."""
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

    :param samples: one for each round; None if the round failed
    :param unit: of the samples
    :param less_is_better: a smaller figure is better
    :param is_ours: the contender is this package
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
    """Figures to be judged: ratios of two rows, or absolute ones.

    :param text: describes what is compared
    :param unit: `TIMES` for a ratio
    """

    text: str
    samples: tuple[float, ...]
    target: Target | None = None
    unit: str = TIMES

    @property
    def spread(self) -> Spread:
        """The median and quartiles of the samples."""
        return spread(self.samples)

    @property
    def verdict(self) -> str:
        """`AIM`, `MET` or `MISSED`; empty without a target."""
        return "" if self.target is None else self.target.judge(self.spread.median)


@dataclass
class Answer:
    """The answer to one question.

    :param left_out: by contender: why it was not measured
    :param notes: remarks that a reader needs to understand the figures
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
        """Return the row of a contender, or None if it was not measured."""
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
        """Add the ratio of two rows, round by round; nothing if one of them is missing."""
        above, below = self.row(ours), self.row(other)
        if above is None or below is None:
            return
        found = ratios(above.samples, below.samples)
        if found:
            self.comparisons.append(Comparison(text or f"{ours} / {other}", tuple(found), target))

    def judge(self, text: str, samples: Sequence[float], target: Target | None, unit: str) -> None:
        """Add absolute figures to be judged."""
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
