from __future__ import annotations

import os
import stat
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import zmq
from zmq.auth import load_certificate

from sf_actors.errors import KeysError
from sf_actors.sockets.keys import Keys, load, new_pair

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    new_pair("own", tmp_path)
    (tmp_path / "authorized").mkdir(0o700)
    (tmp_path / "servers").mkdir(0o700)
    return tmp_path


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def public_of(path: Path) -> bytes:
    return load_certificate(path)[0]


def one_line(raised: pytest.ExceptionInfo[KeysError]) -> str:
    text = str(raised.value)
    assert "\n" not in text
    return text


def test_a_new_pair_is_a_pair_that_zeromq_takes(tmp_path: Path) -> None:
    public, secret = new_pair("trader", tmp_path / "made" / "here")

    assert (public.name, secret.name) == ("trader.key", "trader.key_secret")
    key, hidden = load_certificate(secret)
    assert hidden is not None
    assert zmq.curve_public(hidden) == key == public_of(public)
    assert load_certificate(public)[1] is None


@pytest.mark.usefixtures("open_umask")
def test_the_secret_half_is_its_owners_alone(tmp_path: Path) -> None:
    public, secret = new_pair("own", tmp_path)

    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert stat.S_IMODE(public.stat().st_mode) == 0o644


@pytest.mark.usefixtures("open_umask")
def test_the_folders_that_are_made_for_a_pair_are_their_owners_alone(tmp_path: Path) -> None:
    new_pair("own", tmp_path / "made" / "here")

    for made in (tmp_path / "made", tmp_path / "made" / "here"):
        assert stat.S_IMODE(made.stat().st_mode) == 0o700


@pytest.mark.slow
@pytest.mark.usefixtures("open_umask")
def test_the_secret_half_is_readable_by_others_at_no_moment(tmp_path: Path) -> None:
    done, started, seen = threading.Event(), threading.Event(), set()

    def look() -> None:
        while not done.is_set():
            for place, _, names in os.walk(tmp_path):
                closed = place != str(tmp_path) and stat.S_IMODE(os.lstat(place).st_mode) == 0o700
                for name in names:
                    if name.endswith("_secret") and not closed:
                        seen.add(stat.S_IMODE((Path(place) / name).lstat().st_mode))
            started.set()

    def look_undisturbed() -> None:
        while not done.is_set():
            try:
                look()
            except FileNotFoundError:
                continue

    watcher = threading.Thread(target=look_undisturbed)
    watcher.start()
    assert started.wait(30)
    for number in range(50):
        new_pair(f"own{number}", tmp_path)
    done.set()
    watcher.join(30)

    assert seen <= {0o600}


