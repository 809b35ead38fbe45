"""A folder of exported files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sf_actors import SfActorsError
from sf_actors.fleet.export.files import LIST, ExportedFile, write_all
from tests.fleet.export.services import write_fleet
from tests.support.shell import ran

if TYPE_CHECKING:
    from pathlib import Path


def test_what_an_export_wrote_is_replaced_and_what_is_no_more_goes(tmp_path: Path) -> None:
    write_all(tmp_path, [ExportedFile("a", "1"), ExportedFile("sub/b", "1")])
    (tmp_path / "mine").write_text("stays")
    write_all(tmp_path, [ExportedFile("a", "2")])

    assert (tmp_path / "a").read_text() == "2"
    assert not (tmp_path / "sub" / "b").exists()
    assert (tmp_path / "mine").read_text() == "stays"


def test_a_file_of_somebody_else_stops_it_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("mine")

    with pytest.raises(SfActorsError, match="was not written by an export; nothing was written"):
        write_all(tmp_path, [ExportedFile("a", "1"), ExportedFile("b", "1")])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b"]


def test_a_list_of_somebody_else_leads_nowhere_outside(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("stays")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / LIST).write_text(f"../outside\n{outside}\n")
    write_all(tmp_path / "out", [ExportedFile("a", "1")])

    assert outside.read_text() == "stays"


def test_a_fleet_with_errors_is_not_exported(tmp_path: Path) -> None:
    write_fleet(tmp_path)
    (tmp_path / "pricer.py").write_text("1 / 0\n")
    done = ran("export", "systemd", "-o", "units", cwd=tmp_path)

    assert done.status == 1
    assert "E401 pricer" in done.err
    assert not (tmp_path / "units").exists()
    assert ran("export", "docker", cwd=tmp_path).status == 2
