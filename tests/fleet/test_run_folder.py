"""The run folder of a fleet: who has it, and what is left of it."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from sf_actors.errors import FolderError
from sf_actors.fleet.fleet_file import read_fleet
from sf_actors.fleet.run_folder import RunFolder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("SF_ACTORS_RUNTIME_DIR", str(tmp_path / "run"))
    yield tmp_path / "run"
    assert not list((tmp_path / "run").iterdir())


def test_a_place_is_one_fleets_and_empty_when_it_is_taken(runtime: Path) -> None:
    run_folder, other = RunFolder("00000001"), RunFolder("00000001")
    assert run_folder.take()
    (run_folder.path / "7").write_text("left by one that was killed")
    assert not other.take()
    assert other.connect() is None
    os.close(run_folder.held)

    assert other.take()
    assert list(other.path.iterdir()) == []
    other.leave()


def test_a_child_that_outlives_up_has_the_place(runtime: Path) -> None:
    run_folder, later = RunFolder("00000001"), RunFolder("00000001")
    assert run_folder.take()
    child = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(run_folder.held,)
    )
    os.close(run_folder.held)
    assert not later.take()

    child.communicate(b"\n")
    assert later.take()
    later.leave()


@pytest.mark.usefixtures("runtime")
def test_who_takes_it_while_another_one_leaves_it_gets_it_or_not() -> None:
    def take_and_leave() -> int:
        taken = 0
        for _ in range(1_000):
            run_folder = RunFolder("00000001")
            if run_folder.take():
                taken += 1
                run_folder.leave()
        return taken

    with ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(take_and_leave) for _ in range(3)]
        assert all(call.result() for call in calls)


def test_who_listens_is_found(runtime: Path) -> None:
    run_folder = RunFolder("00000001")
    assert run_folder.take()
    run_folder.listen()
    connection = RunFolder("00000001").connect()
    assert connection is not None
    connection.close()
    run_folder.leave()
    assert not run_folder.path.exists()


def test_a_folder_that_others_may_enter_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    monkeypatch.setenv("SF_ACTORS_RUNTIME_DIR", str(tmp_path / "open"))
    with pytest.raises(FolderError, match="chmod 700"):
        RunFolder("00000001").take()


def test_a_fleet_is_its_files_real_path(tmp_path: Path) -> None:
    (tmp_path / "fleet.toml").write_text('[services.a]\nfile = "a.py"\n')
    (tmp_path / "link.toml").symlink_to("fleet.toml")
    fleet = read_fleet(tmp_path / "link.toml")

    assert RunFolder.of(tmp_path / "link.toml").path == RunFolder(fleet.mark).path
    assert RunFolder.of(tmp_path / "fleet.toml").path == RunFolder(fleet.mark).path
