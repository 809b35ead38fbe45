"""A file that cannot be relied on is refused by one line, and stays as it is."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import pytest

from sf_actors.errors import StoreError
from sf_actors.replication.values.pieces import LARGE
from tests.storage.keeping import PATIENCE_S, Keeper, kept_in
from tests.support.processes import ROOT

if TYPE_CHECKING:
    from pathlib import Path

BOOK = {"title": str, "bids": {str: float}}
VALUE = {"title": "a", "bids": {f"level {n}": n / 2 for n in range(3_000)}}

#: A user who is neither we nor root.
OTHER = 12_345

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store that was closed."""
    path = tmp_path / "book.db"
    with Keeper(path, BOOK) as keeper:
        keeper.send(**VALUE, is_snapshot=True)
        keeper.send(bids={"x": 1.0})
    return path


def contents_of(folder: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in folder.iterdir()}


def refusal(path: Path, model: dict[str, Any] | None = None) -> str:
    """Return the line by which a file is refused, which leaves all as it was."""
    before = contents_of(path.parent)
    with pytest.raises(StoreError) as raised:
        kept_in(path, model or BOOK)
    text = str(raised.value)
    assert text.startswith(f"state: store {str(path)!r}: expected ")
    assert ", got " in text
    assert "; " in text
    assert "\n" not in text
    assert contents_of(path.parent) == before
    return text


def killed(path: Path, folder: Path) -> Path:
    """Return a copy of a store as it is while it is written, with its write-ahead log."""
    folder.mkdir()
    with Keeper(path, BOOK) as keeper:
        keeper.send(title="b")
        assert keeper.store.flush(PATIENCE_S)
        for one in path.parent.glob("book.db*"):
            shutil.copy(one, folder)
    return folder / path.name


@pytest.mark.slow
def test_the_file_is_readable_for_nobody_else(path: Path) -> None:
    with Keeper(path, BOOK) as keeper:
        keeper.send(title="b")
        assert keeper.store.flush(PATIENCE_S)
        modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()}

    assert modes == {"book.db": 0o600, "book.db-wal": 0o600}
    assert [one.name for one in path.parent.iterdir()] == ["book.db"]


def test_what_a_killed_process_left_is_read(path: Path, tmp_path: Path) -> None:
    copy = killed(path, tmp_path / "killed")

    value, number = kept_in(copy, BOOK)

    assert (value["title"], number) == ("b", 2)


def test_a_store_that_cannot_be_read_for_want_of_space_is_not_called_damaged(
    path: Path, tmp_path: Path
) -> None:
    copy = killed(path, tmp_path / "killed")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # SQLite needs a file of 32 KiB beside a write-ahead log to read it
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_096, limits[1]))
    try:
        text = refusal(copy)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert "expected a file that can be read, got disk I/O error" in text
    assert "damaged" not in text
    assert "move it away" not in text
    assert kept_in(copy, BOOK)[0]["title"] == "b"


@pytest.mark.parametrize("was_killed", [False, True])
@pytest.mark.slow
def test_random_bytes_are_found_or_make_no_difference(
    path: Path, tmp_path: Path, was_killed: bool
) -> None:
    seed = random.randrange(2**32)
    print(f"{seed=}")  # noqa: T201
    chance = random.Random(seed)
    whole = kept_in(path, BOOK)
    copy = tmp_path / "copy" / "book.db"
    source = killed(path, tmp_path / "killed") if was_killed else path
    possible = (whole, kept_in_copy(source, tmp_path / "read"))
    found = 0
    for _ in range(100):
        shutil.rmtree(copy.parent, ignore_errors=True)
        copy.parent.mkdir()
        for one in source.parent.glob("book.db*"):
            shutil.copy(one, copy.parent)
        broken = chance.choice(sorted(copy.parent.iterdir()))
        flipped = bytearray(broken.read_bytes())
        for _ in range(chance.randint(1, 20)):
            flipped[chance.randrange(len(flipped))] ^= chance.randint(1, 255)
        broken.write_bytes(flipped)
        before = contents_of(copy.parent)
        try:
            assert kept_in(copy, BOOK) in possible
        except StoreError:
            found += 1
            assert contents_of(copy.parent) == before
    assert found > 20


