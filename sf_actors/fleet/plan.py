"""The plan of a fleet: its services, instances, links and addresses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sf_actors.fleet.addresses import addresses_of, bound_in_order

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sf_actors.fleet.addresses import Bound, Choose
    from sf_actors.fleet.fleet import Fleet
    from sf_actors.fleet.linking import Linked
    from sf_actors.fleet.links import Link
    from sf_actors.fleet.outlines import ServiceOutline


@dataclass(frozen=True, eq=False)
class Plan:
    """A fleet, ready to be started.

    :ivar bound: by service and instance: the addresses that it binds
    :ivar addresses: by instance, in the form of an addresses file
    """

    fleet: Fleet
    outlines: Mapping[str, ServiceOutline]
    links: tuple[Link, ...]
    bound: Mapping[str, Mapping[str, Bound]] = field(repr=False)
    addresses: Mapping[str, dict[str, Any]] = field(repr=False)

    def as_dict(self) -> dict[str, Any]:
        """Return the form that `plan --json` prints."""
        return {
            "services": [
                {
                    "name": service.name,
                    "file": None if service.file is None else str(service.file),
                    "instances": list(service.instance_names),
                    "host": service.host,
                    "after": list(service.after),
                }
                for service in self.fleet.services
            ],
            "links": [link.as_dict() for link in self.links],
            "addresses": dict(self.addresses),
        }


def plan_of(
    fleet: Fleet,
    outlines: Mapping[str, ServiceOutline],
    linked: Linked,
    choose: Choose,
) -> Plan:
    """Return the plan of a fleet.

    :param outlines: of all its services
    :param choose: chooses the address of a socket that binds, if the file has none
    """
    bound = bound_in_order(fleet, outlines, choose)
    addresses = {
        instance: addresses_of(service, outlines[service.name], instance, linked.links, bound)
        for service in fleet.services
        for instance in service.instance_names
    }
    return Plan(fleet, outlines, linked.links, bound, addresses)
