"""Replyers of a fleet are restarted and scaled while clients ask without a pause.

By default a few times; ``SF_ACTORS_SOAK=1`` makes it 20 clients in processes of their own and 20
restarts.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.effort import effort
from tests.support.fire import Fire, under_fire
from tests.support.fleets import assert_nothing_is_left, up
from tests.support.shell import ran, ran_here

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

IS_LONG = "SF_ACTORS_SOAK" in os.environ
CLIENTS, THREADS = (20, 1) if IS_LONG else (effort(2, brief=1), effort(10, brief=6))
REPLYERS = 3 if IS_LONG else effort(3, brief=2)
RESTARTS = 20 if IS_LONG else 1


def changed_under_fire(folder: Path, *changes: tuple[str, ...]) -> Fire:
    """Run a fleet under fire, change it by verbs, and end it; return what came of it."""
    under_fire(folder, clients=CLIENTS, threads=THREADS, replyers=REPLYERS)
    with up(folder) as process:
        left = {f"sf_actors: client#{number}: READY" for number in range(1, CLIENTS + 1)}
        process.wait_for_line(lambda line: bool(left.discard(line)) or not left, 120.0)
        for change in changes:
            done = ran_here(*change, cwd=folder)
            assert done.status == 0, (change, done.err)
        process.interrupt()
        assert process.wait() == 0, process.err
    assert not [line for line in process.out if '"lost' in line]
    assert_nothing_is_left(folder)
    fire = Fire.of(folder)
    sys.stdout.write(f"{fire}\n")
    return fire


def require_each_answered_once(fire: Fire) -> None:
    assert not fire.lost
    assert len(fire.answered) > effort(100, brief=10)
    assert sorted(fire.done) == sorted(fire.answered)
    assert len(set(fire.done)) == len(fire.done)


def test_a_fleet_with_keys_loses_none_either(tmp_path: Path) -> None:
    under_fire(tmp_path, clients=1, threads=2, replyers=1)
    toml = tmp_path / "fleet.toml"
    toml.write_text('[fleet]\nkeys = "keys"\n' + toml.read_text())
    done = ran("up", cwd=tmp_path)
    assert (done.status, "sf_actors keys fleet" in done.err) == (1, True)
    # in a process of its own: it reads files that open some when they are imported
    assert ran("keys", "fleet", cwd=tmp_path).status == 0
    with up(tmp_path) as process:
        process.wait_for_line("client#1: READY")
        for change in (("restart", "--rolling", "doubler"), ("scale", "doubler", "2")):
            assert ran_here(*change, cwd=tmp_path).status == 0
        process.interrupt()
        assert process.wait() == 0, process.err
    require_each_answered_once(Fire.of(tmp_path))


def test_in_one_process_instances_are_run_again_one_by_one_and_lose_none(tmp_path: Path) -> None:
    under_fire(tmp_path, clients=1, threads=4, replyers=2)
    with up(tmp_path, "--in-process") as process:
        process.wait_for_line("client#1: READY")
        done = ran_here("restart", "--rolling", "doubler", cwd=tmp_path)
        assert done.status == 0, done.err
        assert "doubler#2: stopped, then started: all runs in one process" in done.err
        process.interrupt()
        assert process.wait() == 0, process.err
    require_each_answered_once(Fire.of(tmp_path))


def test_rolling_restarts_and_scaling_lose_no_call_and_do_nothing_twice(tmp_path: Path) -> None:
    restarts = [("restart", "--rolling", "doubler")] * RESTARTS
    counts = ("1", "4", "2", "3") if IS_LONG else ("1", "3")
    scaled = [("scale", "doubler", count) for count in counts]
    require_each_answered_once(changed_under_fire(tmp_path, *restarts, *scaled))


def test_restarts_that_are_not_rolling_lose_no_call_either(tmp_path: Path) -> None:
    restarts = [("restart", "doubler")] * RESTARTS
    require_each_answered_once(changed_under_fire(tmp_path, *restarts))
