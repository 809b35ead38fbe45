"""`up --in-process`, held against `up` in processes."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

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
from tests.support.shell import ran

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

MARKET = """
[fleet]
name = "market"
[services.bus]
bus = true
[services.doubler]
file = "doubler.py"
instances = 2
[services.teller]
file = "teller.py"
after = ["bus"]
[services.hearer]
file = "hearer.py"
[services.asker]
file = "asker.py"
main = true
after = ["doubler", "teller", "hearer"]
allow_inbound = true
config = { status = 5 }
"""
TELLING = """
from sf_actors import get_logger
def on_tick(args, to_send, states):
    to_send("state", "level", {"now": 7})
    to_send("connection", "news", {"text": "hello"})
def init_function(to_send, states):
    get_logger().info("told", level=states["level"])
connection_models = {
    "in": {"tick": {"connection_type": "timer", "required_creation_arguments": {
        "every_s": 0.1, "on_tick": on_tick}}},
    "out": {"news": {"connection_type": "publisher", "required_arguments": {"text": str},
        "required_creation_arguments": {"is_x_pub": True, "topic": "n"}}},
}
state_models = {"out": {"level": {"state_type": "full_update_out",
    "required_arguments": {"now": int}}}}
"""
HEARING = """
HEARD = []
def on_news(args):
    if not HEARD:
        HEARD.append(args["text"])
        print("heard", args["text"])
connection_models = {"in": {"news": {"connection_type": "subscriber",
    "required_arguments": {"text": str},
    "required_creation_arguments": {"is_x_sub": True, "topic": "n", "on_news": on_news}}}}
"""
FOLLOWING = ASKING.replace(
    "def main",
    """
import threading
HERE = threading.Event()
def on_level(args):
    if args["now"] == 7:
        HERE.set()
state_models = {"in": {"level": {"state_type": "full_update_in",
    "required_arguments": {"now": int}, "required_creation_arguments": {"on_level": on_level}}}}
def main""",
).replace(
    "    for n",
    """    print("level", HERE.wait(20))
    import time; time.sleep(0.5)
    for n""",
)


def alike(lines: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Return lines without what differs from run to run: times, addresses, who answered."""
    kept = [
        (
            *(str(line.get(key, "")) for key in ("instance", "level", "stream", "model")),
            line["event"].removesuffix(" 1").removesuffix(" 2"),
        )
        for line in lines
    ]
    return sorted(kept)


def test_a_fleet_is_the_same_in_one_process_and_in_several(tmp_path: Path) -> None:
    found = []
    for name, argv in (("several", ()), ("one", ("--in-process",))):
        folder = fleet_in(
            tmp_path / name,
            MARKET,
            doubler=DOUBLING,
            teller=TELLING,
            hearer=HEARING,
            asker=FOLLOWING,
        )
        with up(folder, *argv) as process:
            assert process.wait(60.0) == 5, process.err
        assert_nothing_is_left(folder)
        found.append(alike([json.loads(line) for line in process.out]))
        in_files = [
            {**json.loads(line), "instance": path.name.removesuffix(".log")}
            for path in (folder / "logs").iterdir()
            for line in path.read_text().splitlines()
        ]
        assert alike([one for one in in_files if one.get("logger") != "up"]) == found[-1]

    assert found[0] == found[1]
    events = {line[-1] for line in found[0]}
    assert {"heard hello", "level True", "doubled 3 6"} <= events


ONE = '[services.quiet]\nfile = "quiet.py"\n'


def test_a_signal_runs_the_hook_and_ends_it_with_0(tmp_path: Path) -> None:
    fleet_in(tmp_path, ONE, quiet=QUIET + "\ndef sigint_handler():\n    print('by SIGINT')\n")
    with up(tmp_path, "--in-process") as process:
        wait_until_ready(process, "quiet")
        rows = ran("ps", "--json", cwd=tmp_path).objects
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
        assert ran("stop", "quiet", cwd=tmp_path).status == 0
        rows = ran("ps", "--json", cwd=tmp_path).objects
        assert [row["phase"] for row in rows] == ["STOPPED", "READY"]
        assert ran("up", "quiet", cwd=tmp_path).status == 0
        assert ran("down", cwd=tmp_path).status == 0
        assert process.wait() == 0


def test_it_cannot_be_in_the_background(tmp_path: Path) -> None:
    fleet_in(tmp_path, ONE, quiet=QUIET)

    assert ran("up", "-d", "--in-process", cwd=tmp_path).status == 2


def test_what_is_stuck_is_left_behind_and_the_process_ends_with_1(tmp_path: Path) -> None:
    stuck = "import time\ndef main():\n    print('in it')\n    time.sleep(60)\n"
    toml = ONE + "main = true\nstop_timeout_s = 0.3\n"
    fleet_in(tmp_path, toml, quiet=stuck)
    with Process("up", "--in-process", cwd=tmp_path) as process:
        process.wait_for_line("in it")
        process.interrupt()
        assert process.wait() == 1
    assert_nothing_is_left(tmp_path)
