"""The texts of the boxes and lines of a picture, computed from two readings of the numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sf_actors.cli.figures import latency, row_of, short, top_row_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sf_actors.inspection.graph.drawing import Drawing
    from sf_actors.inspection.graph.model import Edge

Stats = dict[str, Any]

#: How many lines of text a box has below its name, and a line below its label.
BOX_LINES, EDGE_LINES = 2, 1


@dataclass(frozen=True, slots=True)
class Reading:
    """The numbers of a service, now and a moment ago.

    :ivar now: None if its process does not answer
    :ivar before: of the same run; None if there was none
    """

    now: Stats | None
    before: Stats | None = None


def figures_of(drawing: Drawing, readings: Mapping[str, Reading]) -> dict[str, list[str]]:
    """Return the texts by the ids of boxes and lines.

    :param readings: by the services' names in the graph
    """
    found = {}
    for number, names in enumerate(drawing.members, 1):
        found[f"s{number}"] = _box([readings.get(name, Reading(None)) for name in names])
    for number, bundle in enumerate(drawing.bundles, 1):
        found[f"e{number}"] = [_line(bundle, readings)]
    return found


def _box(readings: Sequence[Reading]) -> list[str]:
    rows = [
        top_row_of(row_of(None, one.now, one.before), one.now, one.before, {}, None)
        for one in readings
        if one.now is not None
    ]
    if len(rows) < len(readings):
        return ["NO ANSWER", ""]
    queued = sum(row["queued"] for row in rows)
    troubles = f"queued {short(queued)} failed {short(sum(row['failed'] for row in rows))}"
    if len(rows) > 1:
        not_ready = sum(row["phase"] != "READY" for row in rows)
        return [f"{not_ready} not READY" if not_ready else "all READY", troubles]
    (row,) = rows
    if row["phase"] != "READY":
        return [row["phase"], troubles]
    return [f"p50 {latency(row['p50_s'])} p99 {latency(row['p99_s'])}", troubles]


def _line(bundle: Sequence[Edge], readings: Mapping[str, Reading]) -> str:
    rates, lost, ages, phases = [], 0, [], []
    for edge in bundle:
        rate, missed, status = _edge(edge, readings)
        rates += [] if rate is None else [rate]
        lost += missed
        if status is not None:
            phases += [] if status["phase"] == "LIVE" else [status["phase"]]
            ages += [] if status["age_s"] is None else [status["age_s"]]
    words = [f"{short(sum(rates))}/s" if rates else "-/s"]
    if lost:
        words.append(f"lost {short(lost)}")
    if phases:
        words.append(phases[0])
    elif ages:
        words.append(f"age {latency(max(ages))}")
    return " ".join(words)


def _edge(
    edge: Edge, readings: Mapping[str, Reading]
) -> tuple[float | None, int, dict[str, Any] | None]:
    """Return how many messages a second pass, how many were lost, and the status of a replica."""
    if edge.kind == "call":
        # count at the requester: a replyer counts the requests of all its requesters together
        asking = readings.get(edge.source, Reading(None))
        numbers = _numbers(asking.now, "out", edge.source_model)
        return _rate("sent", asking, "out", edge.source_model), numbers.get("timeouts", 0), None
    receiving = readings.get(edge.target, Reading(None))
    numbers = _numbers(receiving.now, "in", edge.target_model, edge.kind)
    status = numbers.get("status")
    lost = numbers.get("missed", 0) if status is None else status["gaps"]
    return _rate("received", receiving, "in", edge.target_model, edge.kind), lost, status


def _rate(key: str, reading: Reading, side: str, model: str, kind: str = "call") -> float | None:
    now, before = reading.now, reading.before
    if now is None or before is None or now["uptime_s"] <= before["uptime_s"]:
        return None
    grown = [_numbers(one, side, model, kind).get(key, 0) for one in (before, now)]
    return float(max(0, grown[1] - grown[0]) / (now["uptime_s"] - before["uptime_s"]))


def _numbers(stats: Stats | None, side: str, model: str, kind: str = "call") -> dict[str, Any]:
    """Return the numbers of a model; a bus counts updates among its connections."""
    if stats is None:
        return {}
    states = stats["states"][side] if kind.endswith("update") else {}
    numbers: dict[str, Any] = states.get(model) or stats["connections"][side].get(model) or {}
    return numbers
