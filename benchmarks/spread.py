"""The median and the spread of samples."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Spread:
    """The median of some samples and the quartiles around it."""

    low: float
    median: float
    high: float
    count: int


def spread(samples: Sequence[float]) -> Spread:
    """Return the median and the quartiles; for one sample they are equal.

    :raises ValueError: there is no sample
    """
    if not samples:
        raise ValueError("expected at least one sample, got none")
    median = statistics.median(samples)
    if len(samples) == 1:
        return Spread(median, median, median, 1)
    low, _, high = statistics.quantiles(samples, n=4, method="inclusive")
    return Spread(low, median, high, len(samples))


def percentile(samples: Sequence[float], share: float) -> float:
    """Return the smallest sample that at least this share of the samples does not exceed.

    :param share: from 0 to 1
    :raises ValueError: there is no sample
    """
    if not samples:
        raise ValueError("expected at least one sample, got none")
    ordered = sorted(samples)
    rank = math.ceil(len(ordered) * share)
    return ordered[max(0, min(len(ordered), rank) - 1)]


def ratios(above: Sequence[float | None], below: Sequence[float | None]) -> list[float]:
    """Return the ratio of each round in which both were measured.

    :param above, below: one sample for each round, or None
    """
    return [a / b for a, b in zip(above, below, strict=True) if a is not None and b]