def kept_in_copy(source: Path, folder: Path) -> tuple[dict[str, Any], int]:
    shutil.copytree(source.parent, folder, ignore=lambda *_: ["killed"])
    return kept_in(folder / source.name, BOOK)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut_is_refused(path: Path, share: float) -> None:
    os.truncate(path, int(path.stat().st_size * share))

    text = refusal(path)

    assert ("an empty file" if not share else "damaged") in text
    assert "move it away" in text


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    path.write_text("buy milk" * 100)
    assert "no database of SQLite" in refusal(path)
    path.write_text("buy")
    assert "no database of SQLite" in refusal(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(StoreError, match="got a folder"):
        kept_in(path, BOOK)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_a_database_that_is_no_store_is_refused(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "other.db"
    other = sqlite3.connect(path)
    other.execute(f"PRAGMA journal_mode = {mode}")
    other.execute("CREATE TABLE pieces (id INTEGER)")
    other.commit()

    assert "another database of SQLite" in refusal(path)
    other.execute("INSERT INTO pieces VALUES (1)")
    other.close()


def test_a_store_of_a_later_format_is_refused(path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("PRAGMA user_version = 2")
    other.close()

    assert "expected a store of format 1, got one of format 2" in refusal(path)


def test_another_state_of_the_process_is_refused_and_named(path: Path) -> None:
    with Keeper(path, BOOK, where="book.py: state_models['out']['book']") as keeper:
        with pytest.raises(StoreError, match=r"that of book\.py: state_models\['out'\]\['book'\]"):
            kept_in(path, BOOK)
        link = path.with_name("link.db")
        link.symlink_to(path)
        with pytest.raises(StoreError, match="in this process"):
            kept_in(link, BOOK)
        keeper.send(title="goes on")

    assert kept_in(path, BOOK)[0]["title"] == "goes on"


HOLDS = """
import sys
from tests.storage.keeping import Keeper
keeper = Keeper(sys.argv[1], {"title": str, "bids": {str: float}})
keeper.send(title="of the other process")
keeper.store.flush(30)
print("holds", flush=True)
sys.stdin.read()
"""


@pytest.mark.slow
def test_another_process_is_refused_and_told_who_has_the_file(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    ) as other:
        try:
            assert other.stdout is not None
            assert other.stdout.readline() == "holds\n"

            assert f"got that of process {other.pid}" in refusal(path)
            # and what looks at it meanwhile takes nobody's lock away
            assert f"got that of process {other.pid}" in refusal(path)
        finally:
            other.send_signal(signal.SIGKILL)

    value, number = kept_in(path, BOOK)
    assert (value["title"], number) == ("of the other process", 2)


def test_another_program_cannot_write_while_we_run(path: Path) -> None:
    with Keeper(path, BOOK):
        other = sqlite3.connect(path, timeout=0.0)
        try:
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("DELETE FROM log")
        finally:
            other.close()


@needs_root
def test_a_symlink_of_another_user_is_not_followed(path: Path) -> None:
    link = path.with_name("link.db")
    link.symlink_to(path)
    os.chown(link, OTHER, OTHER, follow_symlinks=False)

    assert "is a symlink of another user" in refusal(link)


@needs_root
def test_a_file_of_another_user_in_a_public_folder_is_refused(path: Path) -> None:
    os.chown(path, OTHER, OTHER)
    path.parent.chmod(0o1777)

    assert f"another user (uid {OTHER}) put a file there" in refusal(path)


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        ({"title": int, "bids": {str: float}}, "field 'title'"),
        ({"title": str, "bids": {int: float}}, "bids"),
        ({"title": str, "bids": {str: str}}, "bids"),
        ({"title": str, "bids": {str: float}, "venue": str}, "field 'venue' is required now"),
        ({"state": {"title": str, "venue": str, "bids": {str: float}}}, "state.venue"),
    ],
)
def test_a_value_that_does_not_fit_the_model_of_today_is_refused(
    path: Path, model: dict[str, Any], problem: str
) -> None:
    text = refusal(path, model)

    assert problem in text
    assert "expected a value that fits the model" in text


def test_what_does_not_fit_is_told_though_other_fields_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    with Keeper(path, {"gone": int, "title": str}) as keeper:
        keeper.send(gone=1, title="x", is_snapshot=True)

    assert "field 'title': expected int, got str 'x'" in refusal(path, {"title": int})


def test_fields_that_the_model_no_longer_has_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    inner = {"a": int, "b": int}
    then = {"title": str, "gone": {str: int}, "rec": inner, "recs": {str: inner}, "rows": [inner]}
    one = {"a": 1, "b": 2}
    with Keeper(path, then) as keeper:
        keeper.send(
            title="x", gone={"k": 1}, rec=one, recs={"r": one}, rows=[one], is_snapshot=True
        )
        keeper.send(gone={"l": 1}, recs={"r": {"b": 3}, "s": one})
    now: dict[str, Any] = {"title": str, "rec": {"a": int}, "recs": {str: {"a": int}}}
    now["rows"] = [{"a": int}]
    left = {"title": "x", "rec": {"a": 1}, "recs": {"r": {"a": 1}, "s": {"a": 1}}}
    left["rows"] = [{"a": 1}]

    with Keeper(path, now, {"later": str}) as keeper:
        assert keeper.value == left
        keeper.send(later="y")

    assert kept_in(path, now, {"later": str}) == (left | {"later": "y"}, 2)


def test_a_new_store_takes_nothing_from_the_log_of_one_that_was_moved_away(
    path: Path, tmp_path: Path
) -> None:
    copy = killed(path, tmp_path / "killed")
    copy.rename(copy.with_name("book.old"))

    assert "got its journal 'book.db-wal' alone" in refusal(copy)

    copy.with_name("book.db-wal").rename(copy.with_name("book.old-wal"))
    assert kept_in(copy, BOOK) == ({}, -1)
    assert kept_in(copy.with_name("book.old"), BOOK)[0]["title"] == "b"


def test_an_empty_log_that_was_left_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "book.db-wal").touch()

    assert kept_in(tmp_path / "book.db", BOOK) == ({}, -1)


