"""`up --in-process`; tests/conformance holds it against `up` in processes."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from tests.support.fleets import (
    ASKING,
    DOUBLING,
    QUIET,
    assert_nothing_is_left,
    fleet_in,
    up,
    wait_until_ready,
)
from tests.support.processes import Process
from tests.support.shell import ran_here

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

SMALL = """
[services.doubler]
file = "doubler.py"
instances = 2
loglevel = "WARNING"
[services.asker]
file = "asker.py"
main = true
after = ["doubler"]
config = { status = 5 }
"""


def test_each_instance_has_a_file_with_a_level_of_its_own(tmp_path: Path) -> None:
    fleet_in(tmp_path, SMALL, doubler=DOUBLING, asker=ASKING)
    with up(tmp_path, "--in-process") as process:
        assert process.wait() == 5, process.err

    def events(name: str) -> list[str]:
        lines = (tmp_path / "logs" / f"{name}.log").read_text().splitlines()
        assert {json.loads(line)["service"] for line in lines} == {name}
        return [json.loads(line)["event"] for line in lines]

    shown = [json.loads(line) for line in process.out]
    assert {line["instance"] for line in shown} == {"asker"}
    from_up = "ended with 5"
    assert events("asker") == [*(line["event"] for line in shown), from_up]
    assert "doubling" in events("doubler#1")
    assert "doubling" in events("doubler#2")


ONE = '[services.quiet]\nfile = "quiet.py"\n'


def test_a_signal_runs_the_hook_and_ends_it_with_0(tmp_path: Path) -> None:
    fleet_in(tmp_path, ONE, quiet=QUIET + "\ndef sigint_handler():\n    print('by SIGINT')\n")
    with up(tmp_path, "--in-process") as process:
        wait_until_ready(process, "quiet")
        rows = ran_here("ps", "--json", cwd=tmp_path).objects
        assert [(row["service"], row["pid"]) for row in rows] == [("quiet", process.popen.pid)]
        process.interrupt()
        assert process.wait() == 0
    assert any("by SIGINT" in line for line in process.out)
    assert_nothing_is_left(tmp_path)


def test_a_second_signal_ends_the_process_at_once(tmp_path: Path) -> None:
    stuck = (
        QUIET + "\ndef sigint_handler():\n    import time\n    print('in it')\n    time.sleep(60)\n"
    )
    fleet_in(tmp_path, ONE, quiet=stuck)
    with up(tmp_path, "--in-process") as process:
        wait_until_ready(process, "quiet")
        process.interrupt()
        process.wait_for_line("in it")
        process.interrupt(signal.SIGTERM)
        assert process.wait() == 128 + signal.SIGTERM
    assert_nothing_is_left(tmp_path)


def test_a_service_that_fails_is_run_again_afresh(tmp_path: Path) -> None:
    failing = "import time\ndef main(stopping):\n    print('here')\n    raise ValueError('no')\n"
    toml = ONE + 'main = true\nends_fleet = false\nrestart = "on-failure"\n'
    fleet_in(tmp_path, toml, quiet=failing)
    with up(tmp_path, "--in-process") as process:
        process.wait_for_line("quiet: ended with 1; restarts in 0.2 s")
        process.wait_for_line("quiet: ended with 1; restarts in 0.4 s")
    printed = [line for line in process.out if '"here"' in line]
    assert len(printed) >= 2
    assert any("ValueError: no" in line for line in process.out)


def test_verbs_reach_it(tmp_path: Path) -> None:
    fleet_in(tmp_path, ONE + '[services.other]\nfile = "quiet.py"\n', quiet=QUIET)
    with up(tmp_path, "--in-process") as process:
        wait_until_ready(process, "quiet", "other")
        assert ran_here("stop", "quiet", cwd=tmp_path).status == 0
        rows = ran_here("ps", "--json", cwd=tmp_path).objects
        assert [row["phase"] for row in rows] == ["STOPPED", "READY"]
        assert ran_here("up", "quiet", cwd=tmp_path).status == 0
        assert ran_here("down", cwd=tmp_path).status == 0
        assert process.wait() == 0


def test_it_cannot_be_in_the_background(tmp_path: Path) -> None:
    fleet_in(tmp_path, ONE, quiet=QUIET)

    assert ran_here("up", "-d", "--in-process", cwd=tmp_path).status == 2


def test_what_is_stuck_is_left_behind_and_the_process_ends_with_1(tmp_path: Path) -> None:
    stuck = "import time\ndef main():\n    print('in it')\n    time.sleep(60)\n"
    toml = ONE + "main = true\nstop_timeout_s = 0.3\n"
    fleet_in(tmp_path, toml, quiet=stuck)
    with Process("up", "--in-process", cwd=tmp_path) as process:
        process.wait_for_line("in it")
        process.interrupt()
        assert process.wait() == 1
    assert_nothing_is_left(tmp_path)
