"""The addresses of a fleet's instances: a binder's own, and those that a connector is joined to.

Only data goes in and comes out: what chooses a new address for a binder is given.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sf_actors.fleet.meeting import entry_of
from sf_actors.fleet.outlines import XPUB, XSUB
from sf_actors.sockets.endpoint import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from sf_actors.fleet.fleet import Fleet, FleetService
    from sf_actors.fleet.joints import End, Link
    from sf_actors.fleet.outlines import ModelOutline, ServiceOutline

    #: kind, side, model and socket
    Place = tuple[str, str, str, str]
    #: what an instance binds
    Bound = dict[Place, str]
    #: chooses the address of a socket that an instance binds, a new one each time
    Choose = Callable[[str, Place], str]
    #: by which address an instance is reached that binds one
    Reach = Callable[[str, str], str]

_ALL_HOSTS: Final = {"*": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - compared


@dataclass(frozen=True)
class Numbered:
    """Chooses addresses that are numbered in order, in one folder or under one name.

    :ivar prefix: `ipc://DIR/<8 hex>/` or `inproc://<8 hex>/`
    """

    prefix: str
    numbers: Iterator[int]

    def __call__(self, _instance: str, _socket: Place) -> str:
        """Return the next address."""
        return f"{self.prefix}{next(self.numbers)}"


def ipc_addresses(fleet: Fleet, folder: Path, numbers: Iterator[int] | None = None) -> Numbered:
    """Return what chooses ipc addresses for a fleet.

    :param folder: of the sockets of this user (`sf_actors.inspection.folder`)
    """
    return Numbered(f"ipc://{folder}/{fleet.mark}/", numbers or itertools.count())


def inproc_addresses(fleet: Fleet, numbers: Iterator[int] | None = None) -> Numbered:
    """Return what chooses addresses for a fleet that runs in one process."""
    return Numbered(f"inproc://{fleet.mark}/", numbers or itertools.count())


def bound_by(
    service: FleetService,
    outline: ServiceOutline,
    instance: str,
    choose: Choose,
) -> Bound:
    """Return the addresses that one instance of a service binds, new ones but for its `bind`."""
    found: Bound = {}
    for key, given in _binders(service, outline):
        found[key] = given if given is not None else choose(instance, key)
    return found


def addresses_of(
    service: FleetService,
    outline: ServiceOutline,
    instance: str,
    links: Iterable[Link],
    bound: Mapping[str, Mapping[str, Bound]],
    *,
    reach: Reach | None = None,
) -> dict[str, Any]:
    """Return the addresses of one instance, in the shape of an addresses file.

    A connector that is joined to nobody, or to a service that has no instance now, is left out.

    :param links: of the fleet
    :param bound: by service and instance: what each one that there is now binds
    :param reach: as of `connected_to`
    """
    found = _empty()
    if service.is_bus:
        for (kind, side, _, socket), address in bound[service.name][instance].items():
            found[kind][side][socket] = address
        return found
    for model in outline.models:
        sockets: dict[str, Any] = {}
        outside = entry_of(service.connect, model)
        for socket, is_binder in model.binds.items():
            if is_binder:
                key = (*model.key, socket)
                sockets[socket] = bound[service.name][instance].get(key)
            elif outside is not None:
                sockets[socket] = outside.get(socket) if isinstance(outside, dict) else outside
            else:
                several = connected_to(model, socket, links, bound, reach=reach)
                sockets[socket] = several[0] if len(several) == 1 else several or None
        given = {socket: address for socket, address in sockets.items() if address is not None}
        if given:
            found[model.kind][model.side][model.name] = given
    return found


def connected_to(
    model: ModelOutline,
    socket: str,
    links: Iterable[Link],
    bound: Mapping[str, Mapping[str, Bound]],
    *,
    reach: Reach | None = None,
) -> list[str]:
    """Return the addresses that a socket of a model connects to, of all instances, in order.

    :param reach: by which address an instance is reached that binds one; None: on this machine
    """
    mine = (model.service, *model.key, socket)
    found: list[str] = []
    for link in links:
        for joint in link.joints:
            if _place(joint.connector) == mine:
                binder = joint.binder
                key = (binder.kind, binder.side, binder.model, binder.socket)
                found += [
                    connectable(one[key]) if reach is None else reach(instance, one[key])
                    for instance, one in bound.get(binder.service, {}).items()
                    if key in one
                ]
    return list(dict.fromkeys(found))


def connectable(address: str) -> str:
    """Return an address to connect to for one that is bound: this machine's for all hosts."""
    endpoint = parse(address, where="bind")
    if endpoint.scheme == "tcp" and endpoint.host in _ALL_HOSTS:
        return f"{_ALL_HOSTS[endpoint.host]}:{endpoint.port}"
    return address


def bound_in_order(
    fleet: Fleet,
    outlines: Mapping[str, ServiceOutline],
    choose: Choose,
    names: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, dict[str, Bound]]:
    """Return what all instances bind, by service and instance, in the order of the file.

    :param names: the instances by service; None: those of the file
    """
    return {
        service.name: {
            instance: bound_by(service, outlines[service.name], instance, choose)
            for instance in (service.instance_names if names is None else names[service.name])
        }
        for service in fleet.services
        if service.name in outlines
    }


def _binders(service: FleetService, outline: ServiceOutline) -> Iterator[tuple[Place, str | None]]:
    """Give the sockets that bind, and the addresses that the file has for them."""
    if service.is_bus:
        for name in (XSUB, XPUB):
            yield ("connections", "in", name, name), service.bind.get(name)
    for model in outline.models:
        given = entry_of(service.bind, model)
        for socket, is_binder in model.binds.items():
            if is_binder:
                one = given.get(socket) if isinstance(given, dict) else given
                yield (*model.key, socket), one  # type: ignore[misc]


def _place(end: End) -> tuple[str, str, str, str, str]:
    return end.service, end.kind, end.side, end.model, end.socket


def _empty() -> dict[str, dict[str, dict[str, Any]]]:
    return {kind: {"in": {}, "out": {}} for kind in ("connections", "states")}
