"""Files that are watched for changes."""

from __future__ import annotations

from importlib.util import cache_from_source
from pathlib import Path
from queue import SimpleQueue

import pytest

from sf_actors.cli.file_stamps import stamps_of
from sf_actors.cli.watched_files import WatchedFiles
from tests.support.bytecode import compile_file, replace_unseen

#: How long a change may take to be told, in seconds.
DEADLINE_S = 20.0


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "words.py"
    path.write_text("TEXT = 'one'")
    return path


def test_a_change_is_told_once_its_bytecode_is_gone(source: Path) -> None:
    compile_file(source)
    told: SimpleQueue[tuple[set[str], bool]] = SimpleQueue()
    bytecode = Path(cache_from_source(str(source)))
    watched = WatchedFiles(stamps_of([source]), lambda paths: told.put((paths, bytecode.exists())))
    try:
        replace_unseen(source, "TEXT = 'two'")
        assert told.get(timeout=DEADLINE_S) == ({str(source)}, False)
    finally:
        watched.end()


def test_bytecode_that_cannot_be_removed_holds_up_no_change(source: Path) -> None:
    told: SimpleQueue[set[str]] = SimpleQueue()
    bytecode = Path(cache_from_source(str(source)))
    bytecode.mkdir(parents=True)
    watched = WatchedFiles(stamps_of([source]), told.put)
    try:
        source.write_text("TEXT = 'more'")
        assert told.get(timeout=DEADLINE_S) == {str(source)}
    finally:
        watched.end()


def test_another_file_of_the_folder_is_not_told(source: Path) -> None:
    told: SimpleQueue[set[str]] = SimpleQueue()
    watched = WatchedFiles(stamps_of([source]), told.put)
    try:
        (source.parent / "other.py").write_text("")
        source.write_text("TEXT = 'more'")
        assert told.get(timeout=DEADLINE_S) == {str(source)}
    finally:
        watched.end()


def test_what_has_changed_between_the_load_and_the_watch_is_told(source: Path) -> None:
    stamps = stamps_of([source])
    replace_unseen(source, "TEXT = 'two'")
    told: SimpleQueue[set[str]] = SimpleQueue()
    watched = WatchedFiles(stamps, told.put)
    try:
        assert told.get(timeout=DEADLINE_S) == {str(source)}
    finally:
        watched.end()
    assert told.empty()


def test_a_file_that_is_gone_has_changed(source: Path) -> None:
    told: SimpleQueue[set[str]] = SimpleQueue()
    watched = WatchedFiles(stamps_of([source]), told.put)
    try:
        source.unlink()
        assert told.get(timeout=DEADLINE_S) == {str(source)}
    finally:
        watched.end()
