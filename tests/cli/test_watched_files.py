"""Files that are watched for changes."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import cache_from_source
from pathlib import Path
from queue import SimpleQueue
from time import monotonic

import pytest

from sf_actors.cli import watched_files
from sf_actors.cli.file_stamps import stamps_of
from sf_actors.cli.watched_files import WatchedFiles
from tests.support.bytecode import compile_file, replace_unseen

#: How long a change may take to be told, in seconds.
DEADLINE_S = 20.0

#: Sets a limit of the system to 0, then watches and changes a file.
_WITHOUT = """
import sys
from pathlib import Path
from queue import SimpleQueue
from sf_actors.cli.file_stamps import stamps_of
from sf_actors.cli.watched_files import WatchedFiles

limit, source = sys.argv[1], Path(sys.argv[2])
Path("/proc/sys/user", limit).write_text("0")
told = SimpleQueue()
watched = WatchedFiles(stamps_of([source]), told.put)
source.write_text("TEXT = 'more'")
print(told.get(timeout=20))
watched.end()
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "services" / "words.py"
    path.parent.mkdir()
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


@pytest.mark.parametrize("limit", ["max_inotify_instances", "max_inotify_watches"])
def test_a_change_is_told_where_the_user_has_no_watches_left(source: Path, limit: str) -> None:
    # a namespace of its own has limits of its own
    run = subprocess.run(
        ["unshare", "--user", "--map-root-user", sys.executable, "-c", _WITHOUT, limit, source],
        capture_output=True,
        text=True,
        check=False,
        timeout=2 * DEADLINE_S,
    )
    if "unshare" in run.stderr:
        pytest.skip(run.stderr)
    assert (run.stdout, run.stderr) == (f"{{'{source}'}}\n", "")


def test_a_change_is_told_after_the_folder_was_gone_and_made_anew(source: Path) -> None:
    folder = source.parent
    told: SimpleQueue[set[str]] = SimpleQueue()
    watched = WatchedFiles(stamps_of([source]), told.put)
    try:
        folder.rename(folder.with_name("away"))
        assert told.get(timeout=DEADLINE_S) == {str(source)}
        folder.mkdir()
        source.write_text("TEXT = 'two'")
        assert told.get(timeout=DEADLINE_S) == {str(source)}
        source.write_text("TEXT = 'three'")
        assert told.get(timeout=DEADLINE_S) == {str(source)}
    finally:
        watched.end()


def test_a_change_is_told_though_the_new_folder_has_the_inode_of_the_old(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # nothing but events tells it
    monkeypatch.setattr(watched_files, "LONGEST_REST_MS", 10_000)
    folder = source.parent
    told: SimpleQueue[set[str]] = SimpleQueue()
    watched = WatchedFiles(stamps_of([source]), told.put)
    try:
        source.write_text("TEXT = 'once more'")
        assert told.get(timeout=DEADLINE_S) == {str(source)}
        source.unlink()
        folder.rmdir()
        folder.mkdir()
        source.write_text("TEXT = 'two'")
        assert told.get(timeout=DEADLINE_S) == {str(source)}
        began = monotonic()
        source.write_text("TEXT = 'three'")
        assert told.get(timeout=DEADLINE_S) == {str(source)}
        assert monotonic() < began + 5
    finally:
        watched.end()
