"""`--at ADDRESS --keys DIR`: an inspector elsewhere, for who has a key."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

import sf_actors
from sf_actors.cli.remote_services import RemoteServices
from sf_actors.errors import UsageError
from sf_actors.sockets.keys import new_pair
from tests.inspection.test_command_line import service_file
from tests.inspection.test_remote_socket import keys
from tests.support.ports import held_port
from tests.support.processes import Process
from tests.support.shell import echoing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.conftest import Shell

__all__ = ["keys"]

pytestmark = pytest.mark.slow


@pytest.fixture(params=["127.0.0.1", "[::1]"])
def there(keys: Path, request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """Give the flags that ask the inspector of this process, with a service `desk`, over TCP."""
    inspection = sf_actors.inspect(f"tcp://{request.param}:0", keys=keys)
    try:
        assert inspection.remote_address is not None
        with echoing("desk"):
            yield ["--at", inspection.remote_address, "--keys", str(keys)]
    finally:
        inspection.close()


def test_it_is_asked_like_one_of_this_machine(shell: Shell, there: list[str]) -> None:
    (row,) = shell("ps", "--json", *there).objects
    assert (row["service"], row["pid"]) == ("desk", os.getpid())
    assert json.loads(shell("call", "desk/echo", "n=5", *there).out) == {"n": 5}
    assert shell("call", "echo", "n=5", "-n", "3", *there).status == 0
    assert shell("stop", "desk", *there).status == 0


def test_who_has_no_key_that_is_let_in_gets_no_answer(
    shell: Shell, there: list[str], tmp_path: Path
) -> None:
    stranger = tmp_path / "stranger"
    new_pair("own", stranger)
    (stranger / "servers").mkdir()
    public = (tmp_path / "keys" / "own.key").read_text()
    (stranger / "servers" / "default.key").write_text(public)
    found = shell("stats", "desk", *there[:2], "--keys", str(stranger), "--timeout", "0.5")

    assert found.status == 124
    assert "no answer within 0.5 s" in found.err


def test_a_process_elsewhere_is_stopped_and_is_gone(
    shell: Shell, keys: Path, tmp_path: Path
) -> None:
    with held_port() as port:
        there = f"tcp://127.0.0.1:{port}"
        arguments = [*service_file(tmp_path), "--keys", str(keys), "--inspect", there]
        with Process(*arguments) as process:
            process.wait_until_ready()
            found = shell("stop", "svc", "--json", "--at", there, "--keys", str(keys))
            assert process.wait() == 0

    assert found.objects == [{"service": "svc", "pid": process.popen.pid, "stopped": True}]


def test_keys_that_cannot_be_used_are_told(shell: Shell, there: list[str], tmp_path: Path) -> None:
    found = shell("ps", *there[:2], "--keys", str(tmp_path / "nosuch"))

    assert found.status == 2
    assert "nosuch" in found.err


def test_keys_alone_are_a_usage_error() -> None:
    with pytest.raises(UsageError, match="expected --at"):
        RemoteServices(keys="./keys")
