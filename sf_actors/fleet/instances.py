"""The instances of a planned fleet, as what runs them needs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sf_actors.fleet.course import Member
from sf_actors.fleet.task import Task

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sf_actors.fleet.fleet import FleetService
    from sf_actors.fleet.plan import Plan


def instances_of(plan: Plan) -> Iterator[tuple[Member, Task]]:
    """Give the instances of a fleet, in the order of its file."""
    for service in plan.fleet.services:
        for name in service.instance_names:
            yield member_of(service, name), task_of(plan, service, name)


def member_of(service: FleetService, name: str) -> Member:
    """Return the rules of an instance."""
    return Member(
        name=name,
        service=service.name,
        after=service.after,
        restart=service.restart,
        ends_fleet=service.ends_fleet,
        is_main=service.main,
        stop_timeout_s=service.stop_timeout_s,
    )


def task_of(plan: Plan, service: FleetService, name: str) -> Task:
    """Return what an instance is to run."""
    number = name.partition("#")[2]
    return Task(
        name=name,
        service=service,
        number=int(number or 1) if plan.outlines[service.name].takes_instance else None,
        addresses=plan.addresses[name],
        keys=plan.fleet.keys_of(service.name),
    )
