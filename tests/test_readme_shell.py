"""The README's chapter on looking at what runs: its commands, in the order that it shows them."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest
from docutils import nodes

from sf_actors.demo.market import HOW_TO_LOOK
from tests.inspection.conftest import folder
from tests.support.processes import ROOT, Process
from tests.support.shell import ran, ran_here
from tests.support.terminal import Terminal
from tests.test_readme import commands, section

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

__all__ = ["folder"]

TITLE = "Looking at what runs"


def commands_of_the_demo() -> list[str]:
    """Return the first block of the chapter: a demonstration, and how to look at it."""
    block = next(iter(section(TITLE).findall(nodes.literal_block)))
    return [line.removeprefix("python -m sf_actors ") for line in block.astext().splitlines()]


@pytest.fixture
def _market(folder: object) -> Iterator[None]:
    del folder
    with Process(*shlex.split(commands_of_the_demo()[0])) as market:
        assert ran_here("wait", "screen", "--timeout", "20", cwd=ROOT).status == 0
        yield
        market.interrupt()
        assert market.wait() == 0


@pytest.mark.usefixtures("_market")
def test_each_command_shows_something_of_the_demonstration() -> None:
    for command in commands_of_the_demo()[1:]:
        found = ran_here(*shlex.split(command), cwd=ROOT)
        assert (found.status, found.err) == (0, ""), command
        assert found.out, command


@pytest.mark.usefixtures("_market")
def test_a_call_takes_what_standard_input_gives() -> None:
    [command] = [one for one in commands() if one.startswith("echo ")]
    given, _, typed = command.partition(" | python -m sf_actors ")
    found = ran(*shlex.split(typed), given=shlex.split(given)[1])

    assert found.status == 0, found.err
    assert "filled" in found.out


def test_the_demonstration_itself_says_how_to_look_at_it() -> None:
    listed = [
        line.strip().removeprefix("python -m sf_actors ") for line in HOW_TO_LOOK.splitlines()
    ]
    words = {command.split()[0] for command in commands_of_the_demo()}

    assert {line.split()[0] for line in listed[1:]} <= words


def test_it_is_said_on_a_terminal_when_the_market_runs(folder: object) -> None:
    del folder
    with Terminal("demo", "--seconds", "30") as terminal:
        shown = terminal.wait_for("python -m sf_actors watch order_book")
        terminal.press("\x03")
        status, _ = terminal.wait()

    assert "python -m sf_actors ps" in shown
    assert status == 0
