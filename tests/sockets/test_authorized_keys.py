"""Who may connect: each look sees the folder as it is, and parses again only what has changed."""

from __future__ import annotations

import os
import socket
from time import monotonic
from typing import TYPE_CHECKING

import pytest
from zmq.auth import load_certificate

from sf_actors.sockets import keys as module
from sf_actors.sockets.keys import MAX_FILE_BYTES, Keys, load, new_pair

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: How long to wait for what is to happen, in seconds; far more than it takes.
PATIENCE_S = 10.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    new_pair("own", tmp_path)
    (tmp_path / "authorized").mkdir(0o700)
    return tmp_path


@pytest.fixture
def keys(folder: Path) -> Keys:
    return load(folder)


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take what was changed a moment ago for old."""
    monkeypatch.setattr(module, "SETTLED_NS", -PATIENCE_S * 1e9)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note the names of the files that are read."""
    names: list[str] = []
    really: Callable[..., tuple[bytes, bytes | None]] = module._read

    def noted(path: Path, *, is_secret: bool = False) -> tuple[bytes, bytes | None]:
        names.append(path.name)
        return really(path, is_secret=is_secret)

    monkeypatch.setattr(module, "_read", noted)
    return names


@pytest.fixture
def warnings(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[str]]:
    """Give the warnings since the last time."""
    return lambda: [line for line in capsys.readouterr().err.splitlines() if '"warning"' in line]


def public_of(path: Path) -> bytes:
    return load_certificate(path)[0]


def befriend(folder: Path, name: str = "ann") -> Path:
    return new_pair(name, folder / "authorized")[0]


def test_a_changed_folder_counts_from_the_next_call_on(folder: Path) -> None:
    keys = load(folder)
    assert keys.authorized() == frozenset()

    friend, _ = new_pair("ann", folder / "authorized")
    assert keys.authorized() == {public_of(friend)}

    friend.unlink()
    assert keys.authorized() == frozenset()


def test_an_unreadable_file_admits_nobody_and_warns_once(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    friend, _ = new_pair("ann", folder / "authorized")
    (folder / "authorized" / "broken.key").write_text('curve\n public-key = ""\n')
    (folder / "authorized" / "broken.key").chmod(0o644)
    (folder / "authorized" / "folder.key").mkdir(0o700)
    (folder / "authorized" / "loose.key").symlink_to("nowhere")
    keys = load(folder)

    assert keys.authorized() == keys.authorized() == {public_of(friend)}

    warnings = capsys.readouterr().err.splitlines()
    assert len(warnings) == 3
    for name in ("broken.key", "folder.key", "loose.key"):
        assert sum(name in line and '"warning"' in line for line in warnings) == 1


def test_a_missing_authorized_folder_admits_nobody_and_warns(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "authorized").rmdir()

    assert load(folder).authorized() == frozenset()
    assert str(folder / "authorized") in capsys.readouterr().err


# what is kept


@pytest.mark.usefixtures("settled")
def test_a_file_is_parsed_once_while_it_stays(folder: Path, keys: Keys, read: list[str]) -> None:
    ann, bob = befriend(folder), befriend(folder, "bob")
    for _ in range(3):
        assert keys.authorized() == {public_of(ann), public_of(bob)}

    assert sorted(read) == ["ann.key", "bob.key"]


@pytest.mark.usefixtures("settled")
def test_a_file_without_a_key_is_parsed_once_as_well(
    folder: Path, keys: Keys, read: list[str]
) -> None:
    (folder / "authorized" / "bad.key").write_text("nonsense")
    for _ in range(3):
        assert keys.authorized() == frozenset()

    assert read == ["bad.key"]


def test_a_file_that_changed_a_moment_ago_is_parsed_each_time(
    folder: Path, keys: Keys, read: list[str]
) -> None:
    """Another change within the same tick of the clock could not be seen."""
    befriend(folder)
    for _ in range(3):
        keys.authorized()

    assert read == ["ann.key"] * 3


@pytest.mark.usefixtures("settled")
def test_other_content_of_the_same_length_and_time_counts(folder: Path, keys: Keys) -> None:
    path = befriend(folder)
    before = path.stat()
    keys.authorized()
    other = new_pair("other", folder)[0].read_bytes()
    deadline = monotonic() + PATIENCE_S
    while path.stat().st_ctime_ns == before.st_ctime_ns:
        assert monotonic() < deadline
        path.write_bytes(other)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert path.stat().st_size == before.st_size
    assert keys.authorized() == {public_of(folder / "other.key")}


@pytest.mark.usefixtures("settled")
def test_another_file_under_the_same_name_counts(folder: Path, keys: Keys) -> None:
    path = befriend(folder)
    keys.authorized()
    new_pair("other", folder)[0].replace(path)
    other = public_of(path)

    assert keys.authorized() == {other}


@pytest.mark.usefixtures("settled")
def test_a_symlink_that_leads_elsewhere_now_counts(folder: Path, keys: Keys) -> None:
    first, second = new_pair("first", folder)[0], new_pair("second", folder)[0]
    link = folder / "authorized" / "ann.key"
    link.symlink_to(first)
    assert keys.authorized() == {public_of(first)}

    link.unlink()
    link.symlink_to(second)
    assert keys.authorized() == {public_of(second)}


# what is no key file


def test_a_named_pipe_and_a_socket_hold_up_nobody_and_are_told_once(
    folder: Path, keys: Keys, warnings: Callable[[], list[str]]
) -> None:
    friend = befriend(folder)
    os.mkfifo(folder / "authorized" / "pipe.key", 0o644)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "authorized" / "socket.key"))
        (folder / "authorized" / "socket.key").chmod(0o644)
        assert keys.authorized() == keys.authorized() == {public_of(friend)}

    told = warnings()
    assert len(told) == 2
    assert sum("pipe.key is no regular file" in line for line in told) == 1


