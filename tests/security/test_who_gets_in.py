"""Who gets in: on every socket of a service with keys, and in every phase of its life."""

from __future__ import annotations

import os
import queue
from typing import TYPE_CHECKING

import pytest
import zmq

from sf_actors.actors.inbox import WaitFailed
from sf_actors.lifecycle.supervision import Supervision
from sf_actors.service import Service
from sf_actors.testing import module_of, running
from tests.security.services import SOCKETS, WAIT_S, addresses_in, server_module

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.security.keyrings import Keyring


class Stage:
    """A service on its way: `at` brings it to a phase and keeps it there."""

    def __init__(self, keys: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.service = Service(
            server_module(), keys=keys, addresses=addresses_in(folder), console_loglevel=None
        )
        self._monkeypatch = monkeypatch

    @property
    def address(self) -> str:
        """Where the replyer is bound."""
        address: str = self.service.addresses["connections"]["in"]["replyer"]["replyer"]
        return address

    def at(self, phase: str) -> None:
        if phase == "not started":
            return
        self.service.run_service()
        authenticator = self.service._run.state.authenticator  # type: ignore[union-attr]
        assert authenticator is not None
        if phase == "authenticator stopped":
            authenticator.actor_ref.stop()
        elif phase == "authenticator dead":
            died: queue.Queue[object] = queue.Queue()
            self._monkeypatch.setattr(
                Supervision, "died", lambda _run, _actor, error: died.put(error)
            )
            authenticator.actor_ref.tell(WaitFailed(OSError("poll failed")))
            died.get(timeout=WAIT_S)
        elif phase == "stopped":
            self.service.stop_service()


@pytest.fixture
def stage(server: Keyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    stage = Stage(server.folder, tmp_path, monkeypatch)
    yield stage
    stage.service.stop_service()


PHASES = ("not started", "running", "authenticator stopped", "authenticator dead", "stopped")


@pytest.mark.slow
@pytest.mark.parametrize("socket", SOCKETS)
@pytest.mark.parametrize("phase", PHASES)
def test_only_an_authorized_key_gets_in_and_only_while_the_service_runs(
    stage: Stage,
    tmp_path: Path,
    knock: Callable[[str, int, str], bool],
    phase: str,
    socket: str,
) -> None:
    stage.at(phase)

    address = f"ipc://{tmp_path}/{socket}"
    who = ("wrong key", "wrong server key", "no key", "plain", "authorized")
    got_in = [name for name in who if knock(name, SOCKETS[socket], address)]
    assert got_in == (["authorized"] if phase == "running" else [])


@pytest.mark.slow
def test_a_stranger_does_not_get_in_over_tcp_either(
    server: Keyring, knock: Callable[[str, int, str], bool]
) -> None:
    given = {"connections": {"in": {"replyer": {"replyer": "127.0.0.1:0"}}}}
    module = module_of(
        connection_models={"in": {"replyer": server_module().connection_models["in"]["replyer"]}}
    )
    with running(module, keys=server.folder, addresses=given) as service:
        address = f"tcp://{service.addresses['connections']['in']['replyer']['replyer']}"
        assert knock("authorized", zmq.DEALER, address)
        for who in ("wrong key", "wrong server key", "no key", "plain"):
            assert not knock(who, zmq.DEALER, address)


@pytest.mark.slow
def test_nobody_else_gets_in_while_the_service_starts(
    server: Keyring, tmp_path: Path, knock: Callable[[str, int, str], bool]
) -> None:
    got_in = {}

    def init_function() -> None:
        for name, kind in SOCKETS.items():
            address = f"ipc://{tmp_path}/{name}"
            got_in[name] = [who for who in ("wrong key", "no key") if knock(who, kind, address)]

    module = server_module(init_function=init_function)
    with running(module, keys=server.folder, addresses=addresses_in(tmp_path)):
        assert got_in == {key: [] for key in SOCKETS}


def test_who_is_authorized_later_gets_in_from_then_on(
    stage: Stage,
    server: Keyring,
    stranger: Keyring,
    tmp_path: Path,
    knock: Callable[[str, int, str], bool],
) -> None:
    stage.at("running")
    address = f"ipc://{tmp_path}/replyer"

    assert not knock("wrong key", zmq.DEALER, address)
    server.authorize(stranger)
    assert knock("wrong key", zmq.DEALER, address)
    server.banish(stranger)
    assert not knock("wrong key", zmq.DEALER, address)


def test_a_key_file_that_is_overwritten_counts_at_once(
    stage: Stage,
    server: Keyring,
    friend: Keyring,
    stranger: Keyring,
    knock: Callable[[str, int, str], bool],
) -> None:
    stage.at("running")
    address = stage.address
    path = server.folder / "authorized" / "friend.key"
    before = path.stat()

    assert knock("authorized", zmq.DEALER, address)
    path.write_bytes((stranger.folder / "own.key").read_bytes())
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert not knock("authorized", zmq.DEALER, address)
    assert knock("wrong key", zmq.DEALER, address)
