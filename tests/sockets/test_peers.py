"""Counting who is connected, by the kernel's tables."""

from __future__ import annotations

import socket
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from sf_actors.sockets import peers
from sf_actors.sockets.peers import Listener
from sf_actors.testing import module_of, running
from tests.security.services import addresses_in, server_module
from tests.support.models import replyer
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def open_socket() -> Iterator[Callable[[int], zmq.Socket[bytes]]]:
    with ExitStack() as stack:
        context: zmq.Context[zmq.Socket[bytes]] = stack.enter_context(zmq.Context())

        def open_socket(kind: int) -> zmq.Socket[bytes]:
            socket = stack.enter_context(context.socket(kind))
            socket.linger = 0
            return socket

        yield open_socket


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bound", "reached_at"),
    [
        ("tcp://127.0.0.1:*", "127.0.0.1"),
        ("tcp://0.0.0.0:*", "127.0.0.1"),
        ("tcp://[::1]:*", "[::1]"),
        ("tcp://[::]:*", "127.0.0.1"),
        ("ipc://{folder}/a socket", ""),
        ("ipc://@sf_actors-test-peers", ""),
    ],
)
def test_those_who_are_connected_are_counted(
    open_socket: Callable[[int], zmq.Socket[bytes]], tmp_path: Path, bound: str, reached_at: str
) -> None:
    server = open_socket(zmq.ROUTER)
    server.ipv6 = "[" in bound
    server.bind(bound.format(folder=tmp_path))
    shown = server.getsockopt_string(zmq.LAST_ENDPOINT)
    listener = Listener.at(shown)
    address = f"tcp://{reached_at}:{shown.rpartition(':')[2]}" if reached_at else shown
    assert listener.peers() == 0

    clients = [open_socket(zmq.DEALER) for _ in range(3)]
    for client in clients:
        client.ipv6 = "[" in address
        client.connect(address)
    until(lambda: listener.peers() == 3, "three peers")
    clients[0].close()
    until(lambda: listener.peers() == 2, "two peers")


def test_two_hosts_with_the_same_port_are_told_apart(
    open_socket: Callable[[int], zmq.Socket[bytes]],
) -> None:
    first, second, client = (open_socket(kind) for kind in (zmq.PUB, zmq.PUB, zmq.SUB))
    port = first.bind_to_random_port("tcp://127.0.0.1")
    second.bind(f"tcp://127.0.0.2:{port}")
    client.connect(f"tcp://127.0.0.2:{port}")

    until(lambda: Listener.at(f"127.0.0.2:{port}").peers() == 1, "one peer")
    assert Listener.at(f"127.0.0.1:{port}").peers() == 0


def test_a_name_is_what_it_resolves_to(open_socket: Callable[[int], zmq.Socket[bytes]]) -> None:
    server, client = open_socket(zmq.PUB), open_socket(zmq.SUB)
    port = server.bind_to_random_port("tcp://127.0.0.1")
    client.connect(f"tcp://127.0.0.1:{port}")

    until(lambda: Listener.at(f"localhost:{port}").peers() == 1, "one peer")


def test_for_inproc_the_number_is_not_known() -> None:
    assert Listener.at("inproc://anything").peers() is None


def refuse() -> None:
    """Be a kernel that does not tell."""
    raise OSError("not here")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_where_the_kernel_does_not_tell_its_tables_say_the_same(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as bound, socket.socket(family) as connected:
        bound.bind((host, 0))
        bound.listen()
        port = bound.getsockname()[1]
        listener = Listener.at(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        connected.connect((host, port))
        until(lambda: listener.peers() == 1, "one peer")
        monkeypatch.setattr(peers, "established", refuse)
        assert listener.peers() == 1


def test_without_the_kernels_tables_the_number_is_not_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "_TABLES", tmp_path)
    monkeypatch.setattr(peers, "established", refuse)

    assert Listener.at("127.0.0.1:4000").peers() is None
    assert Listener.at("ipc:///tmp/nowhere").peers() is None


@pytest.mark.parametrize(
    ("address", "is_beyond"),
    [
        ("127.0.0.1:1", False),
        ("127.8.0.1:1", False),
        ("[::1]:1", False),
        ("localhost:1", False),
        ("ipc:///tmp/x", False),
        ("inproc://x", False),
        ("*:1", True),
        ("0.0.0.0:1", True),
        ("tcp://0.0.0.0:1", True),
        ("[::]:1", True),
        ("192.0.2.1:1", True),
    ],
)
def test_an_address_beyond_loopback_is_known_as_such(address: str, *, is_beyond: bool) -> None:
    assert Listener.at(address).is_beyond_loopback is is_beyond


# as stats() shows them


@contextmanager
def connected_to(address: str, kind: int, count: int) -> Iterator[None]:
    """Connect some sockets, as any other program would."""
    with zmq.Context() as context, ExitStack() as stack:
        for _ in range(count):
            socket = stack.enter_context(context.socket(kind))
            socket.linger = 0
            socket.connect(address)
        yield


def test_peers_are_those_who_are_connected_now(tmp_path: Path) -> None:
    given = addresses_in(tmp_path)
    given["connections"]["in"]["replyer"] = {"replyer": "127.0.0.1:0"}
    with running(server_module(), addresses=given, console_loglevel=None) as service:
        tcp = f"tcp://{service.addresses['connections']['in']['replyer']['replyer']}"

        def peers(kind: str, side: str, name: str) -> Any:
            return service.stats()[kind][side][name]["peers"]

        for key, address, socket in (
            (("connections", "in", "replyer"), tcp, zmq.DEALER),
            (("connections", "in", "binder"), f"ipc://{tmp_path}/binder", zmq.PUB),
            (("connections", "out", "publisher"), f"ipc://{tmp_path}/publisher", zmq.SUB),
            (("states", "out", "delta"), f"ipc://{tmp_path}/delta_publisher", zmq.SUB),
            (("states", "out", "full"), f"ipc://{tmp_path}/full", zmq.SUB),
        ):
            assert peers(*key) == 0
            with connected_to(address, socket, 2):
                until(lambda key=key: peers(*key) == 2, "two peers")  # type: ignore[misc]
            until(lambda key=key: peers(*key) == 0, "no peers")  # type: ignore[misc]


def test_peers_over_inproc_are_not_known() -> None:
    module = module_of(connection_models={"in": {"r": replyer(lambda args: args)}})
    given = {"connections": {"in": {"r": {"replyer": "inproc://r"}}}}
    with running(module, addresses=given, console_loglevel=None) as service:
        assert service.stats()["connections"]["in"]["r"]["peers"] is None
