"""The README's first part: short, and what a newcomer types works as it stands, in this order."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

import pytest
from docutils import nodes

from tests.inspection.conftest import folder as runtime_folder
from tests.support.fleets import assert_nothing_is_left
from tests.support.processes import ROOT, Process
from tests.support.read_here import services_are_read_here
from tests.support.shell import ran, ran_here
from tests.test_readme import blocks, folder, section
from tests.test_readme_fleet import commands_below, fleets

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.slow

__all__ = ["fleets", "folder", "runtime_folder", "services_are_read_here"]

MOST_WORDS = 2_000


@pytest.fixture
def started(fleets: Path) -> Path:
    """The folder of the fleet, which has been checked, planned and started as shown."""
    check, plan, up = (shlex.split(command) for command in commands_below("A fleet"))
    checked = ran_here(*check, cwd=fleets)
    assert (checked.status, checked.err) == (0, "sf_actors: nothing is wrong\n")
    assert ["prices/book", "->", "follow/book"] in [
        line.split()[:3] for line in ran_here(*plan, cwd=fleets).out.splitlines()
    ]
    assert ran(*up, cwd=fleets).status == 0
    return fleets


def test_the_first_part_takes_ten_minutes() -> None:
    first_part, _, reference = (
        (ROOT / "README.rst").read_text("utf-8").partition("\nReference\n---------\n")
    )
    assert reference
    assert len(first_part.split()) <= MOST_WORDS


def test_each_section_of_the_reference_begins_with_what_it_answers() -> None:
    for one in section("Reference").children:
        if isinstance(one, nodes.section):
            assert isinstance(one[1], nodes.paragraph), one[0].astext()


def test_the_state_is_followed_at_the_addresses_shown(
    folder: Path, new_address: Callable[[], str]
) -> None:
    text = blocks("json")[0]
    for port in ("27002", "27003"):
        text = text.replace(port, new_address().rpartition(":")[2])
    (folder / "addresses.json").write_text(text)
    publish, follow = (shlex.split(command) for command in commands_below("A state"))

    with Process(*follow, cwd=folder) as follower, Process(*publish, cwd=folder) as publisher:
        follower.wait_for_line("{Decimal('10.4'): 1, Decimal('10.3'): 7} LIVE")
        for process in (follower, publisher):
            process.interrupt()
            assert process.wait() == 0


def test_each_way_to_look_at_the_fleet_shows_something(started: Path) -> None:
    *looks, down = (shlex.split(command) for command in commands_below("Look at it"))
    shown = {}
    try:
        for look in looks:
            found = ran_here(*look, cwd=started)
            assert (found.status, found.err) == (0, ""), look
            shown[look[0]] = found.out
    finally:
        stopped = ran_here(*down, cwd=started)

    assert [line.split()[:1] for line in shown["ps"].splitlines()[1:]] == [
        ["greet"],
        ["prices"],
        ["follow"],
    ]
    assert json.loads(shown["call"]) == {"text": "Hello Bob!"}
    assert json.loads(shown["watch"])["args"]["bids"] == {"10.4": 1, "10.3": 7}
    assert "LIVE" in shown["logs"]
    assert stopped.status == 0
    assert_nothing_is_left(started)
