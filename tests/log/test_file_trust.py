"""Other users of the machine decide nothing about a log file, and it holds up nobody."""

from __future__ import annotations

import os
import socket
import stat
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from sf_actors.errors import UsageError
from sf_actors.log import LogScope, get_logger
from sf_actors.log.file import LogFile
from tests.log.lines import read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LOG = get_logger()

#: A user who is neither we nor root.
OTHER = 12_345

only_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can give a file to another user"
)


@pytest.fixture
def set_umask() -> Iterator[Callable[[int], int]]:
    before = os.umask(0)
    os.umask(before)
    yield os.umask
    os.umask(before)


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A folder as /tmp is."""
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o1777)
    return folder


def given_away(path: Path) -> Path:
    os.chown(path, OTHER, -1, follow_symlinks=False)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(UsageError, match="log_path: expected a file") as raised:
        LogFile.open(path, 1)
    text = str(raised.value)
    assert repr(str(path)) in text
    assert "\n" not in text
    return text


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# symlinks


@only_root
@pytest.mark.parametrize("is_there", [True, False])
def test_a_symlink_of_another_user_is_refused_and_its_target_left_alone(
    shared: Path, tmp_path: Path, is_there: bool
) -> None:
    target = tmp_path / "precious"
    if is_there:
        target.write_text("precious")
    link = shared / "svc.log"
    link.symlink_to(target)
    given_away(link)

    assert f"{link} is a symlink of another user (uid {OTHER})" in refusal(link)
    assert (target.read_text() == "precious") if is_there else not target.exists()


@only_root
def test_a_folder_that_is_a_symlink_of_another_user_is_refused(
    shared: Path, tmp_path: Path
) -> None:
    link = shared / "logs"
    link.symlink_to(tmp_path)
    given_away(link)

    assert f"{link} is a symlink" in refusal(link / "svc.log")
    assert not (tmp_path / "svc.log").exists()


@only_root
def test_a_symlink_of_another_user_is_refused_behind_one_of_ours(
    shared: Path, tmp_path: Path
) -> None:
    theirs, ours = shared / "theirs", tmp_path / "ours"
    theirs.symlink_to(tmp_path / "precious")
    given_away(theirs)
    ours.symlink_to("shared/theirs")

    assert f"{theirs} is a symlink" in refusal(ours)


@only_root
def test_a_symlink_that_another_user_puts_there_later_is_not_followed(
    shared: Path, tmp_path: Path
) -> None:
    path = shared / "svc.log"
    file = LogFile.open(path, 1)
    try:
        file._handler.close()  # as a logging.config of the user does: the next line opens it again
        path.unlink()
        path.symlink_to(tmp_path / "precious")
        given_away(path)
        trouble = file.write("line")
    finally:
        file.close()

    assert "symlink of another user" in str(trouble)
    assert not (tmp_path / "precious").exists()


@pytest.mark.parametrize("target", ["real.log", "./real.log", "../shared/real.log"])
def test_our_own_symlinks_are_followed(
    open_scope: Callable[..., LogScope], shared: Path, target: str
) -> None:
    (shared / "svc.log").symlink_to(target)
    with open_scope(console_level=None, log_path=shared / "svc.log").entered():
        LOG.info("one")

    assert [line["event"] for line in read(shared / "real.log")] == ["one"]


def test_symlinks_that_lead_in_a_circle_are_told(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")

    assert "Too many levels of symbolic links" in refusal(tmp_path / "a")


# files that are not ours, or no files


@only_root
def test_a_file_that_another_user_put_where_all_may_write_is_refused(shared: Path) -> None:
    path = shared / "svc.log"
    path.write_text("")
    given_away(path)

    assert f"another user (uid {OTHER}) put a file there" in refusal(path)


@only_root
def test_a_file_of_another_user_in_a_folder_of_ours_is_written_to(
    open_scope: Callable[..., LogScope], tmp_path: Path
) -> None:
    path = tmp_path / "svc.log"
    path.write_text("")
    given_away(path)
    with open_scope(console_level=None, log_path=path).entered():
        LOG.info("one")

    assert [line["event"] for line in read(path)] == ["one"]


def test_a_named_pipe_is_refused_at_once_read_or_not(tmp_path: Path) -> None:
    pipe = tmp_path / "svc.log"
    os.mkfifo(pipe)
    assert "it is a named pipe" in refusal(pipe)

    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert "it is a named pipe" in refusal(pipe)
    finally:
        os.close(reader)


def test_a_socket_is_refused(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "svc.log"))
        assert "it is a socket" in refusal(tmp_path / "svc.log")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert "Is a directory" in refusal(tmp_path)


def test_a_character_device_is_written_to() -> None:
    file = LogFile.open("/dev/null", 1)
    try:
        assert file.write("line") is None
    finally:
        file.close()


def test_a_terminal_is_written_to_without_leaving_out_a_line() -> None:
    """Though nobody reads at first, and more comes than it holds."""
    reading, terminal = os.openpty()
    lines = [f"line {number} {'x' * 90}" for number in range(200)]
    got = bytearray()

    def read_all() -> None:
        with suppress(OSError):
            while not got.endswith(b"end\r\n"):
                got.extend(os.read(reading, 65_536))

    file = LogFile.open(os.ttyname(terminal), 1)
    reader = threading.Thread(target=read_all)
    try:
        reader.start()
        assert [file.write(line) for line in [*lines, "end"]] == [None] * 201
    finally:
        reader.join(10)
        file.close()
        os.close(reading)
        os.close(terminal)

    assert got.decode().splitlines() == [*lines, "end"]


# modes


@pytest.mark.parametrize(("umask", "mode"), [(0, 0o640), (0o022, 0o640), (0o077, 0o600)])
def test_a_new_log_file_has_at_most_mode_0640(
    set_umask: Callable[[int], int], tmp_path: Path, umask: int, mode: int
) -> None:
    set_umask(umask)
    LogFile.open(tmp_path / "svc.log", 1).close()

    assert mode_of(tmp_path / "svc.log") == mode


@pytest.mark.parametrize(("umask", "mode"), [(0, 0o750), (0o077, 0o700)])
def test_the_folders_that_are_made_have_at_most_mode_0750(
    set_umask: Callable[[int], int], tmp_path: Path, umask: int, mode: int
) -> None:
    set_umask(umask)
    LogFile.open(tmp_path / "made" / "here" / "svc.log", 1).close()

    assert {mode_of(tmp_path / "made"), mode_of(tmp_path / "made" / "here")} == {mode}


def test_a_file_after_a_rotation_and_the_one_put_aside_have_at_most_mode_0640(
    set_umask: Callable[[int], int], tmp_path: Path
) -> None:
    set_umask(0)
    path = tmp_path / "svc.log"
    LogFile.open(path, 1).close()
    then = time.time() - 5_400
    os.utime(path, (then, then))
    file = LogFile.open(path, 1)
    try:
        assert file.write("line") is None
    finally:
        file.close()

    files = list(tmp_path.iterdir())
    assert len(files) == 2
    assert {mode_of(each) for each in files} == {0o640}


def test_the_mode_of_a_file_that_is_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "svc.log"
    path.touch()
    path.chmod(0o664)
    LogFile.open(path, 1).close()

    assert mode_of(path) == 0o664
