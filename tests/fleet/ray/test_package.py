"""What of a fleet's folder travels."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest
from msgspec.structs import replace

from sf_actors.errors import FleetError
from sf_actors.fleet.fleet import Fleet, FleetService
from sf_actors.fleet.ray.package import (
    files_of,
    keys_of,
    moved_fleet,
    require_inside,
    write_keys,
    write_package,
)


def written(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def fleet_of(folder: Path, file: str = "a.py", config: str | None = None) -> Fleet:
    service = FleetService(
        name="a", file=folder / file, config=None if config is None else folder / config
    )
    return Fleet(
        name="f",
        path=folder / "fleet.toml",
        folder=folder,
        keys=folder / "keys",
        services=(service,),
    )


def test_code_and_what_lies_beside_it_travels(tmp_path: Path) -> None:
    written(tmp_path, "fleet.toml", "a.py", "below/b.py", "below/logs/c.txt", "table.csv")

    assert list(map(str, files_of(tmp_path))) == [
        *("a.py", "fleet.toml", "table.csv", "below/b.py", "below/logs/c.txt")
    ]


def test_logs_databases_dot_files_caches_and_keys_stay(tmp_path: Path) -> None:
    written(
        tmp_path,
        *("logs/a.log", ".git/config", ".env", "book.db", "book.db-wal", "x.sqlite3"),
        *("__pycache__/a.pyc", "keys/a/own.key_secret", "keys/a/own.key", "old/own.key_secret"),
    )

    assert not list(files_of(tmp_path, tmp_path / "keys"))


def test_the_same_files_make_the_same_package_whenever_they_were_written(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    written(folder, "a.py", "b/c.py")
    (folder / "a.py").chmod(0o755)
    write_package(fleet_of(folder), tmp_path / "1.zip")
    os.utime(folder / "a.py", (1.0, 1.0))
    write_package(fleet_of(folder), tmp_path / "2.zip")

    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "1.zip") as package:
        assert package.namelist() == ["a.py", "b/c.py"]
        assert package.getinfo("a.py").external_attr >> 16 == 0o755


def test_a_file_that_would_stay_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    written(folder, "a.py", "logs/a.json", "in/../b.py")
    require_inside(fleet_of(folder, "in/../b.py"))

    for fleet in (
        fleet_of(folder, "../a.py"),
        fleet_of(folder, config="logs/a.json"),
        fleet_of(folder, "none.py"),
    ):
        with pytest.raises(FleetError, match="expected a file that travels"):
            require_inside(fleet)


def test_paths_move_with_the_folder(tmp_path: Path) -> None:
    fleet = moved_fleet(fleet_of(tmp_path / "f", "in/../b.py", "c.json"), Path("/there"))

    (service,) = fleet.services
    assert (service.file, service.config) == (Path("/there/b.py"), Path("/there/c.json"))
    assert (fleet.folder, fleet.path) == (Path("/there"), Path("/there/fleet.toml"))


def test_each_service_gets_its_own_keys_and_nobody_can_read_them(tmp_path: Path) -> None:
    fleet = fleet_of(tmp_path)
    written(tmp_path, "keys/a/own.key_secret", "keys/a/servers/x.key", "keys/b/own.key_secret")
    keys = keys_of(fleet, "a")
    assert keys == {
        "own.key_secret": b"keys/a/own.key_secret",
        "servers/x.key": b"keys/a/servers/x.key",
    }
    write_keys(keys, tmp_path / "there")

    assert (tmp_path / "there/own.key_secret").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "there/servers").stat().st_mode & 0o777 == 0o700
    assert keys_of(replace(fleet, keys=None), "a") is None
