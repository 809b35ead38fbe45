"""``python -m benchmarks``: ask the questions, show tables, write JSON and a chart."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from importlib import import_module
from time import perf_counter
from typing import TYPE_CHECKING

from benchmarks import machine
from benchmarks.arguments import QUESTIONS, parse
from benchmarks.chart import chart
from benchmarks.table import summary, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.figures import Answer, Settings


def main(argv: Sequence[str]) -> int:
    """Run the command line; missed targets are shown, but are not errors.

    :param argv: without the program's name
    :returns: the exit status: 1 if a contender other than a peer failed, such as the package
    """
    arguments = parse(argv)
    if arguments.list:
        for question, name in QUESTIONS.items():
            lines = (import_module(f"benchmarks.{name}").__doc__ or "").splitlines()
            print(f"{question:14}{lines[0].partition(': ')[2]}")
        return 0
    print(machine.in_short(), flush=True)
    before = machine.described()
    answers = []
    for question in arguments.questions:
        answered = ask(question, arguments.settings)
        print("\n" + table(answered), flush=True)
        answers.append(answered)
    print("\n" + summary(answers))
    written = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": before,
        "settings": vars(arguments.settings),
        "answers": {answered.question: answered.plain() for answered in answers},
    }
    for path, text in (
        (arguments.json, json.dumps(written, indent=1, ensure_ascii=False) + "\n"),
        (arguments.svg, chart(answers, machine.in_short())),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(f"written: {path}")
    failed = [f"{a.question}: {name}" for a in answers for name in a.failed]
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def ask(question: str, settings: Settings) -> Answer:
    """Ask one question."""
    began = perf_counter()
    answered: Answer = import_module(f"benchmarks.{QUESTIONS[question]}").answer(settings)
    answered.seconds = perf_counter() - began
    return answered


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
