"""The graph of a fleet: its services, their links, and models without a link."""

from __future__ import annotations

from os.path import relpath
from typing import TYPE_CHECKING

from sf_actors.fleet.matching import entry_of
from sf_actors.inspection.graph.model import Edge, Graph, Node, OpenEnd

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sf_actors.fleet.fleet import Fleet
    from sf_actors.fleet.linking import Linked
    from sf_actors.fleet.outlines import ServiceOutline


def graph_of_fleet(fleet: Fleet, outlines: Mapping[str, ServiceOutline], linked: Linked) -> Graph:
    """Return the graph of a fleet, reproducibly.

    :param outlines: of all its services
    """
    services = tuple(
        Node(service.name, None if service.file is None else relpath(service.file, fleet.folder))
        for service in fleet.services
    )
    edges = tuple(
        Edge(
            *(link.source, link.source_model, link.target, link.target_model),
            *(link.model, link.kind, link.topic),
        )
        for link in linked.links
    )
    joined = {
        (end.service, end.kind, end.side, end.model)
        for link in linked.links
        for joint in link.joints
        for end in (joint.connector, joint.binder)
    }
    left = [
        OpenEnd(
            *(model.service, model.name, model.side, model.passes),
            _outside(entry_of(service.connect, model) or entry_of(service.bind, model)),
        )
        for service in fleet.services
        for model in outlines[service.name].models
        if (model.service, *model.key) not in joined
    ]
    return Graph(services, edges, tuple(sorted(left)))


def _outside(given: object) -> str:
    """Return the address that a fleet file gives a model, as a text; '' if it gives none."""
    if isinstance(given, dict):
        given = next(iter(given.values()), None)
    if isinstance(given, list):
        return " or ".join(given)
    return given if isinstance(given, str) else ""
