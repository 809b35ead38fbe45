"""`restart` and `scale` of a fleet that runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.bytecode import compile_file, replace, replace_unseen
from tests.support.effort import effort
from tests.support.fleets import (
    ANYWHERE,
    QUIET,
    SILENT,
    assert_nothing_is_left,
    fleet_in,
    up,
    wait_until_ready,
)
from tests.support.shell import ran_here

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.processes import Process

pytestmark = pytest.mark.slow

#: Asks a thousand times a second until it is stopped, at most; each call that fails ends it with 1.
CLIENT = """
connection_models = {"out": {"double": {
    "connection_type": "requester",
    "required_arguments": {"n": int},
    "required_return_arguments": {"n": int, "instance": int, "pid": int},
    "required_creation_arguments": {"timeout_s": 15.0},
}}}
def main(to_send, stopping):
    n = 0
    seen = []
    while not stopping.wait(0.001):
        reply = to_send("connection", "double", {"n": n})
        assert reply["n"] == 2 * n
        n += 1
        if reply["instance"] not in seen:
            seen.append(reply["instance"])
            print("seen", reply["instance"], flush=True)
    print("asked", n, "without a loss", flush=True)
""".replace("0.001", str(1 / effort(1000, brief=200)))

FLEET = """
[services.doubler]
file = "doubler.py"
instances = 1
[services.client]
file = "client.py"
main = true
after = ["doubler"]
"""


def wait_for_client(process: Process) -> None:
    process.wait_for_line("client: READY")


def noted(seen: set[int], line: str) -> set[int]:
    """Add the instance that a line of the client tells of."""
    seen |= {number for number in (1, 2, 3) if f"seen {number}" in line}
    return seen


def rows(folder: Path) -> list[dict[str, Any]]:
    return ran_here("ps", "--json", cwd=folder).objects


def phases(folder: Path) -> dict[str, str]:
    return {row["service"]: row["phase"] for row in rows(folder)}


@pytest.mark.parametrize("how", ["processes", "process"])
def test_scaling_up_and_down_loses_no_call(tmp_path: Path, how: str) -> None:
    fleet_in(tmp_path, FLEET, doubler=SILENT, client=CLIENT)
    with up(tmp_path, *(["--in-process"] if how == "process" else [])) as process:
        wait_for_client(process)
        assert ran_here("scale", "doubler", "3", cwd=tmp_path).status == 0
        seen = {1}
        process.wait_for_line(lambda line: len(seen | noted(seen, line)) == 3)
        assert list(phases(tmp_path)) == ["doubler#1", "doubler#2", "doubler#3", "client"]
        done = ran_here("scale", "doubler", "1", cwd=tmp_path)
        assert done.status == 0
        assert "doubler#3 has stopped" in done.err
        assert set(phases(tmp_path)) == {"doubler#1", "client"}
        process.interrupt()
        assert process.wait() == 0
    assert any("without a loss" in line for line in process.out)
    assert_nothing_is_left(tmp_path)


def test_a_service_may_have_no_instance(tmp_path: Path) -> None:
    fleet_in(tmp_path, '[services.quiet]\nfile = "quiet.py"\ninstances = 2\n', quiet=QUIET)
    with up(tmp_path, *ANYWHERE) as process:
        process.wait_for_line("quiet#2: READY")
        assert ran_here("scale", "quiet", "0", cwd=tmp_path).status == 0
        assert phases(tmp_path) == {}
        for verb, status in (("up", 1), ("stop", 0), ("restart", 0)):
            done = ran_here(verb, "quiet", cwd=tmp_path)
            assert done.status == status, done.err
            assert verb == "restart" or "quiet: no instance" in done.err
        assert ran_here("scale", "quiet", "1", cwd=tmp_path).status == 0
        assert phases(tmp_path) == {"quiet#1": "READY"}


PUBLISHING = """
state_models = {"out": {"level": {"state_type": "full_update_out",
    "required_arguments": {"now": int}}}}
