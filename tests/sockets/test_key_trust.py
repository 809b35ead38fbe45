"""Keys that others can change, or that are no files, are refused at the start in one line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sf_actors.errors import KeysError
from sf_actors.sockets.keys import MAX_FILE_BYTES, load, new_pair

PLACES = ["", "authorized", "servers", "authorized/ann.key", "servers/default.key"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    # with a space: what is to be typed must be so that it can be
    folder = tmp_path / "the keys"
    new_pair("own", folder)
    new_pair("ann", folder / "authorized")
    new_pair("default", folder / "servers")
    return folder


def refusal(folder: Path) -> str:
    with pytest.raises(KeysError) as raised:
        load(folder)
    text = str(raised.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("mode", [0o020, 0o002, 0o1022])
def test_what_others_can_change_is_refused_with_what_to_type(
    folder: Path, place: str, mode: int
) -> None:
    path = folder / place
    path.chmod(path.stat().st_mode | mode)

    assert refusal(folder).endswith(f"run: chmod go-w '{path}'")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
@pytest.mark.parametrize("place", [*PLACES, "own.key_secret"])
def test_what_belongs_to_another_user_is_refused_with_what_to_type(
    folder: Path, place: str
) -> None:
    path = folder / place
    os.chown(path, 12_345, -1)

    text = refusal(folder)
    assert "belongs to another user (uid 12345)" in text
    assert text.endswith(f"run: chown 0 '{path}'")


def test_what_a_symlink_leads_to_is_looked_at(folder: Path, tmp_path: Path) -> None:
    elsewhere = new_pair("bob", tmp_path)[0]
    (folder / "authorized" / "bob.key").symlink_to(elsewhere)
    load(folder)

    elsewhere.chmod(0o666)
    assert "bob.key" in refusal(folder)


def test_folders_that_are_not_there_need_no_mode(folder: Path) -> None:
    for name in ("authorized", "servers"):
        for path in (folder / name).iterdir():
            path.unlink()
        (folder / name).rmdir()

    assert load(folder).own_public


def test_a_named_pipe_in_the_place_of_the_own_key_is_told_at_once(folder: Path) -> None:
    (folder / "own.key_secret").unlink()
    os.mkfifo(folder / "own.key_secret", 0o600)

    assert "own.key_secret' is no regular file" in refusal(folder)


def test_a_named_pipe_in_the_place_of_a_servers_key_is_told_at_once(folder: Path) -> None:
    os.mkfifo(folder / "servers" / "orders.key", 0o600)

    with pytest.raises(KeysError, match=r"orders\.key' is no regular file"):
        load(folder).server_key("orders")


def test_of_a_large_secret_no_more_is_read_than_a_key_file_can_have(folder: Path) -> None:
    path = folder / "own.key_secret"
    path.write_bytes(path.read_bytes() + b"#" * MAX_FILE_BYTES)

    assert f"more than {MAX_FILE_BYTES} bytes" in refusal(folder)


@pytest.mark.parametrize("place", ["", "servers", "servers/default.key"])
def test_a_servers_key_that_others_can_change_by_now_is_not_used(folder: Path, place: str) -> None:
    keys = load(folder)
    (folder / place).chmod(0o777)

    with pytest.raises(KeysError, match="chmod go-w"):
        keys.server_key("orders")


def test_a_path_that_would_break_the_line_is_shown_escaped(tmp_path: Path) -> None:
    folder = Path(tmp_path, "a\nb\x1b[2J")
    folder.mkdir(0o700)

    text = refusal(folder)
    assert "a\\nb\\x1b[2J" in text
    assert text.isprintable()
