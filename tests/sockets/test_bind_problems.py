"""A bind that fails says who has the address, where that is known."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors.errors import BindError
from sf_actors.testing import module_of, running
from tests.support.models import at, publisher, replyer, subscriber

if TYPE_CHECKING:
    from pathlib import Path


def serving(name: str, address: str) -> Any:
    module = module_of(connection_models={"in": {"it": replyer(lambda args: None)}})
    return running(module, addresses=at({"it": address}), name=name, console_loglevel=None)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("127.0.0.1:0", "127.0.0.1:{}"),
        ("127.0.0.1:0", "localhost:{}"),
        ("127.0.0.1:0", "*:{}"),
        ("0.0.0.0:0", "127.0.0.1:{}"),
        ("[::1]:0", "[::1]:{}"),
        ("inproc://taken", "inproc://taken"),
    ],
)
def test_a_service_of_this_process_is_named(first: str, second: str) -> None:
    with serving("holder", first) as holder:
        port = holder.addresses["connections"]["in"]["it"].rpartition(":")[2]
        with (
            pytest.raises(BindError, match="the service 'holder' of this process has it"),
            serving("late", second.format(port)),
        ):
            pass


def test_a_service_that_has_an_ipc_path_is_named(tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/it"
    with (
        serving("holder", address),
        pytest.raises(BindError, match="in use by the service 'holder' of this process"),
        serving("late", address),
    ):
        pass


@pytest.mark.parametrize(("first", "second"), [("it", "{}/it"), ("{}/it", "it"), ("it", "link/it")])
def test_a_service_that_has_an_ipc_path_is_named_however_the_path_is_written(
    first: str, second: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path)
    with (
        serving("holder", f"ipc://{first.format(tmp_path)}"),
        pytest.raises(BindError, match="in use by the service 'holder' of this process"),
        serving("late", f"ipc://{second.format(tmp_path)}"),
    ):
        pass


def test_one_that_has_ended_is_not_named() -> None:
    with serving("holder", "127.0.0.1:0") as holder:
        port = int(holder.addresses["connections"]["in"]["it"].rpartition(":")[2])
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        with (
            pytest.raises(BindError, match="another socket has it"),
            serving("late", f"127.0.0.1:{port}"),
        ):
            pass


BINDER = {"required_creation_arguments": {"is_binder": True}}


@pytest.mark.parametrize(
    ("kind", "side", "model", "sockets"),
    [
        ("connection", "in", replyer(lambda args: None), ["replyer"]),
        ("connection", "in", replyer(lambda args: None, workers=2), ["replyer"]),
        ("connection", "in", subscriber(lambda args: None, is_binder=True), ["subscriber"]),
        ("connection", "out", publisher(), ["publisher"]),
        ("state", "out", {"state_type": "delta_update"}, ["publisher", "replyer"]),
        ("state", "out", {"state_type": "full_update"}, ["publisher"]),
        ("state", "in", {"state_type": "full_update", **BINDER}, ["subscriber"]),
    ],
)
def test_a_bind_that_fails_raises_its_error_and_logs_nothing(
    kind: str,
    side: str,
    model: dict[str, Any],
    sockets: list[str],
    capfd: pytest.CaptureFixture[str],
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        addresses = {f"{kind}s": {side: {"it": dict.fromkeys(sockets, taken)}}}
        module = module_of(**{f"{kind}_models": {side: {"it": model}}})
        with (
            pytest.raises(BindError, match="another socket has it"),
            running(module, addresses=addresses),
        ):
            pass
    assert capfd.readouterr().err == ""
