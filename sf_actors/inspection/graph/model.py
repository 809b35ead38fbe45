"""A graph of services as plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, order=True)
class Node:
    """A service.

    :ivar name: unique in the graph
    :ivar file: its service file, if it has one
    :ivar pid: its process, if it runs
    """

    name: str
    file: str | None = None
    pid: int | None = None


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """A connection of two models; `source` sends, `target` answers or receives.

    :ivar model: the name of the model that binds
    :ivar kind: `call`, `message`, `delta_update` or `full_update`
    :ivar topic: '' without one
    """

    source: str
    source_model: str
    target: str
    target_model: str
    model: str
    kind: str
    topic: str = ""


@dataclass(frozen=True, slots=True, order=True)
class OpenEnd:
    """A model without a peer.

    :ivar address: '' if it is not known
    """

    service: str
    model: str
    side: str
    kind: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class Graph:
    """Services, the edges between them, and models without a peer."""

    services: tuple[Node, ...]
    edges: tuple[Edge, ...]
    open: tuple[OpenEnd, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the form that `graph --json` prints."""
        return {
            "services": [
                {key: value for key, value in asdict(node).items() if key != "pid" or value}
                for node in self.services
            ],
            "edges": [
                {
                    "from": f"{edge.source}/{edge.source_model}",
                    "to": f"{edge.target}/{edge.target_model}",
                    "model": edge.model,
                    "kind": edge.kind,
                    "topic": edge.topic or None,
                }
                for edge in self.edges
            ],
            "open": [asdict(end) | {"address": end.address or None} for end in self.open],
        }
