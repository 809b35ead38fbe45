"""What other verbs do with a fleet that runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from sf_actors.fleet.control import ask
from sf_actors.fleet.run_folder import RunFolder
from tests.support.effort import effort
from tests.support.fleets import (
    ANYWHERE,
    QUIET,
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

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

#: What lines begin with that `up` itself says.
OURS = "sf_actors: "

TWO = """
[services.first]
file = "quiet.py"
[services.second]
file = "quiet.py"
after = ["first"]
restart = "always"
"""


def test_up_in_the_background_is_there_until_down(tmp_path: Path) -> None:
    fleet_in(tmp_path, TWO, quiet=QUIET)
    done = ran("up", "-d", cwd=tmp_path)
    assert done.status == 0, done.err
    assert "second: READY" in done.err

    rows = ran_here("ps", "--json", cwd=tmp_path).objects
    assert [(row["service"], row["phase"]) for row in rows[:2]] == [
        ("first", "READY"),
        ("second", "READY"),
    ]
    again = ran("up", "-d", cwd=tmp_path)
    assert (again.status, "runs already" in again.err) == (1, True)
    assert ran_here("down", cwd=tmp_path).status == 0
    assert_nothing_is_left(tmp_path)
    assert ran_here("down", cwd=tmp_path).status == 0


def test_up_in_the_background_stops_all_where_not_all_can_be_ready(tmp_path: Path) -> None:
    bad = QUIET + "\ndef init_function(to_send):\n    raise ValueError('no luck')\n"
    fleet_in(tmp_path, TWO.replace('"quiet.py"\nafter', '"bad.py"\nafter'), quiet=QUIET, bad=bad)
    done = ran("up", "-d", cwd=tmp_path)

    assert done.status == 1
    assert "not all can be READY" in done.err
    assert "no luck" in done.err
    assert_nothing_is_left(tmp_path)


def test_up_in_the_background_stops_all_when_the_time_is_over(tmp_path: Path) -> None:
    slow = QUIET + "\ndef init_function(to_send):\n    import time; time.sleep(60)\n"
    toml = f"[defaults]\nstop_timeout_s = 0.5\n{TWO}"
    fleet_in(tmp_path, toml, quiet=slow)
    done = ran("up", "-d", "--wait", "1", cwd=tmp_path)

    assert done.status == 1
    assert "not all are READY within 1 s" in done.err
    assert_nothing_is_left(tmp_path)


def test_up_in_the_background_reloads_too(tmp_path: Path) -> None:
    fleet_in(tmp_path, TWO, quiet=QUIET)
    assert ran("up", "-d", "--reload", cwd=tmp_path).status == 0
    before = [row["pid"] for row in ran_here("ps", "--json", cwd=tmp_path).objects]
    (tmp_path / "quiet.py").write_text(QUIET.replace("begun", "begun anew"))
    log = tmp_path / "logs/first.log"
    until(lambda: "begun anew" in log.read_text(), patience_s=30.0)
    until(lambda: ran_here("wait", "first", cwd=tmp_path).status == 0)
    assert not {row["pid"] for row in ran_here("ps", "--json", cwd=tmp_path).objects} & set(
        before[:1]
    )
    assert ran_here("down", cwd=tmp_path).status == 0
    assert_nothing_is_left(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_up_that_is_left_before_all_are_ready_stops_everything(
    tmp_path: Path, number: signal.Signals
) -> None:
    slow = QUIET + "\ndef init_function(to_send):\n    import time; time.sleep(60)\n"
    fleet_in(tmp_path, '[services.quiet]\nfile = "quiet.py"\nstop_timeout_s = 0.5\n', quiet=slow)
    with Process("up", "-d", cwd=tmp_path) as process:
        process.wait_for_line("quiet: not READY yet")
        process.interrupt(number)
        assert process.wait() == (130 if number is signal.SIGINT else -signal.SIGKILL)
    assert_nothing_is_left(tmp_path)


def test_one_that_is_stopped_before_all_are_ready_says_so_and_is_1(tmp_path: Path) -> None:
    slow = QUIET + "\ndef init_function(stopping):\n    stopping.wait(60)\n"
    fleet_in(tmp_path, '[services.quiet]\nfile = "quiet.py"\n', quiet=slow)
    with Process("up", "-d", cwd=tmp_path) as process:
        process.wait_for_line("quiet: not READY yet")
        assert ran_here("down", cwd=tmp_path).status == 0
        assert process.wait() == 1
    assert process.err[-1] == "sf_actors: the fleet was stopped before all were READY"
    assert_nothing_is_left(tmp_path)


def test_one_that_is_killed_before_all_are_ready_is_1_with_the_reason(tmp_path: Path) -> None:
    slow = QUIET + "\ndef init_function(stopping):\n    stopping.wait(60)\n"
    fleet_in(tmp_path, '[services.quiet]\nfile = "quiet.py"\n', quiet=slow)
    with Process("up", "-d", cwd=tmp_path) as process:
        process.wait_for_line("quiet: not READY yet")
        (background,) = (
            pid for pid, command in processes_of(tmp_path).items() if "--report" in command
        )
        os.kill(background, signal.SIGKILL)
        assert process.wait() == 1
    assert "the up in the background was killed" in process.err[-1]
    until(lambda: not processes_of(tmp_path))
    assert ran_here("down", cwd=tmp_path).status == 0


def test_a_folder_that_is_too_long_for_its_socket_is_one_line_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet_in(tmp_path, TWO, quiet=QUIET)
    monkeypatch.setenv("SF_ACTORS_RUNTIME_DIR", str(tmp_path / ("long" * 25)))
    done = ran_here("up", cwd=tmp_path)

    assert done.status == 1
    assert "' is too long for a socket's path" in done.err
    assert done.err.startswith("sf_actors: the folder '/")
    assert "set SF_ACTORS_RUNTIME_DIR to a shorter one" in done.err


def test_a_wait_of_nothing_is_no_wait_and_one_without_d_is_none(tmp_path: Path) -> None:
    fleet_in(tmp_path, TWO, quiet=QUIET)
    assert ran_here("up", "--wait", "5", cwd=tmp_path).status == 2
    done = ran("up", "-d", "--wait", "0", cwd=tmp_path)
    assert (done.status, "within 0 s" in done.err) == (1, True)
    assert_nothing_is_left(tmp_path)


def test_what_a_verb_has_stopped_stays_so_until_up(tmp_path: Path) -> None:
    fleet_in(tmp_path, TWO, quiet=QUIET)
    with up(tmp_path, *ANYWHERE) as process:
        wait_until_ready(process, "first", "second")
        for name in ("second", "first"):
            stopped = ran_here("stop", name, "--json", cwd=tmp_path)
            assert stopped.status == 0
            assert stopped.objects[0]["service"] == name
        rows = ran_here("ps", "--json", cwd=tmp_path).objects
        assert [(row["phase"], row["reason"], row["pid"]) for row in rows] == [
            ("STOPPED", "stopped", None)
        ] * 2

        done = ran_here("up", "second", cwd=tmp_path)
        assert done.status == 0
        rows = ran_here("ps", "--json", cwd=tmp_path).objects
        assert [row["phase"] for row in rows] == ["READY", "READY"]


def test_up_with_names_starts_these_and_what_they_come_after(tmp_path: Path) -> None:
    toml = TWO + '[services.third]\nfile = "quiet.py"\n'
    fleet_in(tmp_path, toml, quiet=QUIET)
    with up(tmp_path, *ANYWHERE, "second") as process:
        wait_until_ready(process, "first", "second")
        rows = {row["service"]: row for row in ran_here("ps", "--json", cwd=tmp_path).objects}
        assert (rows["third"]["phase"], rows["third"]["reason"]) == ("STOPPED", "not started")
        assert "not started" in ran_here("ps", cwd=tmp_path).out

        wrong = ran_here("up", "secnod", cwd=tmp_path)
        assert (wrong.status, "'second'" in wrong.err) == (3, True)


def test_ps_shows_what_a_service_waits_for_and_when_it_restarts(tmp_path: Path) -> None:
    ending = "def main():\n    raise SystemExit(1)\n"
    toml = '[services.slow]\nfile = "slow.py"\nstop_timeout_s = 0.5\n'
    toml += '[services.late]\nfile = "quiet.py"\nafter = ["slow"]\n'
    toml += '[services.ends]\nfile = "ends.py"\nmain = true\nends_fleet = false\n'
    toml += 'restart = "on-failure"\n[services.done]\nfile = "done.py"\nmain = true\n'
    toml += "ends_fleet = false\n"
    slow = QUIET + "\ndef init_function(to_send):\n    import time; time.sleep(60)\n"
    fleet_in(tmp_path, toml, quiet=QUIET, slow=slow, ends=ending, done="def main(): pass\n")
    with up(tmp_path) as process:
        left = {"done: ended 0", "ends: ended with 1; restarts in 0.4 s"}
        process.wait_for_line(lambda line: not left.discard(line.removeprefix(OURS)) and not left)
        rows = {row["service"]: row for row in ran_here("ps", "--json", cwd=tmp_path).objects}
        assert rows["slow"]["phase"] == "STARTING"
        assert (rows["late"]["phase"], rows["late"]["reason"]) == ("WAITS", "waits for slow")
        assert rows["ends"]["phase"] in {"RESTARTS", "STARTING", "READY"}
        assert (rows["done"]["phase"], rows["done"]["reason"]) == ("ENDED", "ended 0")


def test_a_process_that_is_silent_is_still_the_fleets(tmp_path: Path) -> None:
    fleet_in(tmp_path, TWO, quiet=QUIET)
    with up(tmp_path) as process:
        wait_until_ready(process, "first", "second")
        pid = ran_here("ps", "first", "--json", cwd=tmp_path).objects[0]["pid"]
        freeze(pid)
        rows = ran_here("ps", "--json", cwd=tmp_path).objects
        os.kill(pid, signal.SIGCONT)

    assert [(row["service"], row["phase"]) for row in rows] == [
        ("first", None),
        ("second", "READY"),
    ]


def test_nobody_reaches_an_up_that_has_told_of_its_end(tmp_path: Path) -> None:
    fleet_in(tmp_path, TWO, quiet=QUIET)
    run_folder = RunFolder.of(tmp_path / "fleet.toml")
    for _ in range(effort(5, brief=2)):
        assert ran("up", "-d", cwd=tmp_path).status == 0
        connection = run_folder.connect()
        assert connection is not None
        assert ask(connection, lambda _words: None, verb="down")["status"] == 0
        assert run_folder.connect() is None
        assert ran_here("down", cwd=tmp_path).status == 0
        assert_nothing_is_left(tmp_path)


def test_a_fleet_in_another_folder_is_named(tmp_path: Path) -> None:
    fleet_in(tmp_path / "there", TWO, quiet=QUIET)
    path = str(tmp_path / "there/fleet.toml")
    assert ran("up", "-d", "--fleet", path, cwd=tmp_path).status == 0
    link = tmp_path / "link.toml"
    link.symlink_to(path)

    assert ran_here("ps", "--fleet", str(link), cwd=tmp_path).status == 0
    assert "runs already" in ran_here("up", "--fleet", str(link), cwd=tmp_path).err
    assert ran_here("down", "--fleet", str(link), cwd=tmp_path).status == 0
    assert_nothing_is_left(tmp_path / "there")


def test_down_is_1_when_something_had_to_be_killed(tmp_path: Path) -> None:
    fleet_in(
        tmp_path,
        TWO.replace("[services.second]", "stop_timeout_s = 0.2\n[services.second]"),
        quiet=QUIET,
    )
    assert ran("up", "-d", cwd=tmp_path).status == 0
    pid = ran_here("ps", "first", "--json", cwd=tmp_path).objects[0]["pid"]
    freeze(pid)

    done = ran_here("down", cwd=tmp_path)
    assert done.status == 1
    assert "first has not ended in time, and was killed" in done.err
    assert_nothing_is_left(tmp_path)


def written(folder: Path, name: str, *lines: tuple[datetime, str, str], suffix: str = "") -> None:
    (folder / "logs").mkdir(exist_ok=True)
    with (folder / "logs" / f"{name}.log{suffix}").open("a") as file:
        for at, level, event in lines:
            stamp = at.isoformat(timespec="microseconds").replace("+00:00", "Z")
            line = {"timestamp": stamp, "level": level, "event": event, "service": name}
            file.write(json.dumps({**line, "workflow_id": event[:1]}) + "\n")


def test_logs_are_merged_by_time_and_filtered(tmp_path: Path) -> None:
    fleet_in(tmp_path, TWO, quiet=QUIET)
    now = datetime.now(UTC)
    minutes = [now - timedelta(minutes=number) for number in range(10, 0, -1)]
    written(tmp_path, "first", (minutes[0], "info", "a0"), suffix=".2026-01-01_00")
    written(tmp_path, "first", (minutes[2], "warning", "b2"), (minutes[5], "error", "c5"))
    written(tmp_path, "second", (minutes[1], "info", "a1"), (minutes[4], "debug", "d4"))

    def events(*argv: str) -> list[str]:
        done = ran_here("logs", *argv, cwd=tmp_path)
        assert done.status == 0, done.err
        return [line["event"] for line in done.objects]

    assert events() == ["a0", "a1", "b2", "d4", "c5"]
    assert events("first") == ["a0", "b2", "c5"]
    assert events("--since", "7m") == ["d4", "c5"]
    assert events("--since", "1000000d") == events("--since", f"{'9' * 400}h") == events()
    assert events("--level", "WARNING") == ["b2", "c5"]
    assert events("--grep", "[bc][0-9]") == ["b2", "c5"]
    assert events("--workflow", "a") == ["a0", "a1"]
    with (tmp_path / "logs" / "second.log").open("a") as file:
        line = {"timestamp": "2026-01-01T00:00:00Z", "level": "info", "event": "e6"}
        file.write(json.dumps({**line, "workflow_id": {"a": 1}}) + "\n")
    assert events("--workflow", '{"a": 1}') == ["e6"]
    assert ran_here("logs", "frist", cwd=tmp_path).status == 3
    assert ran_here("logs", "--since", "soon", cwd=tmp_path).status == 2


def test_logs_follow_what_comes_and_new_files_and_those_put_aside(tmp_path: Path) -> None:
    fleet_in(tmp_path, TWO, quiet=QUIET)
    now = datetime.now(UTC)
    written(tmp_path, "first", (now, "info", "old"))
    with Process("logs", "-f", cwd=tmp_path) as process:
        process.wait_for_line('"old"')
        written(tmp_path, "first", (now, "info", "new"))
        process.wait_for_line('"new"')
        written(tmp_path, "second", (now, "info", "other"))
        process.wait_for_line('"other"')
        path = tmp_path / "logs/first.log"
        path.rename(path.with_name("first.log.2026-01-01_00"))
        written(tmp_path, "first", (now, "info", "newest"))
        process.wait_for_line('"newest"')
        process.interrupt(signal.SIGTERM)
        assert process.wait() == 0


def test_a_fleet_ends_silently_when_nobody_can_read_its_lines(tmp_path: Path) -> None:
    fleet_in(tmp_path, TWO, quiet=QUIET)
    command = f"{sys.executable} -m sf_actors up | head -1"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert done.stdout.count("\n") == 1
    assert "Traceback" not in done.stderr
    assert_nothing_is_left(tmp_path)
