"""Nobody knows the routing id that a ROUTER gives next, and none that a peer names does harm."""

from __future__ import annotations

import json
import socket as sockets
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from sf_actors.testing import module_of, running
from tests.security import zmtp
from tests.support.bare_sockets import PATIENCE_MS, ask, bare, packed, unpacked
from tests.support.models import ANY_PORT, endpoint_of, replyer
from tests.support.processes import Process
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.security.keyrings import Keyring, Knocker
    from tests.support.bare_sockets import Socket

SERVICE_FILE = """
N = {'required_arguments': {'n': int}}
def on_request(args): return {'n': args['n']}
connection_models = {'in': {'echo': {
    'connection_type': 'replyer',
    'required_creation_arguments': {'on_new_request': on_request},
    'required_return_arguments': {'n': int}, **N,
}}}
state_models = {'out': {'book': {'state_type': 'delta_update_out', **N}}}
"""
ADDRESSES = {
    "connections": {"in": {"echo": ANY_PORT}},
    "states": {"out": {"book": {"publisher": ANY_PORT, "replyer": ANY_PORT}}},
}
REQUESTS = {"echo.replyer": {"args": {"n": 1}}, "book.replyer": {"args": {}}}

#: The sockets of a process whose ids are guessed, and how many peers each may have had before.
SOCKETS = 8
EARLIER = 4

#: Peers that name no id; more than were there earlier.
PLAIN = 6


def guesses() -> list[bytes]:
    """Return the ids that the sockets of a process would give next if nobody had seeded `rand`."""
    first = zmtp.ids_drawn_unseeded(SOCKETS)
    return [zmtp.routing_id(start + earlier) for start in first for earlier in range(EARLIER)]


def start(folder: Path, keys: Keyring | None = None) -> Process:
    """Return the service in a process of its own."""
    (folder / "svc.py").write_text(SERVICE_FILE)
    (folder / "addresses.json").write_text(json.dumps(ADDRESSES))
    flags = ["--keys", str(keys.folder)] if keys else []
    return Process("-s", "svc.py", "-a", "addresses.json", "-cl", "INFO", *flags, cwd=folder)


def send(socket: Socket, request: Any) -> None:
    socket.send_multipart([b"", packed(request)])


def require_answered(socket: Socket, process: Process) -> None:
    assert socket.poll(PATIENCE_MS), f"no answer; the process's status is {process.popen.poll()}"
    assert "return_args" in unpacked(socket.recv_multipart()[-1])


def require_all_answered(
    opened: Callable[[], Socket], address: str, request: Any, process: Process
) -> None:
    """Connect as each id that may be given next, then as nobody; all are answered."""
    with ExitStack() as stack:
        for names in (guesses(), [b""] * PLAIN):
            peers = [stack.enter_context(closing(opened())) for _ in names]
            for peer, name in zip(peers, names, strict=True):
                if name:
                    peer.routing_id = name
                peer.connect(f"tcp://{address}")
                send(peer, request)
            for peer in peers:
                require_answered(peer, process)
    assert process.popen.poll() is None


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.slow
def test_peers_with_ids_that_might_be_given_next_end_no_process(
    tmp_path: Path, knocker: Knocker, name: str
) -> None:
    with start(tmp_path) as process:
        address = process.wait_until_ready()[name]
        require_all_answered(lambda: knocker.socket(zmq.DEALER), address, REQUESTS[name], process)


@pytest.mark.slow
def test_an_authorized_peer_with_an_id_that_might_be_given_next_ends_no_process(
    tmp_path: Path, knocker: Knocker, server: Keyring, friend: Keyring
) -> None:
    with start(tmp_path, server) as process:
        address = process.wait_until_ready()["echo.replyer"]
        require_all_answered(
            lambda: knocker.socket(zmq.DEALER, own=friend, server=server),
            address,
            REQUESTS["echo.replyer"],
            process,
        )


ROUTER_SCRIPT = """
import zmq
from sf_actors.sockets.transport import (Transport)
from sf_actors.sockets.endpoint import (parse)
transport = Transport()
creation = {'high_water_mark': 10, 'max_message_bytes': 1000}
endpoint = parse('127.0.0.1:0', where='here')
for _ in range(3):
    router, address = transport.bound(zmq.ROUTER, endpoint, creation, where='here')
    peer = transport.context.socket(zmq.DEALER)
    peer.connect('tcp://' + address)
    peer.send(b'')
    print('id', router.recv_multipart()[0].hex(), flush=True)
    peer.close(0)
    transport.close(router, linger_ms=0)
"""


@pytest.mark.slow
def test_two_processes_give_other_routing_ids() -> None:
    given = []
    for _ in range(2):
        with Process("-c", ROUTER_SCRIPT, module=None) as process:
            given += [process.wait_for_line("id").split()[1] for _ in range(3)]
            assert process.wait() == 0
    assert len(set(given)) == len(given), given


OVERLONG = b"i" * 16_000


@pytest.mark.parametrize("name", ["echo", "book"])
def test_a_message_of_a_peer_with_an_overlong_id_is_dropped_and_counted(name: str) -> None:
    module = module_of(
        connection_models={"in": {"echo": replyer(lambda args: args, {"n": int}, {"n": int})}},
        state_models={
            "out": {"book": {"state_type": "delta_update_out", "required_arguments": {"n": int}}}
        },
    )
    with running(module, addresses=ADDRESSES, console_loglevel=None) as served:

        def dropped() -> Any:
            stats = served.stats()
            part = stats["connections"]["in"] if name == "echo" else stats["states"]["out"]
            return part[name].get("dropped")

        endpoint = (
            endpoint_of(served, "echo")
            if name == "echo"
            else f"tcp://{served.addresses['states']['out']['book']['replyer']}"
        )
        request = REQUESTS[f"{name}.replyer"]
        host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
        with sockets.create_connection((host, int(port))) as peer, peer.makefile("rb") as heard:
            peer.settimeout(PATIENCE_MS / 1000)
            # libzmq may not hear who speaks before it has been greeted
            peer.sendall(zmtp.greeting())
            assert len(heard.read(64)) == 64
            peer.sendall(zmtp.ready("DEALER", OVERLONG))
            assert heard.read1()
            peer.sendall(zmtp.message([b"", packed(request)]))
            until(dropped, "it is dropped")
            with bare(zmq.REQ, connect=endpoint) as asking:
                assert "return_args" in ask(asking, request)
        assert dropped() == {"undecodable": 1}
