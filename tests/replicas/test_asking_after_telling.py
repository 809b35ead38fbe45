"""A process that updates a state and asks one that follows it: no answer is older.

`SF_ACTORS_ROUNDS=20000` makes it a long run.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.effort import effort
from tests.support.ports import held_port
from tests.support.processes import Process
from tests.support.state_pair import bus

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent

#: Updates in a row, each with a call right behind it.
ROUNDS = effort(2_000, brief=500, variable="SF_ACTORS_ROUNDS")


def start(folder: Path, name: str, addresses: Any, **config: object) -> Process:
    """Start one of the services of this folder."""
    path = folder / f"{name}.json"
    path.write_text(json.dumps(addresses))
    given = [word for key, value in config.items() for word in (f"--{key}", json.dumps(value))]
    is_main = ["-m"] if name == "telling" else []
    service = str(HERE / f"{name}.py")
    return Process("-s", service, "-a", str(path), *is_main, *given, cwd=folder)


def older_answers(
    folder: Path,
    *,
    catch_up_s: float = 4.0,
    through_bus: bool = False,
    rounds: int = ROUNDS,
    runs: int = 1,
) -> int:
    """Return how many answers were older than the update before the call.

    :param catch_up_s: of the replyer
    :param runs: how often the one that tells is run, one time after the other
    """
    with ExitStack() as stack:
        ask, heard, snapshots = (f"127.0.0.1:{stack.enter_context(held_port())}" for _ in range(3))
        told = heard
        if through_bus:
            told, heard = stack.enter_context(bus())
        followed = {"book": {"subscriber": heard, "requester": snapshots}}
        published = {"book": {"publisher": told, "replyer": snapshots}}
        inward = {"states": {"in": followed}, "connections": {"in": {"ask": ask}}}
        outward = {"states": {"out": published}, "connections": {"out": {"ask": ask}}}
        knowing = start(folder, "knowing", inward, catch_up_s=catch_up_s, is_x_sub=through_bus)
        stack.enter_context(knowing)
        knowing.wait_until_ready()
        older = 0
        for _ in range(runs):
            telling = start(folder, "telling", outward, rounds=rounds, is_x_pub=through_bus)
            stack.enter_context(telling)
            line = telling.wait_for_line("older:", timeout_s=30 + rounds / 100)
            assert telling.wait() == 0
            older += int(line.rpartition(" ")[2])
        return older


@pytest.mark.parametrize("through_bus", [False, True])
def test_no_answer_is_older(tmp_path: Path, through_bus: bool) -> None:
    assert older_answers(tmp_path, through_bus=through_bus) == 0


@pytest.mark.parametrize("through_bus", [False, True])
def test_no_answer_to_a_publisher_that_was_started_again_is_older(
    tmp_path: Path, through_bus: bool
) -> None:
    assert older_answers(tmp_path, through_bus=through_bus, rounds=100, runs=3) == 0


def test_without_waiting_some_are(tmp_path: Path) -> None:
    """That the test above can fail."""
    assert older_answers(tmp_path, catch_up_s=0.0) > 0
