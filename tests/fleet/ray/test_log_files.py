"""A copy of log files that grows with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sf_actors.fleet.ray.log_files import Mirror, pieces

if TYPE_CHECKING:
    from pathlib import Path


def mirror(tmp_path: Path) -> tuple[Mirror, Path, Path]:
    there, here = tmp_path / "there", tmp_path / "here"
    there.mkdir()
    here.mkdir()
    return Mirror(here, lambda known: pieces(there, known)), there, here


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_it_has_what_is_there_and_then_what_comes(tmp_path: Path) -> None:
    copy, there, here = mirror(tmp_path)
    (there / "a.log").write_text("1\n")
    copy.update()
    with (there / "a.log").open("a") as file:
        file.write("2\n")
    (there / "b.log").write_text("x")
    copy.update()

    assert contents(here) == {"a.log": "1\n2\n", "b.log": "x"}


def test_a_file_that_is_put_aside_is_put_aside_here_too(tmp_path: Path) -> None:
    copy, there, here = mirror(tmp_path)
    (there / "a.log").write_text("1\n")
    copy.update()
    (there / "a.log").rename(there / "a.log.2026-01-01_00")
    (there / "a.log").write_text("2\n")
    copy.update()

    assert contents(here) == {"a.log.2026-01-01_00": "1\n", "a.log": "2\n"}


def test_a_long_file_comes_in_pieces(tmp_path: Path) -> None:
    copy, there, here = mirror(tmp_path)
    (there / "a.log").write_text("x" * 2_500_000)
    copy.update()

    assert len(contents(here)["a.log"]) == 2_500_000
