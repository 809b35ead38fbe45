"""The present arrangement of a fleet: its instances and their addresses.

Only data. It yields the tasks to run, and the new connections of the instances that keep running.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from msgspec.structs import asdict

from sf_actors.fleet.addresses import addresses_of, bound_in_order
from sf_actors.fleet.instance import Member
from sf_actors.fleet.task import Task

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sf_actors.fleet.addresses import Choose
    from sf_actors.fleet.check import Checked
    from sf_actors.fleet.fleet import Fleet, FleetService


class Addresses:
    """Chooses an address for each socket that binds, and remembers it.

    :param choose: chooses a new address at each call
    """

    def __init__(self, choose: Choose) -> None:
        self._choose = choose
        self._chosen: dict[tuple[str, tuple[str, str, str, str]], str] = {}
        self._old = self._chosen

    def __call__(self, instance: str, socket: tuple[str, str, str, str]) -> str:
        """Return the address of a socket of an instance."""
        key = instance, socket
        if key not in self._chosen:
            self._chosen[key] = self._choose(instance, socket)
        return self._chosen[key]

    def renew(self, instance: str) -> None:
        """Forget the addresses of an instance, so that its successor gets new ones."""
        self._old = dict(self._chosen)
        for key in [key for key in self._chosen if key[0] == instance]:
            del self._chosen[key]

    def is_outdated(self, instance: str) -> bool:  # noqa: ARG002 - never so on one machine
        """Return True if an instance cannot be restarted in its present place."""
        return False

    def undo(self) -> None:
        """Undo the last `renew`."""
        self._chosen = self._old


@dataclass(frozen=True, eq=False)
class Arrangement:
    """The instances of a fleet.

    :ivar counts: by service: the number of instances that a verb asked for, overriding the file
    """

    fleet: Fleet
    checked: Checked
    choose: Addresses
    counts: Mapping[str, int] = field(default_factory=dict)

    def scaled(self, service: str, count: int) -> Arrangement:
        """Return a copy with `count` instances of a service."""
        return replace(self, counts={**self.counts, service: count})

    def names(self) -> dict[str, tuple[str, ...]]:
        """Return the names of all instances by service."""
        return {
            service.name: service.names_of(self.counts.get(service.name, service.instances))
            for service in self.fleet.services
        }

    def instances(self) -> Iterator[tuple[Member, Task]]:
        """Yield the rules and the task of each instance, in the order of the file."""
        names, outlines = self.names(), self.checked.outlines
        bound = bound_in_order(self.fleet, outlines, self.choose, names)
        for service in self.fleet.services:
            for name in names[service.name]:
                number = name.partition("#")[2]
                yield (
                    member_of(service, name),
                    Task(
                        name=name,
                        service=service,
                        number=int(number or 1) if outlines[service.name].takes_instance else None,
                        addresses=addresses_of(
                            service,
                            outlines[service.name],
                            name,
                            self.checked.linked.links,
                            bound,
                        ),
                        keys=self.fleet.keys_of(service.name),
                    ),
                )

    def connections(self, was: Task, now: Task) -> list[tuple[str, str, str, Any]]:
        """Return the changed connections of a running instance: kind, side, model, addresses."""
        outline = self.checked.outlines.get(now.service.name)
        found = []
        for model in () if outline is None else outline.models:
            if any(model.binds.values()):
                continue
            kind, side, name = model.key
            new = now.addresses[kind][side].get(name)
            if new and new != was.addresses[kind][side].get(name):
                found.append((kind, side, name, new))
        return found

    def must_be_one(self, service: FleetService) -> str | None:
        """Return why a service must have one instance, or None."""
        if service.is_bus:
            return "a bus is one"
        if service.bind:
            return "it has bind in the file"
        outline = self.checked.outlines[service.name]
        if any(model.kind == "states" and model.side == "out" for model in outline.models):
            return "it has an out-state"
        if service.instances is None:
            return "the file has no instances for it"
        return None


def changes_between(old: Fleet, new: Fleet) -> list[str]:
    """Return the changes between two versions of a fleet, as texts."""
    found = [f"{name} is new" for name in new.by_name if name not in old.by_name]
    found += [f"{name} is gone" for name in old.by_name if name not in new.by_name]
    for name, service in new.by_name.items():
        was = old.by_name.get(name)
        if was is not None and was != service:
            keys = [key for key, value in asdict(service).items() if value != getattr(was, key)]
            found.append(f"{name} has changed: {', '.join(keys)}")
    return found


def member_of(service: FleetService, name: str) -> Member:
    """Return the rules of an instance, from its service."""
    return Member(
        name=name,
        service=service.name,
        after=service.after,
        restart=service.restart,
        ends_fleet=service.ends_fleet,
        is_main=service.main,
        stop_timeout_s=service.stop_timeout_s,
    )
