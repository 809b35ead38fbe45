"""A log file belongs to one process, whatever becomes of its name."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sf_actors.errors import UsageError
from sf_actors.log.file import LogFile
from tests.support.processes import ROOT, Process

#: A program that opens a log file, writes its arguments to it, and says so or why not.
WRITER = """
import sys
from sf_actors.errors import UsageError
from sf_actors.log.file import LogFile
try:
    file = LogFile.open(sys.argv[1], 1)
except UsageError as error:
    print(error)
else:
    file.write('theirs')
    file.close()
    print('written')
"""


def written_by_another(path: Path) -> str:
    """Return what another process says that is to write to a log file."""
    done = subprocess.run(
        [sys.executable, "-c", WRITER, str(path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
        cwd=ROOT,
    )
    return done.stdout.strip()


def put_aside(file: LogFile, path: Path) -> None:
    """Have the next line begin a new file."""
    file._handler.rolloverAt = int(time.time()) - 1
    assert file.write("after") is None
    assert len(list(path.parent.iterdir())) == 2


@pytest.mark.slow
def test_another_process_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    path = tmp_path / "svc.log"
    file = LogFile.open(path, 1)
    try:
        refusal = written_by_another(path)
        assert file.write("ours") is None
    finally:
        file.close()

    assert refusal.startswith("log_path: expected a file that can be written, got ")
    assert f"process {os.getpid()} writes to it" in refusal
    assert "{pid}" in refusal
    assert "\n" not in refusal
    assert path.read_text() == "ours\n"


@pytest.mark.slow
def test_once_it_is_closed_another_process_may_have_it(tmp_path: Path) -> None:
    path = tmp_path / "svc.log"
    LogFile.open(path, 1).close()

    assert written_by_another(path) == "written"


def test_a_file_that_was_put_aside_leaves_its_successor_locked(tmp_path: Path) -> None:
    path = tmp_path / "svc.log"
    file = LogFile.open(path, 1)
    try:
        file.write("before")
        put_aside(file, path)

        assert "writes to it" in written_by_another(path)
        file.write("more")
    finally:
        file.close()

    (aside,) = (each for each in tmp_path.iterdir() if each != path)
    assert (aside.read_text(), path.read_text()) == ("before\n", "after\nmore\n")


@pytest.mark.slow
def test_where_a_file_system_has_no_links_the_file_is_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without(*_paths: object) -> None:
        raise PermissionError(1, "no links here")

    monkeypatch.setattr("os.link", without)
    path = tmp_path / "svc.log"
    file = LogFile.open(path, 1)
    try:
        file.write("before")
        put_aside(file, path)

        assert "writes to it" in written_by_another(path)
    finally:
        file.close()


@pytest.mark.slow
def test_a_file_that_was_moved_away_has_a_locked_successor_too(tmp_path: Path) -> None:
    path, moved = tmp_path / "svc.log", tmp_path / "moved.log"
    file = LogFile.open(path, 1)
    try:
        file.write("before")
        path.rename(moved)
        put_aside(file, path)

        assert "writes to it" in written_by_another(path)
    finally:
        file.close()

    assert (moved.read_text(), path.read_text()) == ("before\n", "after\n")


@pytest.mark.slow
def test_a_file_that_another_process_has_by_now_is_not_written_to(tmp_path: Path) -> None:
    path, held = tmp_path / "svc.log", tmp_path / "held"
    keeper = f"""if True:
        import sys
        from sf_actors.log.file import LogFile
        file = LogFile.open({str(path)!r}, 1)
        print('held', flush=True)
        sys.stdin.read()
    """
    file = LogFile.open(path, 1)
    try:
        path.rename(held)
        with subprocess.Popen(
            [sys.executable, "-c", keeper],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        ) as other:
            assert other.stdout is not None
            assert other.stdin is not None
            assert other.stdout.readline() == "held\n"
            file._handler.rolloverAt = int(time.time()) - 1
            trouble = file.write("ours")
            other.stdin.close()
    finally:
        file.close()

    assert "writes to it" in str(trouble)
    assert path.read_text() == ""


@pytest.mark.slow
def test_devices_are_for_all() -> None:
    file = LogFile.open("/dev/null", 1)
    try:
        assert written_by_another(Path("/dev/null")) == "written"
    finally:
        file.close()


def test_two_names_of_one_file_are_refused(tmp_path: Path) -> None:
    path, other = tmp_path / "svc.log", tmp_path / "other.log"
    file = LogFile.open(path, 1)
    try:
        os.link(path, other)
        with pytest.raises(UsageError, match="writes to it"):
            LogFile.open(other, 1)
    finally:
        file.close()


@pytest.mark.slow
def test_the_child_of_a_fork_writes_nothing_and_leaves_the_lock_to_its_parent(
    tmp_path: Path,
) -> None:
    path = tmp_path / "svc.log"
    program = f"""if True:
        import os, subprocess, sys
        from sf_actors.log import LogScope, get_logger
        with LogScope('svc', log_path={str(path)!r}).entered() as scope:
            get_logger().info('parent')
            child = os.fork()
            if child == 0:
                get_logger().info('child')
                scope.close()
                os._exit(0)
            os.waitpid(child, 0)
            subprocess.run([sys.executable, '-c', {WRITER!r}, {str(path)!r}], check=True)
            get_logger().info('parent again')
    """
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
        cwd=ROOT,
    )

    events = [line for line in ("parent", "child", "parent again") if f'"{line}"' in done.stderr]
    assert events == ["parent", "child", "parent again"]
    assert "writes to it" in done.stdout
    assert "child" not in path.read_text()
    assert path.read_text().count("\n") == 2


@pytest.mark.slow
def test_a_service_whose_log_file_another_process_has_does_not_become_ready(
    tmp_path: Path,
) -> None:
    (tmp_path / "svc.py").write_text("def main(): print('ran')\n")
    file = LogFile.open(tmp_path / "svc.log", 1)
    try:
        with Process("-s", "svc.py", "-m", "-l", "svc.log", cwd=tmp_path) as process:
            status = process.wait()
    finally:
        file.close()

    (line,) = process.err
    assert (status, process.out) == (2, [])
    assert f"process {os.getpid()} writes to it" in line