def test_of_a_large_file_no_more_is_read_than_a_key_file_can_have(
    folder: Path, keys: Keys, warnings: Callable[[], list[str]]
) -> None:
    large = befriend(folder)
    large.write_bytes(large.read_bytes() + b"#" * MAX_FILE_BYTES)

    assert keys.authorized() == frozenset()
    (told,) = warnings()
    assert f"more than {MAX_FILE_BYTES} bytes" in told


# whose it is


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("place", ["", "authorized", "authorized/ann.key"])
@pytest.mark.parametrize("mode", [0o020, 0o002])
def test_what_others_can_change_admits_nobody_until_they_can_no_more(
    folder: Path, keys: Keys, warnings: Callable[[], list[str]], place: str, mode: int
) -> None:
    friend = public_of(befriend(folder))
    path = folder / place
    before = path.stat().st_mode
    assert keys.authorized() == {friend}

    path.chmod(before | mode)
    assert keys.authorized() == keys.authorized() == frozenset()
    (told,) = warnings()
    assert f"chmod go-w {path}" in told

    path.chmod(before)
    assert keys.authorized() == {friend}


def test_a_file_that_others_can_change_keeps_nobody_else_out(folder: Path, keys: Keys) -> None:
    friend = befriend(folder)
    befriend(folder, "loose").chmod(0o666)

    assert keys.authorized() == {public_of(friend)}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
@pytest.mark.parametrize("place", ["", "authorized", "authorized/ann.key"])
def test_what_belongs_to_another_user_admits_nobody(
    folder: Path, keys: Keys, warnings: Callable[[], list[str]], place: str
) -> None:
    befriend(folder)
    os.chown(folder / place, 12_345, -1)

    assert keys.authorized() == frozenset()
    (told,) = warnings()
    assert "belongs to another user (uid 12345)" in told


def test_a_fault_that_comes_and_goes_is_told_once(
    folder: Path, keys: Keys, warnings: Callable[[], list[str]]
) -> None:
    for _ in range(5):
        (folder / "authorized").rename(folder / "away")
        assert keys.authorized() == frozenset()
        (folder / "away").rename(folder / "authorized")
        keys.authorized()

    assert len(warnings()) == 1
