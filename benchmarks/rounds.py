"""Rounds of measurements: each contender has its turn while the others are stopped."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

from benchmarks.contender import ContenderFailed, Running
from benchmarks.figures import FAILED
from benchmarks.peers import missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from benchmarks.contender import Contender

Figures = dict[str, float]


class Rounds:
    """The figures of several contenders, round by round.

    :ivar left_out: contenders that are missing or failed, and why
    """

    def __init__(self) -> None:
        self.left_out: dict[str, str] = {}
        self._figures: dict[str, list[Figures | None]] = {}

    def turns(self, name: str) -> list[Figures | None]:
        """Return all figures of a contender for each round; None if the round failed."""
        return self._figures.get(name, [])

    def samples(self, name: str, figure: str) -> list[float | None]:
        """Return one figure of a contender for each round; empty if it was never measured."""
        return [None if figures is None else figures.get(figure) for figures in self.turns(name)]

    def note(self, name: str, figures: Figures | None) -> None:
        """Add the figures of one turn."""
        self._figures.setdefault(name, []).append(figures)

    def measured(self, contenders: Sequence[Contender]) -> Iterator[Contender]:
        """Yield the contenders whose peers are installed."""
        for contender in contenders:
            reason = missing(contender.needs)
            if reason:
                self.left_out[contender.name] = reason
            else:
                yield contender


def interleaved(
    contenders: Sequence[Contender],
    burst: Callable[[Running], Mapping[str, float]],
    *,
    rounds: int,
) -> Rounds:
    """Start all contenders, stop them, and let each run for one burst in every round.

    The first burst of each is discarded. The order rotates by one from round to round, so that no
    contender always follows the same other one.

    :param burst: measures a running contender once
    """
    result = Rounds()
    with ExitStack() as stack:
        running: list[Running] = []
        for contender in result.measured(contenders):
            try:
                one = stack.enter_context(Running(contender))
            except ContenderFailed as error:
                result.left_out[contender.name] = _told(contender.name, error)
                continue
            _turn(one, burst, result)
            running.append(one)
        for number in range(rounds):
            if not running:
                break
            turned = running[number % len(running) :] + running[: number % len(running)]
            for one in turned:
                result.note(one.name, _turn(one, burst, result))
    return result


def one_by_one(
    contenders: Sequence[Contender],
    burst: Callable[[Running], Mapping[str, float]],
    *,
    rounds: int,
) -> Rounds:
    """Run each contender alone in every round, starting it anew each time.

    :param burst: measures a running contender once
    """
    result = Rounds()
    found = list(result.measured(contenders))
    for _ in range(rounds):
        for contender in found:
            figures: Figures | None = None
            if contender.name not in result.left_out:
                try:
                    with Running(contender) as one:
                        figures = dict(burst(one))
                except ContenderFailed as error:
                    result.left_out[contender.name] = _told(contender.name, error)
            result.note(contender.name, figures)
    return result


def _turn(
    one: Running, burst: Callable[[Running], Mapping[str, float]], result: Rounds
) -> Figures | None:
    """Measure one contender once; one that fails is not measured again."""
    if one.name in result.left_out:
        return None
    one.resume()
    try:
        return dict(burst(one))
    except ContenderFailed as error:
        result.left_out[one.name] = _told(one.name, error)
        return None
    finally:
        one.pause()


def _told(name: str, error: ContenderFailed) -> str:
    """Print a failure at once, and return the text for the table."""
    print(f"  {name} failed: {error}", file=sys.stderr)
    return f"{FAILED}{error}"
