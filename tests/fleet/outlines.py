"""Fleets and outlines made by hand, for tests of what is pure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sf_actors.fleet.fleet import Fleet, FleetService, Partner
from sf_actors.fleet.outlines import ModelOutline, ServiceOutline

if TYPE_CHECKING:
    from collections.abc import Mapping

_SOCKETS = {
    "replyer": {"replyer": True},
    "requester": {"requester": False},
    "publisher": {"publisher": True},
    "subscriber": {"subscriber": False},
    "delta_update_out": {"publisher": True, "replyer": True},
    "delta_update_in": {"subscriber": False, "requester": False},
    "full_update_out": {"publisher": True},
    "full_update_in": {"subscriber": False},
}
_SIDES = {"replyer": "in", "requester": "out", "publisher": "out", "subscriber": "in"}


def model(service: str, name: str, type_: str, **creation: Any) -> ModelOutline:
    """Return a model; `asks=` its handler's."""
    binds = dict(_SOCKETS[type_])
    if creation.get("is_x_pub"):
        binds["publisher"] = False
    if creation.get("is_binder"):
        binds["subscriber"] = True
    kind = "connections" if type_ in _SIDES else "states"
    side = _SIDES.get(type_) or type_.rpartition("_")[2]
    asks = creation.pop("asks", ())
    return ModelOutline(
        service, kind, side, name, type_, binds, creation, {}, asks, f"{service}.py:{len(name)}"
    )


def outline(name: str, *models: ModelOutline) -> ServiceOutline:
    """Return what a service has."""
    return ServiceOutline(name, models)


def service(name: str, **keys: Any) -> FleetService:
    """Return a service of a fleet; links as texts."""
    links = {
        key: tuple(partner(text) for text in ([given] if isinstance(given, str) else given))
        for key, given in keys.pop("links", {}).items()
    }
    file = None if keys.get("is_bus") else Path(f"/fleet/{name}.py")
    return FleetService(name=name, file=file, links=links, **keys)


def partner(text: str) -> Partner:
    """Return what a text of `links` names."""
    name, *rest = text.split("/")
    if len(rest) == 2:
        return Partner(name, rest[1], rest[0])
    return Partner(name, rest[0] if rest else None)


def fleet(*services: FleetService, **keys: Any) -> Fleet:
    """Return a fleet."""
    return Fleet(
        name="fleet",
        path=Path("/fleet/fleet.toml"),
        folder=Path("/fleet"),
        services=services,
        **keys,
    )


def named(*outlines: ServiceOutline) -> Mapping[str, ServiceOutline]:
    """Return outlines by their names."""
    return {one.name: one for one in outlines}