def test_nothing_but_the_pair_is_left_in_the_folder(tmp_path: Path) -> None:
    new_pair("own", tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["own.key", "own.key_secret"]


@pytest.mark.parametrize("half", ["own.key", "own.key_secret"])
def test_an_existing_key_is_not_overwritten(tmp_path: Path, half: str) -> None:
    (tmp_path / half).write_text("precious")

    with pytest.raises(KeysError, match="is there already") as raised:
        new_pair("own", tmp_path)

    assert str(tmp_path / half) in one_line(raised)
    assert [path.name for path in tmp_path.iterdir()] == [half]
    assert (tmp_path / half).read_text() == "precious"


@pytest.mark.parametrize(
    "name", ["", " ", "a/b", "../own", "a\\b", ".", "..", ".own", "a\nb", "a\0"]
)
def test_a_name_with_a_path_in_it_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(KeysError, match="expected a name") as raised:
        new_pair(name, tmp_path)

    assert repr(name) in one_line(raised)
    assert list(tmp_path.iterdir()) == []


def test_a_name_may_hold_dots_and_spaces(tmp_path: Path) -> None:
    public, _ = new_pair("order book.v2", tmp_path)

    assert public.is_file()


def test_a_pair_for_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(KeysError, match="keys new") as raised:
        new_pair("own", tmp_path / "file")

    assert str(tmp_path / "file") in one_line(raised)


def test_own_keys_are_those_of_the_file(folder: Path) -> None:
    keys = load(str(folder))

    assert (keys.own_public, keys.own_secret) == load_certificate(folder / "own.key_secret")
    assert zmq.curve_public(keys.own_secret) == keys.own_public


def test_a_secret_key_is_not_shown(folder: Path) -> None:
    keys = load(folder)

    assert keys.own_secret.decode() not in repr(keys)


def test_keys_are_frozen(folder: Path) -> None:
    keys = load(folder)

    with pytest.raises(AttributeError):
        keys.own_secret = b""  # type: ignore[misc]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeysError) as raised:
        load(tmp_path / "nowhere")

    assert str(tmp_path / "nowhere") in one_line(raised)


def test_a_missing_own_key_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(KeysError, match=r"own\.key_secret is missing") as raised:
        load(tmp_path)

    assert f"keys new own --dir {tmp_path}" in one_line(raised)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_secret_that_others_can_read_is_refused(folder: Path, mode: int) -> None:
    (folder / "own.key_secret").chmod(mode)

    with pytest.raises(KeysError, match=f"mode {mode:04o}") as raised:
        load(folder)

    assert f"chmod 600 {folder / 'own.key_secret'}" in one_line(raised)


def test_a_secret_that_only_its_owner_can_read_is_enough(folder: Path) -> None:
    (folder / "own.key_secret").chmod(0o400)

    assert load(folder).own_secret


@pytest.mark.parametrize(
    "content",
    [
        "",
        "curve\n    public-key\n",
        'curve\n    public-key = "short"\n    secret-key = "short"\n',
        f'curve\n    public-key = "{"~" * 40}"\n    secret-key = "{"~" * 40}"\n',
    ],
)
def test_a_damaged_secret_is_named(folder: Path, content: str) -> None:
    (folder / "own.key_secret").write_text(content)

    with pytest.raises(KeysError) as raised:
        load(folder)

    assert str(folder / "own.key_secret") in one_line(raised)


def test_a_public_file_in_the_place_of_the_secret_one_is_told(folder: Path) -> None:
    (folder / "own.key_secret").write_bytes((folder / "own.key").read_bytes())

    with pytest.raises(KeysError, match="no secret key") as raised:
        load(folder)

    one_line(raised)


def test_a_secret_with_the_public_key_of_another_is_told(folder: Path) -> None:
    (public, _), (_, secret) = zmq.curve_keypair(), zmq.curve_keypair()
    text = f'curve\n public-key = "{public.decode()}"\n secret-key = "{secret.decode()}"\n'
    (folder / "own.key_secret").write_text(text)

    with pytest.raises(KeysError, match="not a pair") as raised:
        load(folder)

    assert secret.decode() not in one_line(raised)


def test_a_key_that_stands_twice_in_a_file_is_told(folder: Path) -> None:
    path = folder / "own.key_secret"
    path.write_bytes(path.read_bytes() * 2)

    with pytest.raises(KeysError, match="two lines with a public-key") as raised:
        load(folder)

    one_line(raised)


def test_those_with_a_file_in_authorized_may_connect(folder: Path) -> None:
    friends = [new_pair(name, folder / "authorized")[0] for name in ("ann", "bob")]

    assert load(folder).authorized() == {public_of(path) for path in friends}


def test_the_server_of_a_model_comes_before_the_default_one(folder: Path) -> None:
    orders, _ = new_pair("orders", folder / "servers")
    default, _ = new_pair("default", folder / "servers")
    keys: Keys = load(folder)

    assert keys.server_key("orders") == public_of(orders)
    assert keys.server_key("trades") == public_of(default)


def test_a_model_without_a_server_key_is_told_both_paths(folder: Path) -> None:
    with pytest.raises(KeysError, match="'orders'") as raised:
        load(folder).server_key("orders")

    text = one_line(raised)
    assert str(folder / "servers" / "orders.key") in text
    assert str(folder / "servers" / "default.key") in text


def test_a_damaged_server_key_does_not_fall_back_to_the_default(folder: Path) -> None:
    new_pair("default", folder / "servers")
    (folder / "servers" / "orders.key").write_text("nonsense")

    with pytest.raises(KeysError, match=r"orders\.key"):
        load(folder).server_key("orders")


def test_a_models_name_does_not_lead_out_of_the_folder(folder: Path) -> None:
    new_pair("other", folder)

    with pytest.raises(KeysError):
        load(folder).server_key("../other")


def test_a_server_key_that_leads_nowhere_does_not_fall_back_to_the_default(folder: Path) -> None:
    new_pair("default", folder / "servers")
    (folder / "servers" / "orders.key").symlink_to("nowhere")

    with pytest.raises(KeysError, match=r"orders\.key"):
        load(folder).server_key("orders")


@pytest.mark.parametrize("half", ["public", "secret"])
@pytest.mark.parametrize("digits", ["#####", "%nSc1"])
def test_five_digits_that_say_more_than_four_bytes_are_no_key(
    folder: Path, half: str, digits: str
) -> None:
    path = folder / "own.key_secret"
    content = path.read_text()
    key = load_certificate(path)[half == "secret"]
    assert key is not None
    path.write_text(content.replace(key.decode(), digits * 8))
    with pytest.raises(KeysError) as raised:
        load(folder)
    assert "40 characters of Z85" in one_line(raised)
    assert str(path) in one_line(raised)


def test_a_byte_order_mark_before_the_first_key_is_none_of_it(folder: Path) -> None:
    path = folder / "own.key_secret"
    public, secret = load_certificate(path)
    assert secret is not None
    path.write_bytes(b'\xef\xbb\xbfpublic-key="%b"\r\nsecret-key="%b"\r\n' % (public, secret))
    assert load(folder).own_public == public


def test_the_largest_number_of_five_digits_is_a_key(folder: Path) -> None:
    path = folder / "servers" / "default.key"
    path.write_text('public-key = "' + "%nSc0" * 8 + '"\n')
    assert load(folder).server_key("prices") == b"%nSc0" * 8
