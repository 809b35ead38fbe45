"""`Service.stats()`: the numbers of a run as plain dicts and numbers, ready for JSON."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from sf_actors.sockets.descriptors import look_for_descriptors
from sf_actors.sockets.peers import KernelTables

if TYPE_CHECKING:
    from sf_actors.lifecycle.run_state import RunState


def stats_before(name: str, *, is_loading: bool = False) -> dict[str, Any]:
    """Return the numbers of a service that has not run yet, or whose file is being loaded."""
    return {
        "service": name,
        "phase": "STARTING" if is_loading else "NOT_STARTED",
        "uptime_s": 0.0,
        "router": {"queued": 0, "handled": 0, "failed": 0, "restarts": 0},
        "connections": {"in": {}, "out": {}},
        "states": {"in": {}, "out": {}},
    }


def stats_of(state: RunState, tables: KernelTables | None = None) -> dict[str, Any]:
    """Return the numbers of a current or ended run; any thread.

    :param tables: the kernel's tables, to share between several runs
    """
    tables = tables or KernelTables()
    run_context = state.run_context
    if state.ended_at is None:
        with run_context.scope.entered():
            look_for_descriptors(run_context.log)
    whole = stats_before(run_context.name)
    whole["phase"] = str(state.phase)
    ended_at = state.ended_at
    whole["uptime_s"] = (monotonic() if ended_at is None else ended_at) - state.started_at
    whole["router"] = {
        "queued": run_context.handler_lock.queued,
        "handled": run_context.handler_lock.handled,
        "failed": run_context.handler_lock.failed,
        "restarts": state.router_restarts,
    }
    for (kind, side, name), counters in list(state.assembly.counters.items()):
        numbers = counters.as_dict()
        listener = state.listeners.get((kind, side, name))
        if listener is not None:
            # after the run, another socket may have the address
            numbers["peers"] = listener.peers(tables) if ended_at is None else 0
        if kind == "states" and side == "in":
            numbers["status"] = run_context.states.status(name).as_dict()
        whole[kind][side][name] = numbers
    return whole
