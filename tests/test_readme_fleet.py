"""The README's chapter on fleets, as it stands."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest
from docutils import nodes

from tests.inspection.conftest import folder as runtime_folder
from tests.support.shell import ran
from tests.test_readme import blocks, folder, rows, section

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

__all__ = ["folder", "runtime_folder"]

TITLE = "Many services"


@pytest.fixture
def fleet(folder: Path) -> Path:
    (text,) = blocks("toml")
    (folder / "fleet.toml").write_text(text)
    return folder


def test_the_smallest_fleet_has_nothing_wrong_and_a_plan(fleet: Path) -> None:
    (block, *_) = [one for one in section(TITLE).findall(nodes.literal_block) if not one["classes"]]
    for command in block.astext().splitlines():
        done = ran(*shlex.split(command)[3:], cwd=fleet)
        assert done.status == 0, done
    assert "ask/greet" in done.out


def test_the_exports_are_written_as_shown(fleet: Path) -> None:
    commands = [
        line
        for one in section(TITLE).findall(nodes.literal_block)
        for line in one.astext().splitlines()
        if " export " in line
    ]
    for command in commands:
        assert ran(*shlex.split(command)[3:], cwd=fleet).status == 0, command
    assert (fleet / "units" / f"{fleet.name}.target").is_file()
    assert list((fleet / "k8s").glob("*.yaml"))


def test_the_table_of_codes_has_those_of_the_contract() -> None:
    told = {code for row in rows(TITLE) for code in row[0].split() if code != "code"}

    assert told == {
        *("E101", "E102", "E103", "E104", "E105", "E201", "E202", "E302", "E401", "E402", "E501"),
        *("W001", "W201", "W301", "W303", "W304", "W305"),
    }
