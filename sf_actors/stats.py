"""`Service.stats()`: the numbers of a run as plain dicts and numbers, ready for JSON."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from sf_actors.actors.descriptors import look_for_descriptors

if TYPE_CHECKING:
    from sf_actors.runtime import Run


def stats_before(name: str) -> dict[str, Any]:
    """Return the numbers of a service that has not run yet."""
    return {
        "service": name,
        "phase": "NOT_STARTED",
        "uptime_s": 0.0,
        "router": {"queued": 0, "handled": 0, "failed": 0, "restarts": 0},
        "connections": {"in": {}, "out": {}},
        "states": {"in": {}, "out": {}},
    }


def stats_of(run: Run) -> dict[str, Any]:
    """Return the numbers of a run, which may be over; any thread."""
    world = run.world
    if run.ended_at is None:
        with world.scope.entered():
            look_for_descriptors(world.log)
    shown = stats_before(world.name)
    shown["phase"] = str(run.phase)
    ended_at = run.ended_at
    shown["uptime_s"] = (monotonic() if ended_at is None else ended_at) - run.started_at
    shown["router"] = {
        "queued": world.turn.queued,
        "handled": world.turn.handled,
        "failed": world.turn.failed,
        "restarts": run.router_restarts,
    }
    for (kind, side, name), counters in list(run.assembly.counters.items()):
        numbers = counters.as_dict()
        listener = run.listeners.get((kind, side, name))
        if listener is not None:
            # when the run is over another socket may have the address
            numbers["peers"] = listener.peers() if ended_at is None else 0
        if kind == "states" and side == "in":
            numbers["status"] = world.states.status(name).as_dict()
        shown[kind][side][name] = numbers
    return shown
