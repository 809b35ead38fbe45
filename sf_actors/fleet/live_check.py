"""Compares the files of a fleet with its running services, and finds what a restart would break.

For each running service in turn, the check takes that service from its file and all others as their
inspectors describe them.
"""

from __future__ import annotations

import os
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from sf_actors.errors import TargetError
from sf_actors.fleet.checks.fields import mismatches
from sf_actors.fleet.findings import Finding
from sf_actors.fleet.linking import link
from sf_actors.fleet.outlines import FAMILIES, ModelOutline, ServiceOutline
from sf_actors.fleet.reading import read_services
from sf_actors.inspection.client import InspectorClient
from sf_actors.inspection.graph.running import read_infos
from sf_actors.inspection.inspectors import inspectors_here
from sf_actors.inspection.messages import messages_of_fields

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from sf_actors.fleet.fleet import Fleet, FleetService
    from sf_actors.fleet.linking import Linked

Info = dict[str, Any]


def check_live(
    fleet: Fleet, infos: Sequence[Info], *, pids: Collection[int] | None
) -> tuple[Finding, ...]:
    """Return what would break.

    :param infos: the `info` of all services on this machine
    :param pids: the processes of the fleet's `up`; None if it does not run
    :raises TargetError: nothing of the fleet runs
    """
    running = running_outlines(fleet, infos, pids=pids)
    if not running:
        raise TargetError(f"{fleet.path}: nothing of this fleet runs")
    read = read_services(fleet)
    findings = [one for one in read.findings if one.service in running]
    was = link(fleet, running)
    for name in running:
        new = read.outlines.get(name)
        if new is not None and not new.is_bus:
            now = {**running, name: new}
            findings += _breaks(name, was, link(fleet, now), now)
    return tuple(findings)


def what_breaks(fleet: Fleet, pids: Collection[int], *, timeout_s: float) -> list[Finding]:
    """Ask the inspectors of a fleet's processes, and return the errors of `check_live`; any thread.

    :param pids: of the fleet: another fleet may have services of the same names
    :param timeout_s: how long an inspector may take to answer, in seconds
    """
    with InspectorClient() as client:
        ours = [one for one in inspectors_here() if one.pid in pids]
        infos = read_infos(client, ours, timeout_s)
    try:
        found = check_live(fleet, [info for some in infos.values() for info in some], pids=pids)
    except TargetError:
        # nothing runs, so nothing can break
        return []
    return [one for one in found if one.is_error]


def running_outlines(
    fleet: Fleet, infos: Sequence[Info], *, pids: Collection[int] | None
) -> dict[str, ServiceOutline]:
    """Return the running services of a fleet, as their inspectors describe them.

    If instances differ during a rolling restart, the first one by name counts.
    """
    found: dict[str, ServiceOutline] = {}
    for info in sorted(infos, key=lambda one: (one["service"], one["pid"])):
        service = _by_file(fleet, info) if pids is None else _by_process(fleet, info, pids)
        if service is not None and service.name not in found:
            models = tuple(_models_of(service.name, info))
            found[service.name] = ServiceOutline(service.name, models, is_bus=service.is_bus)
    return {name: found[name] for name in fleet.by_name if name in found}


def _by_process(fleet: Fleet, info: Info, pids: Collection[int]) -> FleetService | None:
    name = info["service"].partition("#")[0]
    return fleet.by_name.get(name) if info["pid"] in pids else None


def _by_file(fleet: Fleet, info: Info) -> FleetService | None:
    """Return the service with the file of a running one; of several, the one with its name."""
    file = None if info["file"] is None else os.path.realpath(info["file"])
    fit = {
        service.name: service
        for service in fleet.services
        if service.file is not None and os.path.realpath(service.file) == file
    }
    name = info["service"].partition("#")[0]
    return fit.get(name) or (next(iter(fit.values())) if len(fit) == 1 else None)


def _models_of(service: str, info: Info) -> Iterator[ModelOutline]:
    for kind, sides in info["models"].items():
        for side, models in sides.items():
            for name, model in models.items():
                # an older version of the package reports less
                if model["type"] not in FAMILIES or "sockets" not in model:
                    continue
                is_at_bus = model["at_bus"]
                yield ModelOutline(
                    *(service, kind, side, name, model["type"]),
                    model["sockets"],
                    {
                        "topic": model["topic"],
                        "is_x_pub" if side == "out" else "is_x_sub": is_at_bus,
                    },
                    messages_of_fields(
                        model["type"],
                        deepcopy(model["arguments"]),
                        deepcopy(model["return_arguments"]),
                        refuses=model["unknown_fields"] == "refuse",
                        is_single=model["is_single"],
                    ),
                    at=f"{service} (runs, pid {info['pid']})",
                )


def _breaks(
    name: str, was: Linked, now: Linked, outlines: Mapping[str, ServiceOutline]
) -> Iterator[Finding]:
    """Yield what breaks for the others if one service is replaced."""
    met = {(str(pair.sender), str(pair.receiver)) for pair in now.pairs}
    for pair in was.pairs:
        ends = (str(pair.sender), str(pair.receiver))
        sides = {pair.sender.service: pair.sender, pair.receiver.service: pair.receiver}
        if name not in sides or ends in met:
            continue
        old = sides.pop(name)
        (other,) = sides.values()
        new = outlines[name].by_key.get(old.key)
        if new is None:
            message = f"expected {old}, a {old.type}, which {other} is joined to, got none"
            yield Finding("E101", other.service, other.name, message, other.at)
        else:
            message = f"expected {old} to meet {other} as it does now, got one that does not"
            yield Finding("E202", other.service, other.name, message, other.at, new.at)
    yield from mismatches(
        pair for pair in now.pairs if name in (pair.sender.service, pair.receiver.service)
    )
