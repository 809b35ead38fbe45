"""What is killed at any moment leaves nothing, and fleets of many instances."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from sf_actors.fleet.run_folder import RunFolder
from tests.support.effort import effort
from tests.support.fleets import (
    ANYWHERE,
    ASKING,
    QUIET,
    SILENT,
    assert_nothing_is_left,
    fleet_in,
    processes_of,
    up,
    wait_until_ready,
)
from tests.support.freezing import freeze
from tests.support.processes import ROOT, Process
from tests.support.shell import ran, ran_here
from tests.support.waiting import until

pytestmark = pytest.mark.slow

IS_LONG = "SF_ACTORS_SOAK" in os.environ
KILLS = 30 if IS_LONG else effort(4, brief=2)

#: How long what has lost its `up` may take to be gone, in seconds; on a busy machine too.
ORPHANED_S = 20.0

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


def test_an_up_that_is_killed_at_any_moment_leaves_nothing_for_long(tmp_path: Path) -> None:
    fleet_in(tmp_path, MARKET, doubler=SILENT, asker=ASKING)
    chance = random.Random(18)
    for _ in range(KILLS):
        with Process("up", cwd=tmp_path) as process:
            threading.Event().wait(chance.uniform(0.3, 3.0))
            process.popen.kill()
            process.popen.wait()
            until(lambda: not processes_of(tmp_path), "the end of all", ORPHANED_S)
    assert ran("up", cwd=tmp_path).status == 7
    assert_nothing_is_left(tmp_path)


def test_a_full_disk_below_the_lines_of_a_fleet_is_told_and_ends_it_with_1(tmp_path: Path) -> None:
    fleet_in(tmp_path, '[services.quiet]\nfile = "quiet.py"\n', quiet=QUIET)
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "sf_actors", "up"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            timeout=ORPHANED_S,
            check=False,
        )

    assert done.returncode == 1
    assert "sf_actors: standard output: No space left on device\n" in done.stderr
    assert_nothing_is_left(tmp_path)


def test_what_an_up_that_is_killed_has_run_takes_its_inspectors_sockets_along(
    tmp_path: Path,
) -> None:
    toml = '[services.quiet]\nfile = "quiet.py"\n[services.bus]\nbus = true\n'
    fleet_in(tmp_path, toml, quiet=QUIET)
    runtime = Path(os.environ["SF_ACTORS_RUNTIME_DIR"])
    with Process("up", cwd=tmp_path) as process:
        wait_until_ready(process, "quiet", "bus")
        # a bus is seen some time after it passes messages on
        until(lambda: len(list(runtime.glob("*.sock"))) == 2, "both inspectors")
        (bus,) = ran("info", "bus", "--json", cwd=tmp_path).objects
        assert bus["command"] == "sf_actors up: bus"
        process.popen.kill()
        process.popen.wait()
        until(lambda: not processes_of(tmp_path), "the end of all", ORPHANED_S)
    assert not list(runtime.glob("*.sock"))


def test_an_up_that_is_killed_in_a_rolling_restart_leaves_neither_old_nor_new(
    tmp_path: Path,
) -> None:
    slow = QUIET.replace('print("begun")', 'print("begun", flush=True); import time; time.sleep(1)')
    fleet_in(tmp_path, '[services.quiet]\nfile = "quiet.py"\n', quiet=slow)
    with Process("up", cwd=tmp_path) as process:
        wait_until_ready(process, "quiet")
        # a new version that is not READY before all is gone
        (tmp_path / "quiet.py").write_text(slow.replace("time.sleep(1)", "time.sleep(60)"))
        with Process("restart", "--rolling", cwd=tmp_path) as verb:
            process.wait_for_line("begun")
            process.popen.kill()
            assert verb.wait() == 1
        assert "has ended before it answered" in verb.err[-1]
        until(lambda: not processes_of(tmp_path), "the end of all", ORPHANED_S)
    (tmp_path / "quiet.py").write_text(QUIET)
    with up(tmp_path) as process:
        wait_until_ready(process, "quiet")
        process.interrupt()
        assert process.wait() == 0
    assert_nothing_is_left(tmp_path)


def test_an_old_one_that_is_killed_while_its_successor_starts_is_succeeded(tmp_path: Path) -> None:
    waiting = "    print('begun anew', flush=True); import os, time\n"
    waiting += "    while not os.path.exists('go'): time.sleep(0.01)"
    fleet_in(tmp_path, '[services.quiet]\nfile = "quiet.py"\n', quiet=QUIET)
    with up(tmp_path) as process:
        wait_until_ready(process, "quiet")
        (row,) = ran_here("ps", "--json", cwd=tmp_path).objects
        (tmp_path / "quiet.py").write_text(QUIET.replace('    print("begun")', waiting))
        with Process("restart", "--rolling", cwd=tmp_path) as verb:
            process.wait_for_line("begun anew")
            os.kill(row["pid"], signal.SIGKILL)
            (tmp_path / "go").touch()
            assert verb.wait() == 0, verb.err
        until(lambda: ran_here("health", "quiet", cwd=tmp_path).status == 0)
        (row,) = ran_here("ps", "--json", cwd=tmp_path).objects
        assert row["phase"] == "READY"
        process.interrupt()
        assert process.wait() == 0
    assert_nothing_is_left(tmp_path)


def test_one_that_is_frozen_while_it_is_succeeded_is_killed_and_the_others_run_on(
    tmp_path: Path,
) -> None:
    toml = '[services.quiet]\nfile = "quiet.py"\ninstances = 2\nstop_timeout_s = 0\n'
    fleet_in(tmp_path, toml, quiet=QUIET)
    with up(tmp_path) as process:
        wait_until_ready(process, "quiet#1", "quiet#2")
        first = ran("ps", "--json", cwd=tmp_path).objects[0]
        freeze(first["pid"])
        done = ran("restart", "--rolling", cwd=tmp_path)
        assert done.status == 0, done.err
        process.wait_for_line("quiet#1: one beside it has not ended within 5 s: killed")
        rows = ran("ps", "--json", cwd=tmp_path).objects
        assert [row["phase"] for row in rows] == ["READY", "READY"]

        freeze(rows[0]["pid"])
        done = ran("stop", "quiet#1", cwd=tmp_path)
        assert done.status == 1
        assert "quiet#1 has not ended in time, and was killed" in done.err
    assert_nothing_is_left(tmp_path)


def test_no_verb_waits_longer_than_its_timeout_for_an_up_that_is_frozen(tmp_path: Path) -> None:
    fleet_in(tmp_path, '[services.quiet]\nfile = "quiet.py"\n', quiet=QUIET)
    fleet = f"--fleet={tmp_path / 'fleet.toml'}"
    with up(tmp_path) as process:
        wait_until_ready(process, "quiet")
        freeze(process.popen.pid)
        try:
            here = ran("ps", "--json", cwd=tmp_path)
            others = [
                ran(*verb, "--timeout", "0.5", cwd=tmp_path)
                for verb in (("ps", fleet), ("call", "quiet/ask"), ("check", "--live"))
            ]
            crowd = [RunFolder.of(tmp_path / "fleet.toml").connect(waits=False)]
            with suppress(TimeoutError):
                while True:
                    crowd.append(RunFolder.of(tmp_path / "fleet.toml").connect(waits=False))
            crowded = ran("ps", "--json", cwd=tmp_path)
        finally:
            process.interrupt(signal.SIGCONT)
        for one in crowd:
            assert one is not None
            one.close()

    for done in (here, crowded):
        assert (done.status, [row["phase"] for row in done.objects]) == (0, ["READY"])
        assert "the up of the fleet: no answer within" in done.err
    assert [done.status for done in others] == [124, 124, 124]
    assert {done.err for done in others} == {
        "sf_actors: the up of the fleet: no answer within 0.5 s\n"
    }
    assert_nothing_is_left(tmp_path)


def test_a_stop_that_may_take_years_ends_when_the_handler_has(tmp_path: Path) -> None:
    toml = '[services.quiet]\nfile = "quiet.py"\nstop_timeout_s = 9000000000\n'
    slow = QUIET.replace("    return {}", "    import time; time.sleep(0.5)")
    fleet_in(tmp_path, toml, quiet=slow)
    with up(tmp_path) as process:
        wait_until_ready(process, "quiet")
        ran("call", "quiet/ask", "--timeout", "0.1", cwd=tmp_path)
        assert ran("down", cwd=tmp_path).status == 0
        assert process.wait() == 0, process.err
    assert_nothing_is_left(tmp_path)


@pytest.mark.parametrize(
    "placement",
    [
        pytest.param(
            (),
            id="processes",
            marks=pytest.mark.skipif(not IS_LONG, reason="SF_ACTORS_SOAK=1 runs it: a minute"),
        ),
        pytest.param(("--in-process",), id="process"),
    ],
)
def test_a_fleet_of_60_instances_comes_and_goes(tmp_path: Path, placement: tuple[str, ...]) -> None:
    # sixty that end at once take their time on a busy machine
    toml = MARKET.replace("instances = 2", "instances = 60\nstop_timeout_s = 120")
    fleet_in(tmp_path, toml, doubler=SILENT, asker=ASKING)
    with up(tmp_path, *placement) as process:
        assert process.wait(300.0) == 7, process.err
    ready = [line for line in process.err if line.endswith(": READY")]
    assert len(ready) == 61
    assert not [line for line in process.err if "killed" in line]
    assert_nothing_is_left(tmp_path)


def test_one_that_fails_for_ever_while_a_verb_waits_for_it_keeps_nobody_waiting(
    tmp_path: Path,
) -> None:
    bad = QUIET + "\ndef init_function(to_send):\n    raise ValueError('no luck')\n"
    toml = '[services.quiet]\nfile = "quiet.py"\n[services.late]\nfile = "quiet.py"\n'
    toml += 'after = ["bad"]\n[services.bad]\nfile = "bad.py"\nrestart = "never"\n'
    fleet_in(tmp_path, toml, quiet=QUIET, bad=bad)
    with up(tmp_path, *ANYWHERE, "quiet") as process:
        wait_until_ready(process, "quiet")
        done = ran_here("up", "late", cwd=tmp_path)
        assert done.status == 1
        assert "late: waits for bad" in done.err
        assert "bad: ended with 2" in done.err


def test_one_that_was_ready_is_tried_again_when_it_cannot_start_after_a_restart(
    tmp_path: Path,
) -> None:
    flag = "import pathlib\ndef init_function(to_send):\n"
    flag += "    if pathlib.Path('bad').exists():\n"
    flag += "        pathlib.Path('bad').unlink()\n        raise ValueError('no luck')\n"
    fleet_in(tmp_path, '[services.quiet]\nfile = "quiet.py"\n', quiet=QUIET + flag)
    with up(tmp_path, *ANYWHERE) as process:
        wait_until_ready(process, "quiet")
        (tmp_path / "bad").touch()
        done = ran_here("restart", "quiet", cwd=tmp_path)
        assert done.status == 0
        assert "quiet: ended with 2; restarts in 0.2 s" in done.err
        assert "quiet: READY" in done.err


def test_services_that_the_file_has_by_now_are_lacking(tmp_path: Path) -> None:
    toml = '[services.quiet]\nfile = "quiet.py"\n'
    fleet_in(tmp_path, toml, quiet=QUIET)
    with up(tmp_path, *ANYWHERE) as process:
        wait_until_ready(process, "quiet")
        (before,) = ran_here("ps", "--json", cwd=tmp_path).objects
        more = '[services.{0}]\nfile = "quiet.py"\n'
        (tmp_path / "fleet.toml").write_text(toml + more.format("new") + more.format("newer"))
        done = ran_here("up", "new", cwd=tmp_path)
        assert done.status == 0, done.err
        rows = ran_here("ps", "--json", cwd=tmp_path).objects
        assert [row["service"] for row in rows] == ["quiet", "new"]
        assert ran_here("up", cwd=tmp_path).status == 0
        rows = ran_here("ps", "--json", cwd=tmp_path).objects
        assert [row["phase"] for row in rows] == ["READY"] * 3
        assert rows[0]["pid"] == before["pid"]
        done = ran_here("up", cwd=tmp_path)
        assert (done.status, "runs already, pid" in done.err) == (1, True)


@pytest.mark.parametrize("thread", ["fleet/read_0", "fleet", "signals"])
def test_a_fleet_says_in_a_line_where_the_system_has_no_thread_left(
    tmp_path: Path, thread: str
) -> None:
    fleet_in(tmp_path, '[services.quiet]\nfile = "quiet.py"\n', quiet=QUIET)
    instead = tmp_path / "instead"
    instead.mkdir()
    limited = f"""
start = Thread.start
def limited(self):
    if self.name == {thread!r}:
        raise RuntimeError("can't start new thread")
    start(self)
Thread.start = limited
"""
    # in the name of the module that raises this otherwise
    (instead / "sitecustomize.py").write_text(
        f"import threading as it\nexec(compile({limited!r}, it.__file__, 'exec'), vars(it))\n"
    )
    found = ran("up", cwd=tmp_path, PYTHONPATH=f"{instead}:{ROOT}")
    assert found.status == 1
    assert "the system has none left, or no memory for its stack; raise the limit" in found.err
    assert "Traceback" not in found.out + found.err
