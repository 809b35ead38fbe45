"""Peers that mean ill and speak CURVE, with an authorized key or a wrong one, through libzmq."""

from __future__ import annotations

import random
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import zmq

from tests.security.conversations import HONEST_ID, TAKEN_IDS
from tests.security.malice import payload

if TYPE_CHECKING:
    from tests.security.conversations import Target
    from tests.security.keyrings import Keyring
    from tests.support.bare_sockets import Socket

#: How many have connected and not spoken yet, and how many have spoken and are there still.
SILENT = 24
SPOKEN = 12

KINDS = {
    "ROUTER": (zmq.DEALER, zmq.REQ, zmq.ROUTER),
    "SUB": (zmq.PUB, zmq.XPUB),
    "XPUB": (zmq.SUB, zmq.XSUB),
}


class _Peer(NamedTuple):
    socket: Socket
    target: Target
    rng: random.Random


class CurvePeers:
    """Holds conversations one after the other, each over a socket of its own; for one thread.

    :param server: the keys of who is attacked
    :param authorized: keys that let their owner in
    :param wrong: keys that do not
    """

    def __init__(self, server: Keyring, authorized: Keyring, wrong: Keyring) -> None:
        self._server_key = server.public
        self._pairs = [(keyring.public, keyring.secret) for keyring in (authorized, wrong)]
        self._context: zmq.Context[Socket] = zmq.Context()
        self._silent: deque[_Peer] = deque()
        self._spoken: deque[_Peer] = deque()
        self.begun = self.sent = 0

    def __enter__(self) -> CurvePeers:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()
        self._context.term()

    def close(self) -> None:
        """Let all leave."""
        for peer in [*self._silent, *self._spoken]:
            peer.socket.close(linger=0)
        self._silent.clear()
        self._spoken.clear()

    def hold(self, seed: str, number: int, targets: list[Target]) -> None:
        """Connect as the seed says; an earlier peer speaks now, and a still earlier one leaves."""
        self.begun += 1
        rng = random.Random(f"{seed}.{number}")
        target = rng.choice(targets)
        opened: Socket = self._context.socket(rng.choice(KINDS[target.kind]))
        opened.linger = 0
        opened.curve_publickey, opened.curve_secretkey = self._pairs[rng.random() < 0.3]
        opened.curve_serverkey = self._server_key
        if opened.type not in (zmq.PUB, zmq.XPUB, zmq.SUB, zmq.XSUB) and rng.random() < 0.4:
            opened.setsockopt(zmq.ROUTING_ID, rng.choice([*TAKEN_IDS, HONEST_ID, b"i" * 255]))
        opened.connect(f"tcp://127.0.0.1:{target.port}")
        self._silent.append(_Peer(opened, target, rng))
        if len(self._silent) > SILENT:
            peer = self._silent.popleft()
            self._speak(peer)
            self._spoken.append(peer)
        if len(self._spoken) > SPOKEN:
            self._spoken.popleft().socket.close(linger=0)

    def _speak(self, peer: _Peer) -> None:
        opened, rng = peer.socket, peer.rng
        for _ in range(rng.choice([0, 1, 2, 5])):
            made = payload(rng, peer.target.fitting)[1]
            if opened.type == zmq.SUB:
                opened.subscribe(made[:400])
                continue
            parts = [rng.choice([b"\1", b"\0"]) + made[:400]] if opened.type == zmq.XSUB else [made]
            if opened.type == zmq.DEALER:
                parts = [b"", made] if rng.random() < 0.9 else [b"", made, made]
            elif opened.type == zmq.ROUTER:
                return  # it knows nobody that it could speak to
            try:
                opened.send_multipart(parts, zmq.NOBLOCK)
            except zmq.ZMQError as error:
                # not let in, or no turn to ask
                if error.errno not in (zmq.EAGAIN, zmq.EFSM):
                    raise
                return
            self.sent += 1
