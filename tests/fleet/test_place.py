"""The place of a fleet: who has it, and what is left of it."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from sf_actors.errors import FolderError
from sf_actors.fleet.fleet_file import read_fleet
from sf_actors.fleet.place import Place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("SF_ACTORS_RUNTIME_DIR", str(tmp_path / "run"))
    yield tmp_path / "run"
    assert not list((tmp_path / "run").iterdir())


def test_a_place_is_one_fleets_and_empty_when_it_is_taken(runtime: Path) -> None:
    place, other = Place("00000001"), Place("00000001")
    assert place.take()
    (place.folder / "7").write_text("left by one that was killed")
    assert not other.take()
    assert other.connect() is None
    os.close(place.held)

    assert other.take()
    assert list(other.folder.iterdir()) == []
    other.leave()


def test_a_child_that_outlives_up_has_the_place(runtime: Path) -> None:
    place, later = Place("00000001"), Place("00000001")
    assert place.take()
    child = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(place.held,)
    )
    os.close(place.held)
    assert not later.take()

    child.communicate(b"\n")
    assert later.take()
    later.leave()


@pytest.mark.usefixtures("runtime")
def test_who_takes_it_while_another_one_leaves_it_gets_it_or_not() -> None:
    def take_and_leave() -> int:
        taken = 0
        for _ in range(1_000):
            place = Place("00000001")
            if place.take():
                taken += 1
                place.leave()
        return taken

    with ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(take_and_leave) for _ in range(3)]
        assert all(call.result() for call in calls)


def test_who_listens_is_found(runtime: Path) -> None:
    place = Place("00000001")
    assert place.take()
    place.listen()
    connection = Place("00000001").connect()
    assert connection is not None
    connection.close()
    place.leave()
    assert not place.folder.exists()


def test_a_folder_that_others_may_enter_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    monkeypatch.setenv("SF_ACTORS_RUNTIME_DIR", str(tmp_path / "open"))
    with pytest.raises(FolderError, match="chmod 700"):
        Place("00000001").take()


def test_a_fleet_is_its_files_real_path(tmp_path: Path) -> None:
    (tmp_path / "fleet.toml").write_text('[services.a]\nfile = "a.py"\n')
    (tmp_path / "link.toml").symlink_to("fleet.toml")
    fleet = read_fleet(tmp_path / "link.toml")

    assert Place.of(tmp_path / "link.toml").folder == Place(fleet.mark).folder
    assert Place.of(tmp_path / "fleet.toml").folder == Place(fleet.mark).folder
