"""`up` in real processes."""

from __future__ import annotations

import json
import os
import signal
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

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
from tests.support.ports import held_port
from tests.support.processes import Process
from tests.support.shell import ran, ran_here
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

SMALL = """
[services.doubler]
file = "doubler.py"
instances = 2
[services.asker]
file = "asker.py"
main = true
after = ["doubler"]
config = { status = 7 }
"""


def test_a_main_that_ends_the_fleet_gives_it_its_exit_status(tmp_path: Path) -> None:
    fleet_in(tmp_path, SMALL, doubler=SILENT, asker=ASKING)
    with up(tmp_path) as process:
        assert process.wait() == 7

    lines = [json.loads(line) for line in process.out]
    printed = [line for line in lines if line.get("stream") == "stdout"]
    assert [line["event"].rsplit(" ", 1)[0] for line in printed] == [
        f"doubled {n} {2 * n}" for n in range(4)
    ]
    assert {line["event"].rsplit(" ", 1)[1] for line in printed} == {"1", "2"}
    assert {line["instance"] for line in lines} == {"doubler#1", "doubler#2", "asker"}
    ready = [line["service"] for line in lines if line["event"] == "ready"]
    assert ready[-1] == "asker"
    assert "sf_actors: asker failed: ended with 7" in process.err
    assert_nothing_is_left(tmp_path)


def test_lines_are_appended_to_a_file_for_each_instance(tmp_path: Path) -> None:
    fleet_in(tmp_path, SMALL, doubler=SILENT, asker=ASKING)
    for _ in range(2):
        assert ran("up", cwd=tmp_path).status == 7

    names = sorted(path.name for path in (tmp_path / "logs").iterdir())
    assert names == ["asker.log", "doubler#1.log", "doubler#2.log"]
    lines = [json.loads(one) for one in (tmp_path / "logs/asker.log").read_text().splitlines()]
    assert [line["event"] for line in lines].count("ready") == 2
    assert {line["service"] for line in lines} == {"asker"}


def test_a_progress_bar_swallows_no_line_of_a_logger(tmp_path: Path) -> None:
    bar = """
import os
from sf_actors import get_logger
def main():
    for n in range(3):
        os.write(2, b"\\r%d of 3" % n)
        get_logger().error("failed", n=n)
"""
    fleet_in(tmp_path, '[services.bar]\nfile = "bar.py"\nmain = true\n', bar=bar)

    assert ran("up", cwd=tmp_path).status == 0
    failed = ran("logs", "--level", "error", "--json", cwd=tmp_path).objects
    assert [line["n"] for line in failed] == [0, 1, 2]
    lines = [json.loads(one) for one in (tmp_path / "logs/bar.log").read_text().splitlines()]
    printed = [line["event"] for line in lines if "stream" in line]
    assert printed == ["\r0 of 3", "\r1 of 3", "\r2 of 3"]


def test_a_fleet_with_errors_is_not_started(tmp_path: Path) -> None:
    fleet_in(tmp_path, '[services.asker]\nfile = "asker.py"\nmain = true\n', asker=ASKING)
    done = ran_here("up", cwd=tmp_path)

    assert done.status == 1
    assert "E101 asker/double" in done.err
    assert not (tmp_path / "logs").exists()
    assert_nothing_is_left(tmp_path)


def test_a_fleet_file_that_cannot_be_read_is_2(tmp_path: Path) -> None:
    done = ran_here("up", cwd=tmp_path)

    assert (done.status, done.err.count("\n")) == (2, 1)


@contextmanager
def listening_at(port: int) -> Iterator[None]:
    """Have a port taken."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        yield


ONE = '[services.quiet]\nfile = "quiet.py"\n'


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_passed_on_and_ends_it_with_0(tmp_path: Path, number: signal.Signals) -> None:
    hook = QUIET + "\ndef sigint_handler():\n    print('by SIGINT')\n"
    hook += "def sigterm_handler():\n    print('by SIGTERM')\n"
    fleet_in(tmp_path, ONE, quiet=hook)
    with up(tmp_path) as process:
        wait_until_ready(process, "quiet")
        process.interrupt(number)
        assert process.wait() == 0

    by = "SIGINT" if number == signal.SIGINT else "SIGTERM"
    assert any(f"by {by}" in line for line in process.out)
    assert_nothing_is_left(tmp_path)


STUCK = (
    QUIET
    + """
def sigint_handler():
    import time
    time.sleep(60)