def test_a_required_field_that_deltas_had_not_brought_yet_may_be_missing(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    with Keeper(path, BOOK) as keeper:
        keeper.send(bids={"x": 1.0})
    with Keeper(path, BOOK) as keeper:
        assert keeper.value == {"bids": {"x": 1.0}}
        keeper.send(title="a")

    assert kept_in(path, BOOK) == ({"title": "a", "bids": {"x": 1.0}}, 1)


def test_a_value_is_held_to_the_bounds_of_today_not_to_those_that_it_once_had(
    tmp_path: Path,
) -> None:
    path = tmp_path / "book.db"
    with Keeper(path, {"bids": {int: int}}) as keeper:
        keeper.send(bids=dict(enumerate(range(LARGE))))
        keeper.send(bids={0: None})
    left = dict(enumerate(range(LARGE)))
    del left[0]

    def bounded(**bounds: int) -> dict[str, Any]:
        return {"bids": Annotated[dict[int, int], msgspec.Meta(**bounds)]}

    assert "min_length=10000" in refusal(path, bounded(min_length=LARGE))
    assert "max_length=9998" in refusal(path, bounded(max_length=LARGE - 2))
    fits = bounded(min_length=LARGE - 1, max_length=LARGE - 1)
    assert kept_in(path, fits) == ({"bids": left}, 1)


def test_a_killed_creation_is_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    (tmp_path / f".book.db.{os.getpid()}.new").write_bytes(b"half a fi")

    with Keeper(path, BOOK) as keeper:
        keeper.send(title="a")

    assert [one.name for one in tmp_path.iterdir()] == ["book.db"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_a_file_that_must_not_be_written_is_refused(path: Path) -> None:
    path.chmod(0o400)

    assert "expected a file that can be written, got Permission denied" in refusal(path)
