"""Signals in the middle of what changes a fleet: it ends gracefully, and nothing is left."""

from __future__ import annotations

import os
import random
import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors.fleet import channel, control
from sf_actors.fleet.run_folder import RunFolder
from tests.support.effort import IS_FULL, effort
from tests.support.fleets import (
    ASKING,
    QUIET,
    SILENT,
    assert_nothing_is_left,
    fleet_in,
    up,
    wait_until_ready,
)
from tests.support.processes import Process
from tests.support.shell import ran, ran_here
from tests.support.waiting import until

if TYPE_CHECKING:
    import socket
    from pathlib import Path

pytestmark = pytest.mark.slow

STARTS = 100 if "SF_ACTORS_SOAK" in os.environ else effort(8, brief=3)

#: The latest moment of an interrupt, in seconds; most machines have started all long before.
LATEST_S = 2.5 if IS_FULL else 1.5

TWO = '[services.quiet]\nfile = "quiet.py"\ninstances = 2\n'

#: Says when it starts and when it ends, both of which take a while.
SLOW = QUIET.replace('print("begun")', 'print("begun", flush=True); import time; time.sleep(0.7)')
SLOW += """
def sigterm_handler():
    import time
    print("ending", flush=True); time.sleep(0.7); print("ended in peace", flush=True)
"""


#: The same of a version that is not READY before it is to end.
UNREADY = SLOW.replace("states, config)", "states, config, stopping)", 1).replace(
    "import time; time.sleep(0.7)", "stopping.wait(60)", 1
)


def ended_in_peace(process: Process, folder: Path) -> int:
    """Have an `up` end by a signal; return how many instances have ended by themselves."""
    process.interrupt(signal.SIGTERM)
    assert process.wait() == 0, process.err
    assert not [line for line in process.err if "killed" in line or "SIGKILL" in line]
    assert_nothing_is_left(folder)
    return len([line for line in process.out if "ended in peace" in line])


def phases(folder: Path) -> list[tuple[str, str, int]]:
    rows = ran_here("ps", "--json", cwd=folder).objects
    return [(row["service"], row["phase"], row["pid"]) for row in rows]


@pytest.mark.parametrize("moment", ["begun", "ending"])
def test_a_rolling_restart_is_left_in_the_middle(tmp_path: Path, moment: str) -> None:
    fleet_in(tmp_path, TWO, quiet=SLOW)
    with up(tmp_path) as process:
        wait_until_ready(process, "quiet#1", "quiet#2")
        if moment == "begun":
            (tmp_path / "quiet.py").write_text(UNREADY)
        with Process("restart", "--rolling", cwd=tmp_path) as verb:
            process.wait_for_line(moment)
            ended = ended_in_peace(process, tmp_path)
            assert verb.wait() == 1
    # one that starts has no hook yet that it could call
    assert ended == (2 if moment == "begun" else 3), process.out


@pytest.mark.parametrize("verb", [("scale", "quiet", "3"), ("restart",)])
def test_a_change_is_left_in_the_middle(tmp_path: Path, verb: tuple[str, ...]) -> None:
    fleet_in(tmp_path, TWO, quiet=SLOW)
    with up(tmp_path) as process:
        wait_until_ready(process, "quiet#1", "quiet#2")
        (tmp_path / "quiet.py").write_text(UNREADY)
        with Process(*verb, cwd=tmp_path) as changing:
            process.wait_for_line("begun" if verb[-1] == "3" else "ending")
            ended = ended_in_peace(process, tmp_path)
            changing.wait()
    assert ended == 2


def test_down_goes_on_after_a_first_signal(tmp_path: Path) -> None:
    fleet_in(tmp_path, TWO, quiet=SLOW)
    with up(tmp_path) as process:
        wait_until_ready(process, "quiet#1", "quiet#2")
        with Process("down", cwd=tmp_path) as verb:
            process.wait_for_line("ending")
            assert ended_in_peace(process, tmp_path) == 2
            assert verb.wait() == 0


