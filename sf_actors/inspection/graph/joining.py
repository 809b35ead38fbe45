"""Joins ends to edges: by their addresses if both are known, else by name, kind and topic.

Two ends with addresses that do not match are not joined, even if their names match: the graph is
meant to show such mistakes.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Final

from sf_actors.inspection.graph.model import Edge, Graph, OpenEnd

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sf_actors.inspection.graph.ends import End
    from sf_actors.inspection.graph.model import Node
    from sf_actors.sockets.endpoint import Endpoint

_ALL_HOSTS: Final = frozenset({"*", "0.0.0.0", "::"})  # noqa: S104 - compared, not bound
_THIS_HOST: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def joined(services: Iterable[Node], ends: Sequence[End]) -> Graph:
    """Return the graph of services with these ends, reproducibly."""
    pairs = list(_pairs(ends))
    met = {id(end) for pair in pairs for end in pair}
    edges = {
        Edge(
            sender.service,
            sender.model,
            receiver.service,
            receiver.model,
            sender.model if sender.binds else receiver.model,
            sender.kind,
            (receiver if sender.is_bus else sender).topic or "",
        )
        for sender, receiver in pairs
    }
    left = {
        OpenEnd(end.service, end.model, end.side, end.kind, end.address)
        for end in ends
        if id(end) not in met and not end.is_bus
    }
    return Graph(tuple(services), tuple(sorted(edges)), tuple(sorted(left)))


def _pairs(ends: Sequence[End]) -> Iterator[tuple[End, End]]:
    senders = [end for end in ends if end.sends]
    receivers = [end for end in ends if not end.sends]
    at_bus: set[int] = set()
    unbound = []
    for sender, receiver in product(senders, receivers):
        if sender.kind != receiver.kind or not _hears(sender, receiver):
            continue
        if not sender.binds and not receiver.binds:
            unbound.append((sender, receiver))
        elif _meet(sender, receiver):
            if sender.is_bus or receiver.is_bus:
                at_bus |= {id(sender), id(receiver)}
            yield sender, receiver
    # these two meet at a bus; if the bus is in the graph, they are joined to it instead
    for sender, receiver in unbound:
        if (
            id(sender) not in at_bus
            and id(receiver) not in at_bus
            and _are_namesakes(sender, receiver)
        ):
            yield sender, receiver


def _hears(sender: End, receiver: End) -> bool:
    """Return True if the receiver gets messages of the sender's topic."""
    return sender.is_bus or receiver.topic is None or receiver.topic == sender.topic


def _meet(sender: End, receiver: End) -> bool:
    """Return True if two ends are joined; at least one must bind."""
    binder, connector = (sender, receiver) if sender.binds else (receiver, sender)
    if connector.binds:
        return False
    is_here = binder.pid == connector.pid
    updates = _lead_to(connector.endpoints, binder.endpoints, is_here=is_here)
    if updates is None:
        return _are_namesakes(sender, receiver)
    # a replica that gets updates but no snapshot never becomes live
    snapshots = _lead_to(receiver.snapshots, sender.snapshots, is_here=is_here)
    return updates and snapshots is not False


def _are_namesakes(sender: End, receiver: End) -> bool:
    return sender.model == receiver.model and sender.service != receiver.service


def _lead_to(
    connected: Sequence[Endpoint], bound: Sequence[Endpoint], *, is_here: bool
) -> bool | None:
    """Return True if an address leads to one of the bound ones; None if that is not known."""
    if not connected or not bound or not all(map(_is_known, bound)):
        return None
    return any(leads_to(one, other, is_here=is_here) for one, other in product(connected, bound))


def _is_known(endpoint: Endpoint) -> bool:
    """Return True if a bound address has a known port."""
    return endpoint.scheme != "tcp" or endpoint.port != 0


def leads_to(connected: Endpoint, bound: Endpoint, *, is_here: bool) -> bool:
    """Return True if connecting to one address reaches a socket that is bound to the other."""
    if connected.scheme != bound.scheme:
        return False
    if connected.scheme != "tcp":
        return connected.path == bound.path and (is_here or connected.scheme == "ipc")
    if connected.port != bound.port:
        return False
    if bound.host in _ALL_HOSTS:
        return True
    return connected.host == bound.host or {connected.host, bound.host} <= _THIS_HOST
