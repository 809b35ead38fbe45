"""What keys change at the start: errors, warnings, the command line."""

from __future__ import annotations

import json
import queue
import shutil
import stat
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from sf_actors.errors import BindError, KeysError
from sf_actors.service import Service
from sf_actors.testing import running
from tests.security.services import addresses_in, client_addresses, client_module, server_module
from tests.support.processes import Process

if TYPE_CHECKING:
    from pathlib import Path

    from tests.security.keyrings import Keyring, Knocker


def start_and_fail(keys: Path, addresses: dict[str, Any]) -> str:
    service = Service(client_module(queue.Queue()), keys=keys, addresses=addresses)
    with pytest.raises((KeysError, BindError)) as raised:
        service.run_service()
    assert not service.is_running
    text = str(raised.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("servers/default.key", "default.key"),
        ("own.key_secret", "own.key_secret is missing"),
    ],
)
def test_a_missing_key_is_told_in_one_line_at_the_start(
    friend: Keyring, tmp_path: Path, path: str, part: str
) -> None:
    (friend.folder / path).unlink()

    assert part in start_and_fail(friend.folder, client_addresses(tmp_path))


@pytest.mark.parametrize("place", ["", "authorized", "servers/default.key"])
def test_keys_that_others_can_change_are_told_in_one_line_with_what_to_type(
    server: Keyring, friend: Keyring, tmp_path: Path, place: str
) -> None:
    path = friend.folder / place
    path.chmod(0o777)

    text = start_and_fail(friend.folder, client_addresses(tmp_path))
    assert text.endswith(f"run: chmod go-w {path}")


def test_a_folder_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    assert "nowhere" in start_and_fail(tmp_path / "nowhere", client_addresses(tmp_path))


def test_a_missing_server_key_names_the_model(friend: Keyring, tmp_path: Path) -> None:
    server_key = friend.folder / "servers" / "default.key"
    for name in ("publisher", "replyer", "binder", "delta"):
        shutil.copy(server_key, server_key.parent / f"{name}.key")
    server_key.unlink()

    assert "'full'" in start_and_fail(friend.folder, client_addresses(tmp_path))


@pytest.mark.parametrize("name", ["replyer", "binder", "publisher", "delta", "full"])
def test_inproc_is_refused_with_keys(server: Keyring, tmp_path: Path, name: str) -> None:
    given = addresses_in(tmp_path)
    for kind in given.values():
        for side in kind.values():
            if name in side:
                side[name] = {socket: f"inproc://{socket}" for socket in side[name]}
    service = Service(server_module(), keys=server.folder, addresses=given)

    with pytest.raises(BindError, match="inproc:// carries no keys"):
        service.run_service()


# the command line


@pytest.mark.slow
def test_a_pair_of_keys_is_written_from_the_command_line(tmp_path: Path) -> None:
    with Process("keys", "new", "own", "--dir", "made", cwd=tmp_path) as made:
        assert made.wait() == 0, made.err

    secret, public = tmp_path / "made" / "own.key_secret", tmp_path / "made" / "own.key"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert "secret-key" in secret.read_text()
    assert "secret-key" not in public.read_text()
    assert made.err == []


@pytest.mark.slow
def test_a_service_with_keys_runs_from_the_command_line(
    server: Keyring, friend: Keyring, knocker: Knocker, tmp_path: Path
) -> None:
    (tmp_path / "svc.py").write_text(
        "def on_request(args): return args\n"
        "connection_models = {'in': {'echo': {'connection_type': 'replyer',\n"
        "    'required_creation_arguments': {'on_new_request': on_request},\n"
        "    'required_arguments': {'x': int}, 'required_return_arguments': {'x': int}}}}\n"
    )
    given = {"connections": {"in": {"echo": {"replyer": "127.0.0.1:0"}}}}
    (tmp_path / "addresses.json").write_text(json.dumps(given))
    start = ("-s", "svc.py", "-a", "addresses.json", "--keys", "server")
    with Process(*start, cwd=tmp_path) as service:
        address = f"tcp://{service.wait_until_ready()['echo.replyer']}"
        friendly = knocker.socket(zmq.DEALER, own=friend, server=server)
        assert knocker.gets_in(friendly, address)
        assert not knocker.gets_in(knocker.socket(zmq.DEALER), address)
        service.interrupt()
        assert service.wait() == 0


@pytest.mark.slow
def test_a_missing_folder_of_keys_ends_the_command_line_with_2(tmp_path: Path) -> None:
    (tmp_path / "svc.py").write_text("main = print")
    with Process("-s", "svc.py", "--keys", "nowhere", cwd=tmp_path) as service:
        assert service.wait() == 2
    (line,) = service.err
    assert "nowhere" in line


# without keys


@pytest.mark.parametrize(
    ("hosts", "warnings"),
    [
        (("127.0.0.1", "127.0.0.1"), 0),
        (("localhost", "127.0.0.2"), 0),
        (("[::1]", "127.0.0.1"), 0),
        (("0.0.0.0", "127.0.0.1"), 1),
        (("*", "0.0.0.0"), 1),
    ],
)
def test_binding_beyond_loopback_without_keys_is_warned_of_once(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, hosts: tuple[str, str], warnings: int
) -> None:
    given = addresses_in(tmp_path)
    given["connections"]["in"]["replyer"] = {"replyer": f"{hosts[0]}:0"}
    given["states"]["out"]["delta"]["replyer"] = f"{hosts[1]}:0"
    with running(server_module(), addresses=given):
        pass

    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    warned = [line for line in lines if line["level"] not in ("debug", "info")]
    assert len(warned) == warnings, warned
    assert all("beyond loopback" in line["event"] for line in warned)


@pytest.mark.slow
def test_binding_beyond_loopback_with_keys_is_not_warned_of(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, server: Keyring
) -> None:
    given = addresses_in(tmp_path)
    given["connections"]["in"]["replyer"] = {"replyer": "0.0.0.0:0"}
    with running(server_module(), keys=server.folder, addresses=given):
        pass

    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert {line["level"] for line in lines} == {"info"}
