"""The log files of a fleet: read while they are written."""

from __future__ import annotations

import json
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING

import pytest

from sf_actors.cli.fleet_logs import FleetLogs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def line(number: int) -> str:
    return json.dumps({"timestamp": f"2026-01-01T00:00:{number:08d}Z", "event": number}) + "\n"


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[FleetLogs]:
    with closing(FleetLogs(tmp_path, lambda _name: True)) as made:
        yield made


def test_lines_that_are_written_faster_than_they_are_read_are_for_the_next_look(
    tmp_path: Path, logs: FleetLogs
) -> None:
    path = tmp_path / "one.log"
    path.write_text("".join(map(line, range(2_000))))
    seen = []
    with path.open("a") as file:
        for found in islice(logs.written(), 10_000):
            seen.append(found.line["event"])
            file.write(line(2_000 + len(seen)) * 2)
            file.flush()

    assert seen == list(range(2_000))
    assert len(logs.new()) == 4_000
    assert logs.new() == []


def test_a_line_that_is_half_written_is_shown_when_it_is_whole(
    tmp_path: Path, logs: FleetLogs
) -> None:
    path = tmp_path / "one.log"
    path.write_text(line(1)[:20])
    assert list(logs.written()) == []
    with path.open("a") as file:
        file.write(line(1)[20:])
    assert [found.line["event"] for found in logs.new()] == [1]


def test_a_file_that_was_put_aside_is_read_to_its_end_and_then_the_next(
    tmp_path: Path, logs: FleetLogs
) -> None:
    path = tmp_path / "one.log"
    path.write_text(line(1))
    assert len(list(logs.written())) == 1
    with path.open("a") as file:
        file.write(line(2))
    path.rename(tmp_path / "one.log.1")
    path.write_text(line(3))
    assert [found.line["event"] for found in logs.new()] == [2, 3]