"""


def test_what_must_be_one_is_not_scaled(tmp_path: Path) -> None:
    toml = '[services.level]\nfile = "level.py"\n[services.quiet]\nfile = "quiet.py"\n'
    toml += "[services.bus]\nbus = true\n"
    fleet_in(tmp_path, toml, level=PUBLISHING, quiet=QUIET)
    with up(tmp_path, *ANYWHERE) as process:
        wait_until_ready(process, "level", "quiet", "bus")
        for name, why in (
            ("level", "out-state"),
            ("quiet", "no instances"),
            ("bus", "a bus is one"),
        ):
            done = ran_here("scale", name, "2", cwd=tmp_path)
            assert (done.status, why in done.err) == (1, True), done.err
        for verb in (("scale", "leevl", "2"), ("restart", "leevl"), ("stop", "leevl")):
            done = ran_here(*verb, cwd=tmp_path)
            assert (done.status, "'level'" in done.err) == (3, True), done.err
        assert ran_here("scale", "level", "many", cwd=tmp_path).status == 2
    assert ran_here("scale", "level", "2", cwd=tmp_path).status == 3


def test_a_restart_runs_what_the_file_says_now_and_loses_no_call(tmp_path: Path) -> None:
    fleet_in(tmp_path, FLEET, doubler=SILENT, client=CLIENT)
    with up(tmp_path) as process:
        wait_for_client(process)
        toml = FLEET.replace("instances = 1", 'instances = 2\nloglevel = "DEBUG"')
        toml += '[services.quiet]\nfile = "quiet.py"\n'
        fleet_in(tmp_path, toml, quiet=QUIET)
        before = {
            row["service"]: row["pid"] for row in ran_here("ps", "--json", cwd=tmp_path).objects
        }
        done = ran_here("restart", "doubler", cwd=tmp_path)
        assert done.status == 0, done.err
        assert "doubler has changed: instances, loglevel" in done.err
        process.wait_for_line("seen 2")
        after = {
            row["service"]: row["pid"] for row in ran_here("ps", "--json", cwd=tmp_path).objects
        }
        assert set(after) == {"doubler#1", "doubler#2", "client"}
        assert after["doubler#1"] != before["doubler#1"]
        assert after["client"] == before["client"]
        process.interrupt()
        assert process.wait() == 0
    assert any("without a loss" in line for line in process.out)


def test_a_restart_of_all_starts_what_is_new_and_stops_what_is_gone(tmp_path: Path) -> None:
    fleet_in(tmp_path, '[services.quiet]\nfile = "quiet.py"\n', quiet=QUIET)
    with up(tmp_path, *ANYWHERE) as process:
        process.wait_for_line("quiet: READY")
        fleet_in(tmp_path, '[services.other]\nfile = "quiet.py"\n')
        done = ran_here("restart", cwd=tmp_path)
        assert done.status == 0
        assert "other is new" in done.err
        assert "quiet is gone" in done.err
        assert phases(tmp_path) == {"other": "READY"}


def test_a_file_with_errors_restarts_nothing(tmp_path: Path) -> None:
    fleet_in(tmp_path, '[services.quiet]\nfile = "quiet.py"\n', quiet=QUIET)
    with up(tmp_path, *ANYWHERE) as process:
        process.wait_for_line("quiet: READY")
        (before,) = ran_here("ps", "--json", cwd=tmp_path).objects
        (tmp_path / "quiet.py").write_text("def broken(:\n")
        done = ran_here("restart", cwd=tmp_path)
        assert (done.status, "E401" in done.err) == (1, True)
        (tmp_path / "fleet.toml").write_text("[services\n")
        assert ran_here("restart", cwd=tmp_path).status == 2
        (after,) = ran_here("ps", "--json", "--fleet", "fleet.toml", cwd=tmp_path).objects
        assert after["pid"] == before["pid"]


def test_a_restart_after_which_one_is_not_ready_is_1(tmp_path: Path) -> None:
    toml = '[services.quiet]\nfile = "quiet.py"\nrestart = "never"\n'
    fleet_in(tmp_path, toml, quiet=QUIET)
    with up(tmp_path, *ANYWHERE) as process:
        process.wait_for_line("quiet: READY")
        bad = QUIET + "\ndef init_function():\n    raise ValueError('no luck')\n"
        (tmp_path / "quiet.py").write_text(bad)
        done = ran_here("restart", "quiet", cwd=tmp_path)
        assert done.status == 1
        assert "quiet: ended with 2" in done.err


def test_lines_of_a_restart_go_to_the_same_file(tmp_path: Path) -> None:
    fleet_in(tmp_path, '[services.quiet]\nfile = "quiet.py"\n', quiet=QUIET)
    with up(tmp_path, *ANYWHERE) as process:
        process.wait_for_line("quiet: READY")
        assert ran_here("restart", cwd=tmp_path).status == 0
        lines = (tmp_path / "logs/quiet.log").read_text().splitlines()
        assert [json.loads(line)["event"] for line in lines].count("ready") == 2


def test_a_rolling_restart_loses_no_call_and_each_instance_is_new(tmp_path: Path) -> None:
    toml = FLEET.replace("instances = 1", "instances = 2")
    fleet_in(tmp_path, toml, doubler=SILENT, client=CLIENT)
    with up(tmp_path) as process:
        wait_for_client(process)
        for _ in range(effort(2, brief=1)):
            before = {
                row["service"]: row["pid"] for row in ran_here("ps", "--json", cwd=tmp_path).objects
            }
            done = ran_here("restart", "--rolling", "doubler", cwd=tmp_path)
            assert done.status == 0, done.err
            assert "doubler#2: the new one is READY" in done.err
            after = {
                row["service"]: row["pid"] for row in ran_here("ps", "--json", cwd=tmp_path).objects
            }
            assert set(after) == {"doubler#1", "doubler#2", "client"}
            assert after["client"] == before["client"]
            assert not {after["doubler#1"], after["doubler#2"]} & set(before.values())
        process.interrupt()
        assert process.wait() == 0
    assert any("without a loss" in line for line in process.out)
    assert_nothing_is_left(tmp_path)


def test_a_rolling_restart_that_fails_leaves_the_old_ones(tmp_path: Path) -> None:
    toml = FLEET.replace("instances = 1", "instances = 2")
    fleet_in(tmp_path, toml, doubler=SILENT, client=CLIENT)
    with up(tmp_path) as process:
        wait_for_client(process)
        before = {
            row["service"]: row["pid"] for row in ran_here("ps", "--json", cwd=tmp_path).objects
        }
        bad = SILENT.replace(
            "    global NUMBER", "    raise ValueError('no luck')\n    global NUMBER"
        )
        (tmp_path / "doubler.py").write_text(bad)
        done = ran_here("restart", "--rolling", cwd=tmp_path)
        assert done.status == 1
        assert "doubler#1: the new one has ended before it was READY" in done.err
        after = {
            row["service"]: row["pid"] for row in ran_here("ps", "--json", cwd=tmp_path).objects
        }
        assert after == before
        # what would break those that stay up is not even started
        breaking = SILENT.replace(
            '"required_arguments": {"n": int}', '"required_arguments": {"n": str}'
        )
        (tmp_path / "doubler.py").write_text(breaking)
        done = ran_here("restart", "--rolling", "doubler", cwd=tmp_path)
        assert (done.status, "E201" in done.err) == (1, True)
        process.interrupt()
        assert process.wait() == 0
    assert any("without a loss" in line for line in process.out)


def test_what_is_gone_stops_after_a_rolling_restart_has_succeeded_and_no_call_is_lost(
    tmp_path: Path,
) -> None:
    two = FLEET.replace("instances = 1", "instances = 2")
    two = two.replace('after = ["doubler"]', 'after = ["doubler", "quiet"]')
    fleet_in(tmp_path, two + '[services.quiet]\nfile = "quiet.py"\n', doubler=SILENT, client=CLIENT)
    (tmp_path / "quiet.py").write_text(QUIET)
    with up(tmp_path) as process:
        wait_for_client(process)
        before = {row["service"]: row["pid"] for row in rows(tmp_path)}
        bad = SILENT.replace(
            "    global NUMBER", "    raise ValueError('no luck')\n    global NUMBER"
        )
        (tmp_path / "doubler.py").write_text(bad)
        (tmp_path / "fleet.toml").write_text(FLEET)
        assert ran_here("restart", "--rolling", cwd=tmp_path).status == 1
        assert {row["service"]: row["pid"] for row in rows(tmp_path)} == before
        (tmp_path / "doubler.py").write_text(SILENT)
        done = ran_here("restart", "--rolling", "doubler", "quiet", cwd=tmp_path)
        assert done.status == 0, done.err
        assert "doubler#1: the new one is READY" in done.err
        assert "doubler#2 has stopped" in done.err
        assert "quiet has stopped" in done.err
        assert phases(tmp_path) == {"doubler#1": "READY", "client": "READY"}
        process.interrupt()
        assert process.wait() == 0
    assert any("without a loss" in line for line in process.out)


def test_what_a_failed_rolling_restart_has_left_stops_with_the_next(tmp_path: Path) -> None:
    both = '[services.level]\nfile = "level.py"\n[services.quiet]\nfile = "quiet.py"\n'
    fleet_in(tmp_path, both, level=PUBLISHING, quiet=QUIET)
    with up(tmp_path) as process:
        wait_until_ready(process, "level", "quiet")
        bad = QUIET + "\ndef init_function():\n    raise ValueError('no luck')\n"
        (tmp_path / "quiet.py").write_text(bad)
        (tmp_path / "fleet.toml").write_text('[services.quiet]\nfile = "quiet.py"\n')
        assert ran_here("restart", "--rolling", cwd=tmp_path).status == 1
        assert phases(tmp_path) == {"level": "READY", "quiet": "READY"}
        (tmp_path / "quiet.py").write_text(QUIET)
        more = '[services.quiet]\nfile = "quiet.py"\n[services.new]\nfile = "quiet.py"\n'
        (tmp_path / "fleet.toml").write_text(more)
        done = ran_here("restart", "--rolling", cwd=tmp_path)
        assert done.status == 0, done.err
        assert phases(tmp_path) == {"quiet": "READY", "new": "READY"}


def test_what_cannot_run_twice_stops_before_what_is_new_in_a_rolling_restart(
    tmp_path: Path,
) -> None:
    fleet_in(tmp_path, '[services.level]\nfile = "level.py"\n', level=PUBLISHING)
    with up(tmp_path) as process:
        process.wait_for_line("level: READY")
        (tmp_path / "fleet.toml").write_text('[services.height]\nfile = "level.py"\n')
        done = ran_here("restart", "--rolling", cwd=tmp_path)
        assert done.status == 0, done.err
        assert "level: stopped before the others start: it has an out-state, level" in done.err
        assert phases(tmp_path) == {"height": "READY"}


def test_what_cannot_run_twice_is_stopped_then_started_and_that_is_said(tmp_path: Path) -> None:
    toml = '[services.level]\nfile = "level.py"\n[services.quiet]\nfile = "quiet.py"\n'
    fleet_in(tmp_path, toml, level=PUBLISHING, quiet=QUIET)
    with up(tmp_path) as process:
        wait_until_ready(process, "level", "quiet")
        done = ran_here("restart", "--rolling", "level", cwd=tmp_path)
        assert done.status == 0
        assert "level: stopped, then started: it has an out-state, level" in done.err
        assert phases(tmp_path) == {"level": "READY", "quiet": "READY"}


def test_a_service_whose_files_change_runs_again_and_no_other(tmp_path: Path) -> None:
    toml = '[services.one]\nfile = "one.py"\n[services.two]\nfile = "two.py"\n'
    one = "import shared_words\nprint(shared_words.TEXT)\n" + QUIET
    fleet_in(tmp_path, toml, one=one, two=QUIET, shared_words="TEXT = 'first'\n")
    with up(tmp_path, "--reload") as process:
        ready = {"one", "two"}
        process.wait_for_line(lambda line: not left(ready, line))
        before = {
            row["service"]: row["pid"] for row in ran_here("ps", "--json", cwd=tmp_path).objects
        }
        replace(tmp_path / "shared_words.py", "TEXT = 'broken\n")
        process.wait_for_line("what runs runs on")
        replace(tmp_path / "shared_words.py", "TEXT = 'second'\n")
        process.wait_for_line('"second"')
        process.wait_for_line("one: READY")
        after = {
            row["service"]: row["pid"] for row in ran_here("ps", "--json", cwd=tmp_path).objects
        }
        assert after["one"] != before["one"]
        assert after["two"] == before["two"]
        process.interrupt()
        assert process.wait() == 0


def test_a_changed_text_of_the_same_size_and_second_is_what_runs(tmp_path: Path) -> None:
    one = "import shared_words\nprint(shared_words.TEXT)\n" + QUIET
    toml = '[services.one]\nfile = "one.py"\n'
    fleet_in(tmp_path, toml, one=one, shared_words="TEXT = 'first'\n")
    compile_file(tmp_path / "shared_words.py")
    with up(tmp_path, "--reload") as process:
        process.wait_for_line("one: READY")
        replace_unseen(tmp_path / "shared_words.py", "TEXT = 'other'\n")
        process.wait_for_line('"other"')
        process.interrupt()
        assert process.wait() == 0


def left(ready: set[str], line: str) -> set[str]:
    """Take out what a line says is READY."""
    for name in set(ready):
        if line == f"sf_actors: {name}: READY":
            ready.discard(name)
    return ready
