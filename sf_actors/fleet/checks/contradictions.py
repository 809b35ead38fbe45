"""E105: contradictions in a fleet file, or between it and the services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sf_actors.fleet.findings import Finding
from sf_actors.fleet.matching import entry_of
from sf_actors.fleet.outlines import XPUB, XSUB, named_by
from sf_actors.wording import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sf_actors.fleet.fleet import Fleet, FleetService
    from sf_actors.fleet.outlines import ModelOutline, ServiceOutline


def contradictions(fleet: Fleet, outlines: Mapping[str, ServiceOutline]) -> Iterator[Finding]:
    """Yield the contradictions of a fleet; `linking.py` checks the partners in `links`."""
    for service in fleet.services:
        yield from _unknown_after(fleet, service)
    yield from _circles(fleet)
    for service in fleet.services:
        outline = outlines.get(service.name)
        if service.is_bus:
            yield from _of_a_bus(fleet, service)
        elif outline is not None:
            yield from _of_names(fleet, service, outline)
            yield from _of_instances(fleet, service, outline)


def _unknown_after(fleet: Fleet, service: FleetService) -> Iterator[Finding]:
    for name in service.after:
        if name not in fleet.by_name:
            hint = nearest(name, fleet.by_name)
            yield _finding(fleet, service, "after", f"expected a service, got {name!r}{hint}")


def _circles(fleet: Fleet) -> Iterator[Finding]:
    """Yield the cycles of `after`, of those that share a service the first.

    Each service is gone through once: a staged fleet has far more paths than services.
    """
    done: set[str] = set()
    told: set[str] = set()
    for first in fleet.by_name:
        path: dict[str, Iterator[str]] = {}
        name = first
        while True:
            if name in path:
                names = list(path)
                circle = names[names.index(name) :]
                if not told & set(circle):
                    told |= set(circle)
                    listed = " after ".join([*circle, name])
                    yield _finding(
                        fleet,
                        fleet.by_name[circle[0]],
                        "after",
                        f"expected an order, got a circle: {listed}",
                    )
            elif name in fleet.by_name and name not in done:
                path[name] = iter(fleet.by_name[name].after)
            following = _following(path, done)
            if following is None:
                break
            name = following


def _following(path: dict[str, Iterator[str]], done: set[str]) -> str | None:
    """Return the next service that the last of a path is after, and leave those without one."""
    while path:
        last = next(reversed(path))
        for name in path[last]:
            return name
        done.add(last)
        del path[last]
    return None


def _of_a_bus(fleet: Fleet, service: FleetService) -> Iterator[Finding]:
    if service.instances is not None and service.instances > 1:
        yield _finding(fleet, service, "instances", "a bus has one instance")
    for name, given in service.bind.items():
        if name not in (XSUB, XPUB) or not isinstance(given, str):
            yield _finding(
                fleet,
                service,
                "bind",
                f"expected an address of {XSUB!r} or {XPUB!r}, got {name!r}",
            )


def _of_instances(
    fleet: Fleet, service: FleetService, outline: ServiceOutline
) -> Iterator[Finding]:
    if service.instances is None or service.instances == 1:
        return
    for model in outline.models:
        if model.kind == "states" and model.side == "out":
            yield _finding(
                fleet,
                service,
                "instances",
                f"a service with an out-state has one instance, and {model.name!r} is one",
                model=model.name,
                other_at=model.at,
            )
    if service.bind:
        names = ", ".join(map(repr, service.bind))
        yield _finding(
            fleet, service, "instances", f"a service with bind has one instance, got {names}"
        )


def _of_names(fleet: Fleet, service: FleetService, outline: ServiceOutline) -> Iterator[Finding]:
    """Yield entries of `links`, `bind` and `connect` for missing or unfit models."""
    tables: tuple[tuple[str, Mapping[str, Any], bool], ...] = (
        ("links", service.links, False),
        ("bind", service.bind, True),
        ("connect", service.connect, False),
    )
    for table, entries, binds in tables:
        for key, given in entries.items():
            fit = [model for model in named_by(outline.models, key) if _has(model, binds=binds)]
            problem = _problem(outline.models, key, fit, binds=binds)
            if problem is None and isinstance(given, dict):
                problem = _of_sockets(fit[0], given, binds=binds, needs_all=table == "connect")
            elif problem is None and table != "links":
                problem = _of_several(fit[0], given, binds=binds)
            if problem is not None:
                yield _finding(fleet, service, table, problem, model=key)
    for model in outline.models:
        if entry_of(service.links, model) and entry_of(service.connect, model):
            problem = "expected links or connect, got both"
            yield _finding(fleet, service, "connect", problem, model=model.name)


def _problem(
    models: tuple[ModelOutline, ...], key: str, fit: list[ModelOutline], *, binds: bool
) -> str | None:
    does = "binds" if binds else "connects"
    if not fit:
        there = named_by(models, key)
        if there:
            other = "connects" if binds else "binds"
            return f"expected a model that {does}, got {key!r}, a {there[0].type}, which {other}"
        names = [model.name for model in models if _has(model, binds=binds)]
        return f"expected a model that {does}, got {key!r}{nearest(key, names) or _listed(names)}"
    if len({model.kind for model in fit}) > 1:
        return f"{key!r} is a connection and a state; write 'connections/{key}' or 'states/{key}'"
    return None


def _of_sockets(
    model: ModelOutline, given: Mapping[str, object], *, binds: bool, needs_all: bool
) -> str | None:
    sockets = _sockets(model, binds=binds)
    for socket in given:
        if socket not in sockets:
            return f"expected a socket ({', '.join(sockets)}), got {socket!r}"
    for socket in sockets if needs_all else ():
        if socket not in given:
            return (
                f"expected an address of each socket ({', '.join(sockets)}), got none of {socket!r}"
            )
    return None


def _of_several(model: ModelOutline, given: object, *, binds: bool) -> str | None:
    sockets = _sockets(model, binds=binds)
    if len(sockets) > 1:
        return f"expected a table of its sockets ({', '.join(sockets)}), got one address"
    if isinstance(given, list) and model.kind == "states":
        return "expected one address, got a list; a state follows one other"
    return None


def _has(model: ModelOutline, *, binds: bool) -> bool:
    return bool(_sockets(model, binds=binds))


def _sockets(model: ModelOutline, *, binds: bool) -> list[str]:
    return [socket for socket, is_binder in model.binds.items() if is_binder is binds]


def _listed(names: Iterable[str]) -> str:
    found = ", ".join(map(repr, sorted(set(names))))
    return f"; there are {found}" if found else "; there are none"


def _finding(
    fleet: Fleet,
    service: FleetService,
    key: str,
    message: str,
    *,
    model: str = "",
    other_at: str | None = None,
) -> Finding:
    at = fleet.place_of("services", service.name, key, *([model] if model else []))
    return Finding("E105", service.name, model, f"{key}: {message}", at, other_at)
