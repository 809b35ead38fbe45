"""The words of `up` and `--reload` on a standard error that takes none: all runs on as ever."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.fleets import assert_nothing_is_left, fleet_in, processes_of
from tests.support.processes import PATIENCE_S, ROOT
from tests.support.waiting import until

if TYPE_CHECKING:
    from typing import IO

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-m", "sf_actors"]

#: Notes that it is READY, and the signal that stops it, after a while.
NOTING = """
from pathlib import Path
import time
def sigterm_handler():
    time.sleep(0.3)
    Path(__file__).with_suffix('.stopped').touch()
def tick():
    Path(__file__).with_suffix('.begun').touch()
connection_models = {"in": {"tick": {"connection_type": "timer",
    "required_creation_arguments": {"every_s": 0.05, "on_tick": tick}}}}
"""

LEVELS = """
[services.low]
file = "low.py"
[services.high]
file = "high.py"
after = ["low"]
"""

#: Fails with more last lines than a pipe holds.
LOUD = """
def init_function():
    for _ in range(10):
        print("x" * 20_000)
    raise SystemExit(3)
def main(): pass
"""


def noting_fleet(folder: Path) -> None:
    fleet_in(folder, LEVELS, low=NOTING, high=NOTING)


def stopped(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.stopped"))


def started(
    folder: Path, err: int | IO[str], *, argv: tuple[str, ...] = ("up",)
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*COMMAND, *argv],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=err,
    )


@pytest.mark.parametrize("is_full", [True, False])
def test_a_fleet_outlives_a_full_disk_or_a_gone_reader_of_its_words(
    tmp_path: Path, is_full: bool
) -> None:
    noting_fleet(tmp_path)
    reading, writing = os.pipe()
    os.close(reading)
    with Path("/dev/full").open("w") as full:
        process = started(tmp_path, full if is_full else writing)
    os.close(writing)
    until((tmp_path / "high.begun").exists, "the second level", PATIENCE_S)
    process.terminate()
    assert process.wait(PATIENCE_S) == 0
    assert stopped(tmp_path) == ["high", "low"]
    assert_nothing_is_left(tmp_path)


def test_a_fleet_ends_though_nobody_reads_its_words(tmp_path: Path) -> None:
    fleet_in(tmp_path, '[services.loud]\nfile = "loud.py"\nmain = true\n', loud=LOUD)
    with started(tmp_path, subprocess.PIPE) as process:
        try:
            assert process.wait(PATIENCE_S) == 2
        finally:
            process.kill()
    assert_nothing_is_left(tmp_path)


def test_a_fleet_whose_terminal_is_closed_stops_in_order(tmp_path: Path) -> None:
    noting_fleet(tmp_path)
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        os.environ["PYTHONPATH"] = str(ROOT)
        os.execv(COMMAND[0], [*COMMAND, "up"])
    with closing(os.fdopen(terminal, "rb", buffering=0)) as shown:
        said = b""
        while b"high: READY" not in said:
            assert select.select([shown], [], [], PATIENCE_S)[0], said
            said += shown.read(65536)
    until(lambda: not processes_of(tmp_path), "the end of all", PATIENCE_S)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert stopped(tmp_path) == ["high", "low"]


def test_a_service_is_reloaded_though_its_words_find_a_full_disk(tmp_path: Path) -> None:
    source = tmp_path / "low.py"
    source.write_text(NOTING)
    with Path("/dev/full").open("w") as full:
        process = started(tmp_path, full, argv=("-s", "low.py", "--reload"))
    until((tmp_path / "low.begun").exists, "the first run", PATIENCE_S)
    source.write_text(NOTING.replace(".begun", ".again"))
    until((tmp_path / "low.again").exists, "the second run", PATIENCE_S)
    assert stopped(tmp_path) == ["low"]
    process.terminate()
    assert process.wait(PATIENCE_S) == 0
