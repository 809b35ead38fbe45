"""Other ways to run Python services, each in its own module and used as its documentation says.

Every module has `serve` and `ask`, the two sides of an echo, and `ask_many`, which keeps calls in
flight by the means of the peer. Peers are imported by name, so that the harness and its type
checker work without those that are not installed.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

#: Why nameko is not among the peers.
WITHOUT_NAMEKO = "it runs on a RabbitMQ broker: there is no echo between two processes alone"

#: The distribution of each peer, and the module that it installs.
PEERS = {
    "RPyC": ("rpyc", "rpyc"),
    "Pyro5": ("Pyro5", "Pyro5"),
    "zero": ("zeroapi", "zero"),
    "service_framework": ("service_framework", "service_framework"),
    "zerorpc": ("zerorpc", "zerorpc"),
    "gRPC": ("grpcio", "grpc"),
    "zenoh": ("eclipse-zenoh", "zenoh"),
}


def missing(peer: str | None) -> str:
    """Return why a peer cannot be measured; empty if it can, or if None is given."""
    if peer is None:
        return ""
    distribution, module = PEERS[peer]
    return "" if find_spec(module) else f"not installed (pip install {distribution})"


def versions() -> dict[str, str]:
    """Return the version of each peer that is installed."""
    found = {}
    for peer, (distribution, _) in PEERS.items():
        try:
            found[peer] = version(distribution)
        except PackageNotFoundError:
            continue
    return found