"""
)


def test_a_second_signal_kills_what_is_left_at_once(tmp_path: Path) -> None:
    fleet_in(tmp_path, ONE, quiet=STUCK)
    with up(tmp_path) as process:
        wait_until_ready(process, "quiet")
        process.interrupt()
        process.interrupt(signal.SIGTERM)
        process.interrupt(signal.SIGINT)
        assert process.wait() in {128 + signal.SIGINT, 128 + signal.SIGTERM}
    assert_nothing_is_left(tmp_path)


def test_what_does_not_end_in_time_is_killed_and_the_fleet_ends_with_1(tmp_path: Path) -> None:
    fleet_in(tmp_path, ONE + "stop_timeout_s = 0.3\n", quiet=QUIET)
    with up(tmp_path) as process:
        wait_until_ready(process, "quiet")
        (pid,) = (pid for pid in processes_of(tmp_path) if pid != process.popen.pid)
        freeze(pid)
        process.interrupt()
        assert process.wait() == 1
    assert any("killed" in line for line in process.err)
    assert_nothing_is_left(tmp_path)


def test_a_service_that_was_killed_is_run_again(tmp_path: Path) -> None:
    fleet_in(tmp_path, ONE, quiet=QUIET)
    with up(tmp_path) as process:
        wait_until_ready(process, "quiet")
        (pid,) = (pid for pid in processes_of(tmp_path) if pid != process.popen.pid)
        os.kill(pid, signal.SIGKILL)
        process.wait_for_line("quiet: ended by SIGKILL; restarts in 0.2 s")
        wait_until_ready(process, "quiet")


def test_a_service_that_is_killed_while_it_starts_is_run_again(tmp_path: Path) -> None:
    slow = QUIET.replace('print("begun")', "import time; print('begun', flush=True); time.sleep(1)")
    fleet_in(tmp_path, ONE, quiet=slow)
    with up(tmp_path) as process:
        process.wait_for_line("begun")
        (pid,) = (pid for pid in processes_of(tmp_path) if pid != process.popen.pid)
        os.kill(pid, signal.SIGKILL)
        process.wait_for_line("quiet: ended by SIGKILL; restarts in 0.2 s")
        wait_until_ready(process, "quiet")


def test_what_a_service_has_started_ends_with_it(tmp_path: Path) -> None:
    leaving = QUIET.replace(
        'print("begun")', "import subprocess; subprocess.Popen(['sleep', '1000'])"
    )
    fleet_in(tmp_path, ONE, quiet=leaving)
    with up(tmp_path) as process:
        wait_until_ready(process, "quiet")
        process.interrupt()
        assert process.wait() == 0
    assert_nothing_is_left(tmp_path)


def test_a_service_that_ends_at_once_for_ever_is_given_up(tmp_path: Path) -> None:
    ending = "import os\nfrom pathlib import Path\ndef init_function(to_send):\n"
    ending += "    print('here', flush=True)\n    os._exit(1)\n"
    fleet_in(tmp_path, ONE, quiet=ending)
    with up(tmp_path) as process:
        assert process.wait(60.0) == 1

    begun = [line for line in process.out if '"here"' in line]
    assert len(begun) == 6
    assert any("5 times within 60 s" in line for line in process.err)
    assert "sf_actors:   quiet | info: here" in process.err
    assert_nothing_is_left(tmp_path)


def test_one_that_cannot_start_is_not_tried_again_and_stops_nothing_else(tmp_path: Path) -> None:
    with held_port() as port, listening_at(port):
        toml = f'{ONE}bind = {{ ask = "127.0.0.1:{port}" }}\n'
        toml += '[services.other]\nfile = "other.py"\n'
        fleet_in(tmp_path, toml, quiet=QUIET, other="connection_models = {}\n")
        with up(tmp_path, *ANYWHERE) as process:
            process.wait_for_line("quiet: ended with 2: it could not start")
            until(lambda: ran_here("health", "other", cwd=tmp_path).status == 0)
            rows = {row["service"]: row for row in ran_here("ps", "--json", cwd=tmp_path).objects}
            assert (rows["quiet"]["phase"], rows["quiet"]["pid"]) == ("FAILED", None)
            assert rows["other"]["phase"] == "READY"


def test_children_notice_that_up_was_killed_and_the_next_up_waits_for_them(tmp_path: Path) -> None:
    slow = QUIET + "\ndef sigterm_handler():\n    import time; time.sleep(60)\n"
    fleet_in(tmp_path, ONE, quiet=slow)
    with up(tmp_path) as first:
        wait_until_ready(first, "quiet")
        (pid,) = (pid for pid in processes_of(tmp_path) if pid != first.popen.pid)
        first.interrupt(signal.SIGKILL)
        first.popen.wait()
        # it is gone after four seconds, but not before the second one has noticed it
        freeze(pid)
        with up(tmp_path) as second:
            second.wait_for_line("waiting for what an earlier up has left to end")
            os.kill(pid, signal.SIGCONT)
            wait_until_ready(second, "quiet")
            second.interrupt()
            assert second.wait() == 0
    assert_nothing_is_left(tmp_path)


def test_a_child_that_does_not_stop_is_gone_4_s_after_its_up_was_killed(tmp_path: Path) -> None:
    slow = QUIET + "\ndef sigterm_handler():\n    import time; time.sleep(60)\n"
    slow += "import subprocess; subprocess.Popen(['sleep', '1000'])\n"
    fleet_in(tmp_path, ONE, quiet=slow)
    with Process("up", cwd=tmp_path) as process:
        wait_until_ready(process, "quiet")
        process.interrupt(signal.SIGKILL)
        process.popen.wait()
        until(lambda: not processes_of(tmp_path), patience_s=20.0)
    assert ran_here("down", cwd=tmp_path).status == 0
    assert_nothing_is_left(tmp_path)


def test_a_second_up_says_that_the_fleet_runs(tmp_path: Path) -> None:
    fleet_in(tmp_path, ONE, quiet=QUIET)
    with up(tmp_path, *ANYWHERE) as process:
        wait_until_ready(process, "quiet")
        done = ran_here("up", cwd=tmp_path)

    assert (done.status, done.err) == (1, f"sf_actors: runs already, pid {process.popen.pid}\n")


def test_what_waits_is_told_of_after_2_s(tmp_path: Path) -> None:
    slow = QUIET.replace('print("begun")', "import time; time.sleep(3)")
    toml = ONE + '[services.late]\nfile = "late.py"\nafter = ["quiet"]\n'
    fleet_in(tmp_path, toml, quiet=slow, late="connection_models = {}\n")
    with up(tmp_path, *ANYWHERE) as process:
        process.wait_for_line("late: waits for quiet")
        wait_until_ready(process, "late")
