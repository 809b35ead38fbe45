"""The README's chapter on fleets, as it stands."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from typing import TYPE_CHECKING

import pytest
from docutils import nodes

from tests.inspection.conftest import folder as runtime_folder
from tests.support.fleets import up
from tests.support.processes import ROOT
from tests.support.read_here import services_are_read_here
from tests.support.shell import ran_here
from tests.test_readme import blocks, folder, rows, section

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

__all__ = ["folder", "runtime_folder", "services_are_read_here"]

TITLE = "Many services"
PRICERS = "Three pricers behind one requester"
MARKET = "The market as a fleet"


@pytest.fixture
def fleets(folder: Path) -> Path:
    """The folder of the snippets, with the fleet files as well."""
    for text in blocks("toml"):
        match = re.match(r"# (\w+\.toml)\n", text)
        assert match, f"a fleet without the name of its file: {text}"
        (folder / match[1]).write_text(text)
    return folder


@pytest.fixture
def market(folder: Path) -> Path:
    """A folder that has the demonstration where a checkout has it."""
    shutil.copytree(ROOT / "sf_actors/demo", folder / "sf_actors/demo")
    return folder


def commands_below(title: str) -> list[str]:
    """Return the commands of a section and of those within it, without `python -m`."""
    return [
        line.removeprefix("python -m sf_actors ")
        for one in section(title).findall(nodes.literal_block)
        if not one["classes"]
        for line in one.astext().splitlines()
    ]


def shown_below(title: str) -> list[list[str]]:
    """Return the lines of each output that a section shows."""
    return [
        one.astext().splitlines()
        for one in section(title).findall(nodes.literal_block)
        if one["classes"] == ["code", "text"]
    ]


def printed(lines: list[str]) -> list[str]:
    """Return what services have printed, of the lines of `up`."""
    return [line["event"] for line in map(json.loads, lines) if line.get("stream") == "stdout"]


def test_three_pricers_answer_in_turn(fleets: Path) -> None:
    with up(fleets, "--fleet", "pricing.toml") as process:
        assert process.wait() == 0

    answers = [line.rpartition(" from ") for line in printed(process.out)]
    assert [price for price, _, _ in answers] == [f"{n} for {2 * n}" for n in range(1, 7)]
    assert sorted(instance for *_, instance in answers) == ["1", "1", "2", "2", "3", "3"]
    assert set(shown_below(PRICERS)[0]) <= set(process.err)


def test_the_fleet_of_three_pricers_has_ten_lines_at_most(fleets: Path) -> None:
    assert len((fleets / "pricing.toml").read_text().splitlines()) <= 10


def test_the_market_is_checked_run_and_drawn_as_shown(market: Path) -> None:
    check, run, graph = (shlex.split(command) for command in commands_below(MARKET))

    checked = ran_here(*check, cwd=market)
    assert (checked.status, checked.err) == (0, "sf_actors: nothing is wrong\n")
    drawn = ran_here(*graph, cwd=market)
    assert [drawn.out.splitlines()] == shown_below(MARKET)
    assert run[0] == "up"
    with up(market, *run[1:]) as process:
        process.wait_for_line("equal at update")
        process.interrupt()
        assert process.wait() == 0, process.err


def test_the_exports_are_written_as_shown(fleets: Path) -> None:
    commands = [command for command in commands_below(TITLE) if command.startswith("export ")]
    assert len(commands) == 2
    for command in commands:
        assert ran_here(*shlex.split(command), cwd=fleets).status == 0, command
    assert (fleets / "units" / f"{fleets.name}.target").is_file()
    assert list((fleets / "k8s").glob("*.yaml"))


def test_the_table_of_codes_has_those_of_the_contract() -> None:
    told = {code for row in rows("Checking a fleet") for code in row[0].split() if code != "code"}

    assert told == {
        *("E101", "E102", "E103", "E104", "E105", "E201", "E202", "E302", "E401", "E402", "E501"),
        *("W001", "W201", "W301", "W303", "W304", "W305"),
    }
