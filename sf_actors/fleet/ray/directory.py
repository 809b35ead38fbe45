"""Where peers are bound, as one instance knows it, and the addresses that follow from that.

Only data. If two actors claim to be the same instance, the one that started later counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sf_actors.fleet.addresses import addresses_of
from sf_actors.sockets.endpoint import parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from sf_actors.fleet.addresses import Bound
    from sf_actors.fleet.fleet import FleetService
    from sf_actors.fleet.links import Link
    from sf_actors.fleet.outlines import ServiceOutline

_ALL_HOSTS: Final = ("*", "0.0.0.0", "::")  # noqa: S104 - compared


@dataclass(frozen=True, kw_only=True)
class Part:
    """What the actor of an instance gets.

    :ivar name: of the instance
    :ivar folder: the fleet's folder, which the paths in `service` are below
    :ivar number: the instance's number for its config, as in `Task`
    :ivar links: the links of this service
    :ivar keys: the service's own keys by path; None for a fleet without keys
    """

    name: str
    service: FleetService
    folder: Path
    number: int | None
    outline: ServiceOutline
    links: tuple[Link, ...]
    keys: dict[str, bytes] | None = None


@dataclass(frozen=True)
class Spot:
    """Where an instance is.

    :ivar host: the address of its node
    :ivar bound: the addresses that it binds there
    :ivar since: the wall clock at its actor's start, in nanoseconds
    """

    service: str
    host: str
    bound: Bound
    since: int


class Directory:
    """The spots that one instance knows, including its own; one thread."""

    def __init__(self, part: Part) -> None:
        self._part = part
        self._spots: dict[str, Spot] = {}
        self.partners = frozenset(
            service
            for link in part.links
            for joint in link.joints
            for service in (joint.connector.service, joint.binder.service)
        ) - {part.service.name}

    @property
    def spots(self) -> dict[str, Spot]:
        """All known spots, by instance."""
        return dict(self._spots)

    def learn(self, name: str, spot: Spot) -> bool:
        """Note where an instance is; returns False if a later spot is known."""
        known = self._spots.get(name)
        if known is not None and known.since > spot.since:
            return False
        self._spots[name] = spot
        return True

    def replace(self, spots: Mapping[str, Spot]) -> None:
        """Replace the known instances; a later spot of one of them is kept."""
        old, self._spots = self._spots, {}
        for name in {*spots, self._part.name}:
            for known in (old.get(name), spots.get(name)):
                if known is not None:
                    self.learn(name, known)

    def addresses(self) -> dict[str, Any]:
        """Return the addresses of the instance, in the form of an addresses file."""
        bound: dict[str, dict[str, Bound]] = {}
        for name in sorted(self._spots, key=_order):
            spot = self._spots[name]
            bound.setdefault(spot.service, {})[name] = spot.bound
        part = self._part
        return addresses_of(
            part.service, part.outline, part.name, part.links, bound, reach=self._reach
        )

    def lacking(self) -> list[str]:
        """Return the services that it connects to, and of which no instance is known."""
        wanted = {
            joint.binder.service
            for link in self._part.links
            for joint in link.joints
            if joint.connector.service == self._part.service.name
        }
        return sorted(wanted - {spot.service for spot in self._spots.values()})

    def _reach(self, instance: str, address: str) -> str:
        return reachable(address, self._spots[instance].host)


def reachable(address: str, host: str) -> str:
    """Return the address to connect to for one that is bound on a node."""
    endpoint = parse(address, where="bind")
    if endpoint.scheme == "tcp" and endpoint.host in _ALL_HOSTS:
        return f"tcp://{host}:{endpoint.port}"
    return address


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, str, str, Any]]:
    """Return the arguments of `Service.connect` for each change: kind, side, model, addresses.

    A model without any address left keeps its connections.
    """
    return [
        (kind, side, model, address)
        for kind, sides in new.items()
        for side, models in sides.items()
        for model, address in models.items()
        if address != old.get(kind, {}).get(side, {}).get(model)
    ]


def links_of(service: str, links: Iterable[Link]) -> tuple[Link, ...]:
    """Return the links in which a service takes part."""
    return tuple(
        link
        for link in links
        if any(service in (one.connector.service, one.binder.service) for one in link.joints)
    )


def _order(name: str) -> tuple[str, int]:
    service, _, number = name.partition("#")
    return service, int(number or 0)
