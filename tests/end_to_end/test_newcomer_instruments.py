"""A newcomer's first system: five instruments, a recorder that keeps all, and a dashboard."""

from __future__ import annotations

import json
import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import Process
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.slow

FILES = Path(__file__).parent.parent / "newcomer" / "instruments"


def test_five_instruments_one_of_which_is_killed_and_comes_back(
    tmp_path: Path, new_address: Callable[[], str]
) -> None:
    readings, publisher, replyer = (new_address() for _ in range(3))
    addresses = tmp_path / "addresses.json"
    sides = {
        "in": {"readings": readings, "latest": {"subscriber": publisher, "requester": replyer}},
        "out": {"readings": readings, "latest": {"publisher": publisher, "replyer": replyer}},
    }
    addresses.write_text(json.dumps({"connections": sides, "states": sides}))
    database = tmp_path / "readings.db"

    with ExitStack() as running:

        def start(name: str, *arguments: str) -> Process:
            file = str(FILES / f"{name}.py")
            process = Process("-s", file, "-a", str(addresses), *arguments, cwd=tmp_path)
            return running.enter_context(process)

        def instrument(number: int) -> Process:
            return start("instrument", "-m", "--instrument", f"i{number}")

        def counts() -> dict[str, int]:
            with closing(sqlite3.connect(database)) as reading:
                return dict(
                    reading.execute("SELECT instrument, count(*) FROM readings GROUP BY instrument")
                )

        recorder = start("recorder", "--database", str(database))
        dashboard = start("dashboard")
        recorder.wait_until_ready()
        instruments = [instrument(number) for number in range(5)]
        until(lambda: len(counts()) == 5, "a reading of each", patience_s=30)

        instruments[3].popen.kill()
        dashboard.wait_for_line("i3 is silent")
        others = counts()
        instruments[3] = instrument(3)
        instruments[3].wait_until_ready()
        dashboard.wait_for_line("i3 speaks")

        until(
            lambda: all(counts()[f"i{n}"] > others[f"i{n}"] for n in range(5)), "more readings", 30
        )
        for process in (*instruments, recorder, dashboard):
            process.interrupt()
        for process in (*instruments, recorder, dashboard):
            assert process.wait() == 0, process.err
        with closing(sqlite3.connect(database)) as reading:
            numbers = [
                n for (n,) in reading.execute("SELECT n FROM readings WHERE instrument='i0'")
            ]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "in order, none missing"
