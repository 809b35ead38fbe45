"""Computes the addresses of a fleet's instances: those they bind, and those they connect to.

Pure functions of data; the caller passes a function that chooses addresses to bind.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sf_actors.fleet.matching import entry_of
from sf_actors.fleet.outlines import XPUB, XSUB
from sf_actors.sockets.endpoint import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from sf_actors.fleet.fleet import Fleet, FleetService
    from sf_actors.fleet.links import End, Link
    from sf_actors.fleet.outlines import ModelOutline, ServiceOutline

    #: kind, side, model and socket
    SocketKey = tuple[str, str, str, str]
    #: the addresses that an instance binds
    Bound = dict[SocketKey, str]
    #: chooses an address for a socket of an instance to bind
    Choose = Callable[[str, SocketKey], str]
    #: takes an instance and the address that it binds; returns the address to connect to
    Reach = Callable[[str, str], str]

_ALL_HOSTS: Final = {"*": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - compared


@dataclass(frozen=True)
class Numbered:
    """Chooses consecutively numbered addresses, in one folder or under one name.

    :ivar prefix: `ipc://DIR/<8 hex>/` or `inproc://<8 hex>/`
    """

    prefix: str
    numbers: Iterator[int]

    def __call__(self, _instance: str, _socket: SocketKey) -> str:
        """Return the next address."""
        return f"{self.prefix}{next(self.numbers)}"


def ipc_addresses(fleet: Fleet, folder: Path, numbers: Iterator[int] | None = None) -> Numbered:
    """Return a function that chooses ipc addresses for a fleet.

    :param folder: the folder for the user's sockets (`sf_actors.inspection.folder`)
    """
    return Numbered(f"ipc://{folder}/{fleet.mark}/", numbers or itertools.count())


def inproc_addresses(fleet: Fleet, numbers: Iterator[int] | None = None) -> Numbered:
    """Return a function that chooses addresses for a fleet that runs in one process."""
    return Numbered(f"inproc://{fleet.mark}/", numbers or itertools.count())


def bound_by(
    service: FleetService,
    outline: ServiceOutline,
    instance: str,
    choose: Choose,
) -> Bound:
    """Return the addresses that one instance binds: those of `bind`, the others from `choose`."""
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
    """Return the addresses of one instance, in the form of an addresses file.

    A model that connects is left out if it has no link, or if its partner has no instance now.

    :param links: the links of the fleet
    :param bound: the addresses that each present instance binds, by service and instance
    :param reach: as in `connected_to`
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
    """Return the addresses that a socket of a model connects to, in the order of the instances.

    :param reach: turns a bound address into one to connect to; None: all are on this machine
    """
    mine = (model.service, *model.key, socket)
    found: list[str] = []
    for link in links:
        for joint in link.joints:
            if _key_of(joint.connector) == mine:
                binder = joint.binder
                key = (binder.kind, binder.side, binder.model, binder.socket)
                found += [
                    connectable(one[key]) if reach is None else reach(instance, one[key])
                    for instance, one in bound.get(binder.service, {}).items()
                    if key in one
                ]
    return list(dict.fromkeys(found))


def connectable(address: str) -> str:
    """Return the address to connect to for a bound one; all hosts become this machine's."""
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
    """Return the addresses that all instances bind, by service and instance, in the file's order.

    :param names: the instances by service; None: as in the file
    """
    return {
        service.name: {
            instance: bound_by(service, outlines[service.name], instance, choose)
            for instance in (service.instance_names if names is None else names[service.name])
        }
        for service in fleet.services
        if service.name in outlines
    }


def _binders(
    service: FleetService, outline: ServiceOutline
) -> Iterator[tuple[SocketKey, str | None]]:
    """Yield the sockets that bind, each with its address in the file, if any."""
    if service.is_bus:
        for name in (XSUB, XPUB):
            yield ("connections", "in", name, name), service.bind.get(name)
    for model in outline.models:
        given = entry_of(service.bind, model)
        for socket, is_binder in model.binds.items():
            if is_binder:
                one = given.get(socket) if isinstance(given, dict) else given
                yield (*model.key, socket), one  # type: ignore[misc]


def _key_of(end: End) -> tuple[str, str, str, str, str]:
    return end.service, end.kind, end.side, end.model, end.socket


def _empty() -> dict[str, dict[str, dict[str, Any]]]:
    return {kind: {"in": {}, "out": {}} for kind in ("connections", "states")}
