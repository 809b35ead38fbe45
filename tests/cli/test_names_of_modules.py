"""Service files named like modules of Python run in all placements as by `-s`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.fleets import QUIET, assert_nothing_is_left, fleet_in
from tests.support.processes import Process

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

#: Modules that the interpreter or this package imports early.
NAMES = ("queue", "random", "signal")

FLEET = "".join(f'[services.{name}]\nfile = "{name}.py"\n' for name in NAMES)


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    """Give the folder of a fleet whose services are named like modules of Python."""
    return fleet_in(tmp_path / "fleet", FLEET, **dict.fromkeys(NAMES, QUIET))


def test_check_finds_nothing_in_them(fleet: Path) -> None:
    with Process("check", cwd=fleet) as process:
        assert process.wait() == 0, process.out
    assert process.err == ["sf_actors: nothing is wrong"]


def test_they_run_in_processes_in_the_background(fleet: Path) -> None:
    with Process("up", "-d", cwd=fleet) as process:
        assert process.wait() == 0, process.err
    with Process("down", cwd=fleet) as down:
        assert down.wait() == 0
    assert_nothing_is_left(fleet)
    assert sorted(process.err) == [f"sf_actors: {name}: READY" for name in NAMES]


@pytest.mark.parametrize("start", [("-m", "sf_actors"), ("-msf_actors",), ("-Bm", "sf_actors")])
@pytest.mark.parametrize("name", NAMES)
def test_one_runs_as_it_is_typed(tmp_path: Path, name: str, start: tuple[str, ...]) -> None:
    (tmp_path / f"{name}.py").write_text("import beside\ndef main():\n    print(beside.WORD)\n")
    (tmp_path / "beside.py").write_text("WORD = 'found'\n")
    with Process(*start, "-s", f"{name}.py", "-m", module=None, cwd=tmp_path) as process:
        assert process.wait() == 0, process.err
    assert "found" in process.out


def test_one_runs_with_reload(tmp_path: Path) -> None:
    (tmp_path / "signal.py").write_text("def main(stopping):\n    stopping.wait(60)\n")
    with Process("-s", "signal.py", "-m", "--reload", cwd=tmp_path) as process:
        process.wait_until_ready()
        process.interrupt()
        assert process.wait() == 0
