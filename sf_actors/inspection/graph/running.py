"""The graph of what runs on this machine, by the inspectors' `info`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from sf_actors.inspection.asking import Question
from sf_actors.inspection.graph.ends import ends_of_info
from sf_actors.inspection.graph.joining import joined
from sf_actors.inspection.graph.model import Node

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sf_actors.inspection.asking import Asking, Place
    from sf_actors.inspection.graph.model import Graph

Info = dict[str, Any]

#: Questions to one inspector at once: it drops answers that nobody takes.
AT_ONCE: Final = 20


def read_infos(
    asking: Asking, places: Sequence[Place], timeout_s: float
) -> dict[Place, list[Info]]:
    """Return the `info` of all services of the processes that answer; used by one thread.

    :param timeout_s: how long to wait for one answer, in seconds
    """
    pinged = asking.ask_all(
        [Question(place, {"verb": "ping"}) for place in places], timeout_s=timeout_s
    )
    waiting = {
        answer.place: list(answer.value["services"])
        for answer in pinged
        if answer.value is not None
    }
    infos: dict[Place, list[Info]] = {place: [] for place in waiting}
    while any(waiting.values()):
        asked = [
            Question(place, {"verb": "info", "service": name})
            for place, names in waiting.items()
            for name in names[:AT_ONCE]
        ]
        for answer in asking.ask_all(asked, timeout_s=timeout_s):
            if answer.value is not None:
                infos[answer.place].append(answer.value)
            elif answer.is_silent:
                # it would be so for each of its services
                waiting[answer.place] = []
        waiting = {place: names[AT_ONCE:] for place, names in waiting.items()}
    return infos


def graph_of_infos(infos: Iterable[Info]) -> Graph:
    """Return the graph of services that run; where two processes have a name, with their pids."""
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
    """Return a name for each service: its own, or `NAME@PID` where several have it."""
    counts = Counter(info["service"] for info in infos)
    return [
        info["service"] if counts[info["service"]] == 1 else f"{info['service']}@{info['pid']}"
        for info in infos
    ]
