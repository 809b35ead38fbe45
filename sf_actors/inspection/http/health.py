"""The conditions of the two probes: must the process be restarted, and can it take work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sf_actors.errors import UsageError
from sf_actors.inspection.numbers import numbers_of
from sf_actors.inspection.running import running_in
from sf_actors.lifecycle.loading import Loading
from sf_actors.lifecycle.residents import RESIDENTS
from sf_actors.replication.status import Phase
from sf_actors.sockets.peers import KernelTables
from sf_actors.wording import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sf_actors.lifecycle.residents import Resident

#: User code that may run for any time.
_NO_HANDLERS: Final = ("main", "init_function", Loading.label)


def reason_not_live(stuck_after_s: float) -> str | None:
    """Return why the process should be restarted, None if it should not; any thread.

    :param stuck_after_s: how long a handler may run, in seconds; 0: for ever
    """
    for name, failure in list(RESIDENTS.failures.items()):
        return f"{name} failed: {failure}"
    if stuck_after_s:
        for resident in RESIDENTS.all:
            for call in running_in(resident, stuck_after_s):
                if call["model"] not in _NO_HANDLERS:
                    at = f" at {call['at']}" if call["at"] else ""
                    return (
                        f"{resident.name}: {call['model']} has run for {call['since_s']:.0f} s{at}"
                    )
    return None


def readiness(needs: Iterable[str]) -> dict[str, Any]:
    """Return the answer of `/readyz`: can the services of this process take work; any thread.

    Other services matter only through `needs`; otherwise one slow service would make all not ready.

    :param needs: in-states that must be LIVE, as `STATE` or `SERVICE/STATE`
    """
    services: dict[str, str] = {}
    states: dict[str, dict[str, Any]] = {}
    absent: list[str] = []
    stopping: list[str] = []
    tables = KernelTables()
    for resident in RESIDENTS.all:
        stats = numbers_of(resident, tables)
        services[resident.name] = stats["phase"]
        if resident.state is not None and resident.state.stop_begun.is_set():
            stopping.append(resident.name)
        for name, numbers in stats["states"]["in"].items():
            status = numbers["status"]
            states[f"{resident.name}/{name}"] = {key: status[key] for key in ("phase", "age_s")}
        absent += [f"{resident.name}/{name}" for name in _absent(resident, stats)]
    reason = _reason_not_ready(services, stopping) or _reason_not_live(states, needs)
    return {
        "ready": reason is None,
        "reason": reason,
        "services": services,
        "states": states,
        "absent": absent,
    }


def require_states(resident: Resident, needs: Iterable[str]) -> None:
    """Refuse `needs` that name an in-state which a loaded service lacks.

    :raises UsageError: it lacks one
    """
    if resident.state is None:
        return
    names = [model.name for model in resident.state.definition.models if model.kind == "states"]
    names = [
        name for name in names if ("states", "in", name) in resident.state.definition.addresses
    ]
    for need in needs:
        service, _, name = need.rpartition("/")
        if name not in names or service not in {"", resident.name}:
            full = [f"{resident.name}/{one}" for one in names]
            known = f"; there are {', '.join(names)}" if names else "; there are none"
            hint = nearest(need, [*names, *full]) or known
            raise UsageError(f"--ready-needs: expected an in-state, got {need!r}{hint}")


def _absent(resident: Resident, stats: dict[str, Any]) -> Iterator[str]:
    """Yield the models whose peer is known not to answer."""
    if resident.state is None:
        return
    for model in resident.state.definition.models:
        numbers = stats[model.kind][model.side].get(model.name, {})
        if model.type == "subscriber" and not any(model.binds.values()):
            if numbers.get("peers") == 0:
                yield model.name
        elif model.kind == "states" and model.side == "in":
            status = numbers.get("status", {})
            if status.get("age_s") is None or status.get("phase") == Phase.STALE:
                yield model.name


def _reason_not_ready(services: dict[str, str], stopping: list[str]) -> str | None:
    if not services:
        return "no service runs"
    for name, phase in services.items():
        if phase != "READY":
            return f"{name} is {phase}"
        if name in stopping:
            return f"{name} is STOPPING"
    return None


def _reason_not_live(states: dict[str, dict[str, Any]], needs: Iterable[str]) -> str | None:
    for need in needs:
        named = [one for one in states if need in {one, one.partition("/")[2]}]
        if not named:
            return f"no service has the in-state {need}"
        for one in named:
            if states[one]["phase"] != Phase.LIVE:
                return f"{one} is {states[one]['phase']}"
    return None