def test_down_is_0_in_an_end_whose_status_is_large_but_for_which_nobody_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = (
        QUIET
        + """
def sigterm_handler():
    import os, time
    print("ending", flush=True)
    while not os.path.exists("go"):
        time.sleep(0.01)
"""
    )
    toml = TWO + '[services.ender]\nfile = "ender.py"\nmain = true\nafter = ["quiet"]\n'
    ender = "def main():\n    raise SystemExit(200)\n"
    fleet_in(tmp_path, toml, quiet=waiting, ender=ender)

    def send(connection: socket.socket, message: dict[str, Any]) -> None:
        channel.send(connection, message)
        if message["verb"] == "down":
            # this is answered after that has been read; later it would find that nothing runs
            other = RunFolder.of(tmp_path / "fleet.toml").connect()
            assert other is not None
            assert "services" in control.ask(other, lambda _words: None, verb="ps")
            (tmp_path / "go").touch()

    monkeypatch.setattr(control, "send", send)
    with up(tmp_path) as process:
        process.wait_for_line("ending")
        down = ran_here("down", cwd=tmp_path)
        assert down.status == 0, down.err
        assert (tmp_path / "go").exists()
        assert process.wait() == 200
    assert_nothing_is_left(tmp_path)


def test_a_rolling_restart_whose_verb_is_interrupted_leaves_the_old_ones(tmp_path: Path) -> None:
    fleet_in(tmp_path, TWO + "stop_timeout_s = 2\n", quiet=SLOW)
    with up(tmp_path) as process:
        wait_until_ready(process, "quiet#1", "quiet#2")
        before = phases(tmp_path)
        # a new version that never gets READY
        (tmp_path / "quiet.py").write_text(SLOW.replace("time.sleep(0.7)", "time.sleep(60)"))
        with Process("restart", "--rolling", cwd=tmp_path) as verb:
            process.wait_for_line("begun")
            verb.interrupt()
            assert verb.wait() == 130
        process.wait_for_line("quiet#1: the old one runs on")
        until(lambda: phases(tmp_path) == before)
        # and nothing is under way any more
        assert ran_here("scale", "quiet", "1", cwd=tmp_path).status == 0


def test_what_a_verb_stops_is_not_run_again_by_a_restart_that_is_under_way(tmp_path: Path) -> None:
    fleet_in(tmp_path, TWO, quiet=SLOW)
    with up(tmp_path) as process:
        wait_until_ready(process, "quiet#1", "quiet#2")
        with Process("restart", "--rolling", "quiet", cwd=tmp_path) as verb:
            process.wait_for_line("begun")
            assert ran_here("stop", "quiet", cwd=tmp_path).status == 0
            # the one that was to be next is left out, or its successor is not wanted any more
            assert verb.wait() in {0, 1}, verb.err
        rows = ran_here("ps", "--json", cwd=tmp_path).objects
        assert [(row["phase"], row["pid"]) for row in rows] == [("STOPPED", None)] * 2
        assert ran_here("up", cwd=tmp_path).status == 0


MARKET = """
[services.doubler]
file = "doubler.py"
instances = 2
[services.asker]
file = "asker.py"
main = true
after = ["doubler"]
config = { status = 7 }
"""


def test_an_interrupt_at_any_moment_of_the_start_leaves_nothing(tmp_path: Path) -> None:
    fleet_in(tmp_path, MARKET, doubler=SILENT, asker=ASKING)
    chance = random.Random(17)
    for _ in range(STARTS):
        moment = chance.uniform(0.0, LATEST_S)
        with Process("up", cwd=tmp_path) as process:
            threading.Event().wait(moment)
            process.interrupt(chance.choice([signal.SIGINT, signal.SIGTERM]))
            status = process.wait()
            # before it has begun to run anything it ends as any verb does, or as Python itself
            allowed = {0, 7, 130, 143, -signal.SIGINT, -signal.SIGTERM}
            is_early = "Fatal Python error" in "".join(process.err)
            assert status in allowed or is_early, (moment, status, process.err)
        assert_nothing_is_left(tmp_path)
    assert ran("up", cwd=tmp_path).status == 7
