"""The graph of the services that run on this machine, from the inspectors' `info`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from sf_actors.inspection.client import Question
from sf_actors.inspection.graph.ends import ends_of_info
from sf_actors.inspection.graph.joining import joined
from sf_actors.inspection.graph.model import Node

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sf_actors.inspection.client import InspectorClient, Responder
    from sf_actors.inspection.graph.model import Graph

Info = dict[str, Any]


def read_infos(
    client: InspectorClient, inspectors: Sequence[Responder], timeout_s: float
) -> dict[Responder, list[Info]]:
    """Return the `info` of all services of the processes that answer; one thread.

    :param timeout_s: how long to wait for all of them, in seconds
    """
    pinged = client.ask_all(
        [Question(inspector, {"verb": "ping"}) for inspector in inspectors], timeout_s=timeout_s
    )
    questions = [
        Question(answer.responder, {"verb": "info", "service": name})
        for answer in pinged
        for name in (answer.value or {}).get("services", ())
    ]
    infos: dict[Responder, list[Info]] = {
        answer.responder: [] for answer in pinged if answer.value is not None
    }
    for answer in client.ask_all(questions, timeout_s=timeout_s):
        if answer.value is not None:  # None: it has ended meanwhile
            infos[answer.responder].append(answer.value)
    return infos


def graph_of_infos(infos: Iterable[Info]) -> Graph:
    """Return the graph of running services; a name in two processes gets the pids added."""
    known = sorted(infos, key=lambda info: (info["service"], info["pid"]))
    names = unique_names(known)
    services = [
        Node(name, info["file"], info["pid"]) for name, info in zip(names, known, strict=True)
    ]
    ends = [
        end for name, info in zip(names, known, strict=True) for end in ends_of_info(info, name)
    ]
    return joined(services, ends)


def unique_names(infos: Sequence[Info]) -> list[str]:
    """Return a name for each service: its own, or `NAME@PID` if several have it."""
    counts = Counter(info["service"] for info in infos)
    return [
        info["service"] if counts[info["service"]] == 1 else f"{info['service']}@{info['pid']}"
        for info in infos
    ]
