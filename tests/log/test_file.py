from __future__ import annotations

import json
import logging
import logging.config
import os
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors.errors import UsageError
from sf_actors.log import LogScope, get_logger, hourly_file

if TYPE_CHECKING:
    from collections.abc import Callable

from sf_actors.log.file import LogFile
from tests.log.lines import Console, read

LOG = get_logger()


def test_the_files_folder_is_made_and_the_file_appended_to(
    open_scope: Callable[..., LogScope], tmp_path: Path
) -> None:
    path = tmp_path / "made" / "here" / "svc.log"
    for _ in range(2):
        scope = open_scope(log_path=str(path), console_level=None)
        with scope.entered():
            LOG.info("Größe \udc80", x=1)
        scope.close()

    assert [line["event"] for line in read(path)] == ["Größe \udc80"] * 2


def test_a_file_that_cannot_be_opened_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    for path in (tmp_path, tmp_path / "file" / "svc.log", "", "a\0b"):
        with pytest.raises(UsageError, match="log_path: expected a file") as raised:
            LogScope("svc", log_path=path)
        assert str(path).replace("\0", "\\x00") in str(raised.value)
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("count", [-1, True, "3", 1.5, None])
def test_a_backup_count_is_a_number_from_0_on(tmp_path: Path, count: Any) -> None:
    with pytest.raises(UsageError, match="backup_count"):
        LogScope("svc", log_path=tmp_path / "svc.log", backup_count=count)


def test_a_closed_scope_has_no_descriptor_and_writes_to_the_console(
    open_scope: Callable[..., LogScope], console: Console, tmp_path: Path
) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    scope = open_scope("svc", log_path=tmp_path / "svc.log")
    with scope.entered():
        LOG.info("open")
        scope.close()
        scope.close()
        LOG.info("closed")

    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert [line["event"] for line in read(tmp_path / "svc.log")] == ["open"]
    assert [line["event"] for line in console.lines()] == ["open", "closed"]


