"""The command line of the benchmarks."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.figures import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The questions in the order in which they are asked, each with its module.
QUESTIONS = {
    "rpc": "rpc",
    "rpc-pipelined": "pipelined",
    "handlers": "handlers",
    "inspected": "inspected",
    "call-cost": "call_cost",
    "replyers": "replyers",
    "pubsub": "pubsub",
    "delta": "delta",
    "state-read": "state_read",
    "state-size": "state_size",
    "state-life": "state_life",
    "lifecycle": "lifecycle",
    "startup": "startup",
    "hops": "hops",
    "parts": "parts",
    "shortcuts": "shortcuts",
}

QUICK = Settings(rounds=5, burst_s=0.1, is_quick=True)

#: The folder for results, below the working directory; git ignores it.
FOLDER = Path("build") / "benchmarks"


class Arguments(argparse.Namespace):
    """The parsed command line."""

    questions: list[str]
    json: Path
    svg: Path
    settings: Settings
    list: bool


def parse(argv: Sequence[str]) -> Arguments:
    """Parse the command line.

    :param argv: without the program's name
    """
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure sf_actors next to bare sockets and to its peers, in one run.",
        epilog=f"questions: {', '.join(QUESTIONS)}",
        allow_abbrev=False,
    )
    parser.add_argument("questions", nargs="*", metavar="QUESTION", help="by default all")
    parser.add_argument("--list", action="store_true", help="say what each question asks, and end")
    parser.add_argument("--quick", action="store_true", help="all questions in under two minutes")
    parser.add_argument("--rounds", type=int, help="turns of each contender, for example 30")
    parser.add_argument("--burst", type=float, metavar="SECONDS", help="length of a turn, as 0.5")
    parser.add_argument("--json", type=Path, default=FOLDER / "results.json", help="%(default)s")
    parser.add_argument("--svg", type=Path, default=FOLDER / "results.svg", help="%(default)s")
    found = parser.parse_args(argv, namespace=Arguments())
    for question in found.questions:
        if question not in QUESTIONS:
            parser.error(f"no question is named {question!r}; there are {', '.join(QUESTIONS)}")
    base = QUICK if found.quick else Settings()
    rounds = base.rounds if found.rounds is None else found.rounds
    burst_s = base.burst_s if found.burst is None else found.burst
    if rounds < 1 or burst_s <= 0:
        parser.error("expected at least one round, and a burst of more than 0 seconds")
    found.settings = Settings(rounds=rounds, burst_s=burst_s, is_quick=base.is_quick)
    found.questions = found.questions or list(QUESTIONS)
    return found
