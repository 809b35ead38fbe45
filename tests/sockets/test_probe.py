"""Probes: one connection that finds out whether a ZeroMQ peer greets at an address."""

from __future__ import annotations

import resource
import select
import socket
from contextlib import closing, contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from sf_actors.sockets.endpoint import parse
from sf_actors.sockets.probe import NoPeer, Probe, ProbeFailed, target_of
from tests.conftest import open_descriptors
from tests.support.bare_sockets import bare
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sf_actors.sockets.probe import Target

#: The first bytes of a greeting (RFC 23).
SIGNATURE = b"\xff" + bytes(8) + b"\x7f"


def target(address: str) -> Target:
    found = target_of(parse(address, where="here"))
    assert found is not None
    return found


@pytest.fixture(params=["127.0.0.1", "::1", "ipc", "abstract"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Any, str]]:
    """Give a bare listening socket and its address, as it stands in a file of addresses."""
    if request.param in ("ipc", "abstract"):
        path = f"{tmp_path}/it" if request.param == "ipc" else "@sf_actors-test-probe"
        opened = socket.socket(socket.AF_UNIX)
        opened.bind(path.replace("@", "\0"))
        address = f"ipc://{path}"
    else:
        is_ipv6 = ":" in request.param
        opened = socket.socket(socket.AF_INET6 if is_ipv6 else socket.AF_INET)
        opened.bind((request.param, 0))
        host = f"[{request.param}]" if is_ipv6 else request.param
        address = f"{host}:{opened.getsockname()[1]}"
    with opened:
        opened.listen()
        yield opened, address


def conclusion(probe: Probe) -> bool:
    """Wait until a probe has come to one."""
    deadline = monotonic() + PATIENCE_S
    while not probe.has_greeted():
        assert select.select([probe.fd], [], [], deadline - monotonic())[0], "nothing came"
    return True


def reason_of(address: str) -> str:
    """Return why nobody is there, whether that is known at once or a moment later."""
    with pytest.raises(NoPeer) as caught, closing(Probe(target(address))) as probe:
        conclusion(probe)
    return str(caught.value)


@pytest.mark.parametrize("kind", [zmq.XPUB, zmq.PUB, zmq.ROUTER, zmq.XSUB])
def test_a_peer_of_zeromq_greets_at_once(kind: int, tmp_path: Path) -> None:
    for address in (f"ipc://{tmp_path}/it", "tcp://127.0.0.1:*"):
        with bare(kind, bind=address) as peer:
            at = peer.getsockopt_string(zmq.LAST_ENDPOINT)
            with closing(Probe(target(at))) as probe:
                assert conclusion(probe)
                assert probe.is_connected


def test_a_peer_with_keys_greets_as_well() -> None:
    with bare(zmq.PUB) as peer:
        _, peer.curve_secretkey = zmq.curve_keypair()
        peer.curve_server = True
        port = peer.bind_to_random_port("tcp://127.0.0.1")
        with closing(Probe(target(f"127.0.0.1:{port}"))) as probe:
            assert conclusion(probe)


def test_who_listens_and_is_silent_has_not_greeted(listener: tuple[Any, str]) -> None:
    """So it is with a process that is frozen: its kernel takes the connection."""
    with closing(Probe(target(listener[1]))) as probe:
        accepted, _ = listener[0].accept()
        with accepted:
            assert not probe.has_greeted()
            assert probe.silence().startswith("frozen")
            accepted.sendall(SIGNATURE)
            assert conclusion(probe)


def test_where_nobody_listens_it_is_refused(listener: tuple[Any, str]) -> None:
    listener[0].close()

    assert reason_of(listener[1]).startswith("refused")


def test_where_there_is_no_path_it_is_refused(tmp_path: Path) -> None:
    assert reason_of(f"ipc://{tmp_path}/nothing").startswith("refused")


@pytest.mark.parametrize("said", [b"", b"SSH-2.0-OpenSSH\r\n"])
def test_who_closes_or_speaks_otherwise_is_no_peer(listener: tuple[Any, str], said: bytes) -> None:
    with closing(Probe(target(listener[1]))) as probe:
        accepted, _ = listener[0].accept()
        with accepted:
            accepted.sendall(said)
        with pytest.raises(NoPeer, match="ZMTP" if said else "ends the connection"):
            conclusion(probe)


def test_a_process_that_accepts_nothing_any_more_is_frozen(tmp_path: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as listening, many() as probes:
        listening.bind(f"{tmp_path}/it")
        listening.listen(0)
        probes.append(Probe(target(f"ipc://{tmp_path}/it")))
        with pytest.raises(NoPeer, match="frozen"):
            Probe(target(f"ipc://{tmp_path}/it"))


@contextmanager
def many() -> Iterator[list[Probe]]:
    probes: list[Probe] = []
    try:
        yield probes
    finally:
        for probe in probes:
            probe.close()


def test_what_has_not_connected_yet_has_not_greeted() -> None:
    with closing(socket.socket()) as listening, many() as probes:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        where = target(f"127.0.0.1:{listening.getsockname()[1]}")
        while not probes or probes[-1].is_connected:
            assert len(probes) < 10
            probes.append(Probe(where))
        assert not probes[-1].has_greeted()
        assert probes[-1].silence().startswith("unreachable")


def test_who_is_connected_to_itself_is_connected_to_nobody() -> None:
    with closing(Probe(target("127.0.0.1:9"))) as probe:
        probe.close()
        probe._socket = socket.socket()
        probe._socket.bind(("127.0.0.1", 0))
        probe._socket.connect(probe._socket.getsockname())
        assert not probe.is_connected


def test_nothing_is_left_unread_when_a_probe_is_closed(listener: tuple[Any, str]) -> None:
    """A reset would be an error for the other end, an end is none."""
    probe = Probe(target(listener[1]))
    accepted, _ = listener[0].accept()
    with accepted:
        accepted.sendall(SIGNATURE)
        assert conclusion(probe)
        probe.close()
        probe.close()
        accepted.settimeout(PATIENCE_S)
        assert accepted.recv(1) == b""


def test_without_a_descriptor_nothing_is_known() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(map(int, open_descriptors())), hard))
    try:
        with pytest.raises(ProbeFailed):
            Probe((socket.AF_INET, ("127.0.0.1", 9)))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(
    ("address", "wanted"),
    [
        ("127.0.0.1:80", (socket.AF_INET, ("127.0.0.1", 80))),
        ("tcp://[::1]:80", (socket.AF_INET6, ("::1", 80))),
        ("localhost:80", None),
        ("ipc:///tmp/it", (socket.AF_UNIX, "/tmp/it")),
        ("ipc://@it", (socket.AF_UNIX, "\0it")),
        ("inproc://it", None),
        ("some.host:80", None),
    ],
)
def test_only_what_needs_no_waiting_is_probed(address: str, wanted: Target | None) -> None:
    assert target_of(parse(address, where="here")) == wanted