def test_a_line_that_comes_after_the_close_does_not_open_the_file_again(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    file = LogFile.open(tmp_path / "svc.log", 1)
    file.close()

    assert file.write("late") is None
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert (tmp_path / "svc.log").read_text() == ""


def test_scopes_of_one_file_share_it(open_scope: Callable[..., LogScope], tmp_path: Path) -> None:
    path = tmp_path / "all.log"
    (tmp_path / "link").symlink_to(tmp_path)
    a = open_scope("a", console_level=None, log_path=path)
    before = len(list(Path("/proc/self/fd").iterdir()))
    b = open_scope("b", console_level=None, log_path=tmp_path / "link" / "all.log")
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    with a.entered():
        LOG.info("x")
    a.close()
    a.close()
    with b.entered():
        LOG.info("x")

    assert [line["service"] for line in read(path)] == ["a", "b"]


def age(path: Path, hours: float) -> None:
    then = time.time() - hours * 3600
    os.utime(path, (then, then))


def stamp(hours: float) -> str:
    return time.strftime("%Y-%m-%d_%H", time.gmtime(time.time() - hours * 3600))


def test_a_file_of_the_hour_before_is_put_aside(
    open_scope: Callable[..., LogScope], tmp_path: Path
) -> None:
    path = tmp_path / "svc.log"
    path.write_text("old\n")
    age(path, 1.5)
    with open_scope(console_level=None, log_path=path).entered():
        LOG.info("new")

    (aside,) = (file.name for file in tmp_path.iterdir() if file != path)
    assert aside in {f"svc.log.{stamp(1.5)}", f"svc.log.{stamp(1.501)}"}
    assert (tmp_path / aside).read_text() == "old\n"
    assert [line["event"] for line in read(path)] == ["new"]


def line_of(hours: float, event: str) -> str:
    """Return a line of so many hours ago."""
    then = datetime.now(UTC) - timedelta(hours=hours)
    return json.dumps({"timestamp": then.isoformat(), "event": event}) + "\n"


@pytest.mark.parametrize(("hours", "is_put_aside"), [(1.1, True), (0.9, False)])
def test_a_file_is_put_aside_an_hour_after_its_first_line_whenever_the_last_was_written(
    open_scope: Callable[..., LogScope], tmp_path: Path, hours: float, is_put_aside: bool
) -> None:
    path = tmp_path / "svc.log"
    path.write_text(line_of(hours, "first") + line_of(0.01, "last"))
    with open_scope(console_level=None, log_path=path).entered():
        LOG.info("new")

    events = [line["event"] for line in read(path)]
    assert events == (["new"] if is_put_aside else ["first", "last", "new"])


@pytest.mark.parametrize("creates", [True, False])
def test_a_file_that_was_moved_away_is_written_to_no_longer(
    open_scope: Callable[..., LogScope],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    creates: bool,
) -> None:
    """As logrotate does, with `create` or without."""
    monkeypatch.setattr(hourly_file, "LOOKING_S", 0.0)
    path, moved = tmp_path / "svc.log", tmp_path / "svc.log.1"
    with open_scope(console_level=None, log_path=path).entered():
        LOG.info("before")
        path.rename(moved)
        if creates:
            path.touch()
        LOG.info("after")

    assert [line["event"] for line in read(moved)] == ["before"]
    assert [line["event"] for line in read(path)] == ["after"]


def test_as_many_files_are_kept_as_wanted_and_those_of_others(
    open_scope: Callable[..., LogScope], tmp_path: Path
) -> None:
    path = tmp_path / "svc"
    path.write_text("old\n")
    age(path, 1.5)
    mine = [tmp_path / f"svc.2020-01-01_0{hour}" for hour in range(5)]
    others = [
        tmp_path / name for name in ("svc.err.2020-01-01_00", "svc.txt", "svc2.2020-01-01_00")
    ]
    for file in mine + others:
        file.write_text("")
    with open_scope(console_level=None, log_path=path, backup_count=3).entered():
        LOG.info("new")

    assert [file.exists() for file in mine] == [False, False, False, True, True]
    assert all(file.exists() for file in others)
    assert len(list(tmp_path.iterdir())) == 1 + 3 + len(others)


def test_a_rotation_that_fails_loses_no_line(
    open_scope: Callable[..., LogScope], console: Console, tmp_path: Path
) -> None:
    path = tmp_path / "svc.log"
    path.write_text("")
    age(path, 1.5)
    # Where the rotated file should go stands a folder.
    for hours in (1.5, 1.501):
        (tmp_path / f"svc.log.{stamp(hours)}").mkdir(exist_ok=True)
    with open_scope(log_path=path).entered():
        LOG.info("one")
        for hours in (1.5, 1.501):
            with suppress(FileNotFoundError):
                (tmp_path / f"svc.log.{stamp(hours)}").rmdir()
        LOG.info("two")

    # from Python 3.13 on a rotation that finds its place taken is put off without an error
    trouble = ["log file cannot be written"] if sys.version_info < (3, 13) else []
    files = sorted(tmp_path.glob("svc.log*"), key=lambda file: file == path)
    events = [line["event"] for file in files for line in read(file)]
    assert [event for event in events if event in ("one", "two")] == ["one", "two"]
    told = [line["event"] for line in console.lines()]
    assert sorted(told) == [*trouble, "one", "two"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_a_full_disk_is_told_once_and_raises_nothing(
    open_scope: Callable[..., LogScope], console: Console
) -> None:
    with open_scope("svc", log_path="/dev/full").entered():
        LOG.info("one")
        LOG.info("two")

    told = [line for line in console.lines() if line["level"] == "error"]
    assert len(told) == 1
    assert (told[0]["service"], "No space left" in told[0]["reason"]) == ("svc", True)


def test_a_logging_config_of_the_user_does_not_end_the_file(
    open_scope: Callable[..., LogScope], tmp_path: Path
) -> None:
    path = tmp_path / "svc.log"
    with open_scope(console_level=None, log_path=path).entered():
        LOG.info("before")
        logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})
        LOG.info("after")

    assert [line["event"] for line in read(path)] == ["before", "after"]
