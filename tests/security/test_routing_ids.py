"""With keys nobody chooses a routing id: not another's, and none that a ROUTER gives."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
import zmq

from sf_actors.sockets.transport import ZAP_DOMAIN
from sf_actors.testing import module_of, running
from tests.security.keyrings import PATIENCE_MS
from tests.security.services import addresses_in, server_module
from tests.support.bare_sockets import packed, unpacked

if TYPE_CHECKING:
    from pathlib import Path

    from sf_actors.service import Service
    from tests.security.keyrings import Keyring, Knocker

PEERS = 50


def test_two_peers_that_claim_one_routing_id_both_get_their_answers(
    server: Keyring, friend: Keyring, knocker: Knocker, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        given = addresses_in(tmp_path)
        stack.enter_context(running(server_module(), keys=server.folder, addresses=given))
        peers = [knocker.socket(zmq.DEALER, own=friend, server=server) for _ in range(2)]
        for peer in peers:
            stack.callback(peer.close)
            peer.routing_id = b"taken"
            peer.connect(f"ipc://{tmp_path}/replyer")
        for _ in range(3):
            for number, peer in enumerate(peers):
                peer.send_multipart([b"", packed({"args": {"x": number}})])
            for number, peer in enumerate(peers):
                assert peer.poll(PATIENCE_MS), f"no answer for peer {number}"
                reply = unpacked(peer.recv_multipart()[-1])
                assert reply["return_args"] == {"x": number}


def bare_router(service: Service, keys: Keyring) -> zmq.Socket[bytes]:
    """Open a ROUTER that asks the authenticator of a service."""
    router = service._run.state.run_context.transport.context.socket(zmq.ROUTER)  # type: ignore[union-attr]
    router.linger = 0
    router.curve_server = True
    router.curve_publickey, router.curve_secretkey = keys.public, keys.secret
    router.zap_domain = ZAP_DOMAIN
    return router


@pytest.mark.slow
def test_no_peer_has_the_routing_id_that_it_claims(
    server: Keyring, friend: Keyring, knocker: Knocker, tmp_path: Path
) -> None:
    claimed = {b"\0" + number.to_bytes(4) for number in range(PEERS)}
    with ExitStack() as stack:
        service = stack.enter_context(
            running(module_of(state_models={}), keys=server.folder, addresses={})
        )
        router = bare_router(service, server)
        stack.callback(router.close)
        router.bind(f"ipc://{tmp_path}/router")
        for name in claimed:
            peer = knocker.socket(zmq.DEALER, own=friend, server=server)
            stack.callback(peer.close)
            peer.routing_id = name
            peer.connect(f"ipc://{tmp_path}/router")
            peer.send(name)
        seen: dict[bytes, bytes] = {}
        while len(seen) < PEERS:
            assert router.poll(PATIENCE_MS)
            given, name = router.recv_multipart()
            seen[given] = name

    assert set(seen.values()) == claimed
    assert {(len(given), given[0]) for given in seen} == {(9, 1)}
