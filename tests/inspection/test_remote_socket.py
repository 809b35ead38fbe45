"""The inspector's socket for other machines: `--inspect`, `inspect(address=…)`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
import zmq

import sf_actors
from sf_actors.errors import BindError, UsageError
from sf_actors.sockets.keys import load, new_pair
from tests.inspection.asking import asker_of
from tests.support.processes import Process
from tests.support.services import REPLYER_FILE, ask, echo_service

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """Give a folder of keys that admits its own key, and knows its own as a server's."""
    new_pair("own", tmp_path)
    folder = tmp_path / "keys"
    (folder / "authorized").mkdir(parents=True)
    (folder / "servers").mkdir()
    for name in ("own.key", "own.key_secret"):
        (tmp_path / name).rename(folder / name)
    public = (folder / "own.key").read_text()
    (folder / "authorized" / "own.key").write_text(public)
    (folder / "servers" / "default.key").write_text(public)
    return folder


def pinged(address: str, keys: Path, *, is_stranger: bool = False, wait_s: float = 5.0) -> bool:
    """Return whether an inspector answers."""
    found = load(keys)
    context = zmq.Context()
    socket = context.socket(zmq.REQ)
    socket.linger = 0
    if is_stranger:
        socket.curve_publickey, socket.curve_secretkey = zmq.curve_keypair()
    else:
        socket.curve_publickey, socket.curve_secretkey = found.own_public, found.own_secret
    socket.curve_serverkey = found.server_key("inspector")
    socket.connect(address)
    socket.send(msgspec.msgpack.encode({"args": {"verb": "ping"}}))
    try:
        if not socket.poll(int(wait_s * 1000)):
            return False
        return "pid" in msgspec.msgpack.decode(socket.recv())["return_args"]
    finally:
        socket.close()
        context.term()


def test_it_answers_who_has_an_authorized_key_and_nobody_else(keys: Path) -> None:
    inspection = sf_actors.inspect("tcp://127.0.0.1:0", keys=keys)
    address = inspection.remote_address
    assert address is not None
    try:
        assert pinged(address, keys)
        assert not pinged(address, keys, is_stranger=True, wait_s=0.3)
        with asker_of(inspection.address) as asker:
            assert "pid" in asker.ask("ping")
    finally:
        inspection.close()


def test_it_needs_keys_on_loopback_too() -> None:
    with pytest.raises(UsageError, match="--keys"):
        sf_actors.inspect("tcp://127.0.0.1:0")


def test_an_address_that_is_taken_is_told(keys: Path) -> None:
    with echo_service() as service:
        taken = service.addresses["connections"]["in"]["echo"]["replyer"]
        with pytest.raises(BindError, match="in use"):
            sf_actors.inspect(f"tcp://{taken}", keys=keys)
        assert ask(taken)["return_args"] == {"n": 1}


@pytest.mark.slow
def test_a_process_of_the_command_line_shows_where_it_is_bound(keys: Path, tmp_path: Path) -> None:
    (tmp_path / "svc.py").write_text(REPLYER_FILE)
    (tmp_path / "a.json").write_text(
        '{"connections": {"in": {"echo": {"replyer": "127.0.0.1:0"}}}}'
    )
    arguments = ["-s", str(tmp_path / "svc.py"), "-a", str(tmp_path / "a.json")]
    with Process(*arguments, "--inspect", "tcp://127.0.0.1:0") as process:
        assert process.wait() == 2
        assert "--keys" in process.err[-1]
    with Process(*arguments, "--inspect", "tcp://127.0.0.1:0", "--keys", str(keys)) as process:
        address = process.wait_for_event("inspector bound")["address"]
        assert pinged(address, keys)
        process.interrupt()
        assert process.wait() == 0
