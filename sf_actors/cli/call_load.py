"""`call -n N -c C`: makes many calls, C at a time, and prints how long they took."""

from __future__ import annotations

from collections import Counter
from math import ceil
from time import monotonic
from typing import TYPE_CHECKING, Any

from sf_actors.cli.figures import latency, short
from sf_actors.cli.shell import FAILED
from sf_actors.cli.stderr import report
from sf_actors.wording import text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sf_actors.cli.output import Output
    from sf_actors.inspection.client import InspectorClient, Question

#: How many kinds of errors are printed.
_TOLD = 5


class CallLoad:
    """Makes the same call many times.

    :param timeout_s: how long to wait for each answer, in seconds
    """

    def __init__(self, client: InspectorClient, question: Question, *, timeout_s: float) -> None:
        self._client = client
        self._question = question
        self._timeout_s = timeout_s

    def run(self, out: Output, calls: int, at_once: int) -> int:
        """Make the calls, and print the table.

        :returns: the exit status: 1 if some failed
        """
        took: list[float] = []
        errors: Counter[str] = Counter()
        began = monotonic()
        stream = self._client.ask_again(
            self._question, calls, at_once=at_once, timeout_s=self._timeout_s
        )
        for answer, seconds in stream:
            if answer.value is not None:
                took.append(seconds)
            elif answer.error is not None:
                errors[text_of(answer.error)] += 1
            else:
                errors[f"no answer within {self._timeout_s:g} s"] += 1
        figures = figures_of(took, errors.total(), monotonic() - began)
        if out.as_json:
            out.emit(figures)
        else:
            out.line(as_text(out, figures))
        for text, count in errors.most_common(_TOLD):
            report(f"{count} of {calls} failed: {text}")
        return FAILED if errors else 0


def figures_of(took: Sequence[float], failed: int, seconds: float) -> dict[str, Any]:
    """Return the figures of the calls.

    :param took: the seconds of each call that succeeded
    :param failed: how many calls failed
    :param seconds: how long all of them took
    """
    calls = len(took) + failed
    ordered = sorted(took)
    return {
        "calls": calls,
        "failed": failed,
        "seconds": seconds,
        "per_s": calls / seconds if seconds else None,
        "p50_s": share_of(ordered, 0.5),
        "p90_s": share_of(ordered, 0.9),
        "p99_s": share_of(ordered, 0.99),
        "max_s": ordered[-1] if ordered else None,
    }


def share_of(ordered: Sequence[float], share: float) -> float | None:
    """Return a quantile of sorted numbers, None if there are none; `share` is from 0 to 1."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else None


def as_text(out: Output, figures: dict[str, Any]) -> str:
    """Return the figures as a table."""
    row = [
        short(figures["calls"]),
        short(figures["failed"]),
        latency(figures["seconds"]),
        short(figures["per_s"]),
        *(latency(figures[key]) for key in ("p50_s", "p90_s", "p99_s", "max_s")),
    ]
    head = ("CALLS", "FAILED", "SECONDS", "PER S", "P50", "P90", "P99", "MAX")
    return out.table(head, [row], right=range(8))
