"""Checks a fleet before it starts: reads its services, links them, and collects findings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sf_actors.fleet.addresses import bound_by, ipc_addresses
from sf_actors.fleet.checks.addresses import Placed, misplaced, taken_now, too_long
from sf_actors.fleet.checks.contradictions import contradictions
from sf_actors.fleet.checks.fields import mismatches
from sf_actors.fleet.checks.modules import shared_modules
from sf_actors.fleet.checks.settings import unheard, unsafe
from sf_actors.fleet.checks.waiting import Waits
from sf_actors.fleet.findings import Finding
from sf_actors.fleet.linking import Linked, link
from sf_actors.fleet.reading import Read, read_services
from sf_actors.inspection.folder import VARIABLE, folder
from sf_actors.sockets.endpoint import parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sf_actors.fleet.fleet import Fleet
    from sf_actors.fleet.outlines import ModelOutline, ServiceOutline


@dataclass(frozen=True, eq=False)
class Checked:
    """The result of a check.

    :ivar outlines: of the services that could be read; all of them unless there is an E401
    :ivar findings: those that the fleet does not ignore
    """

    outlines: Mapping[str, ServiceOutline]
    linked: Linked
    findings: tuple[Finding, ...]

    @property
    def has_errors(self) -> bool:
        """True if there are errors, so that the fleet would not work."""
        return any(finding.is_error for finding in self.findings)


def check(fleet: Fleet, *, in_process: bool = False, with_ports: bool = False) -> Checked:
    """Check a fleet without starting it.

    :param in_process: check it as a fleet that runs in one process
    :param with_ports: also check that its ports are free on this machine now
    """
    read: Read = read_services(fleet)
    outlines = read.outlines
    linked = link(fleet, outlines)
    placed = placed_of(fleet)
    findings = [
        *read.findings,
        *contradictions(fleet, outlines),
        *linked.findings,
        *misplaced(placed, has_processes=not in_process, has_keys=fleet.keys is not None),
        *_unreachable(fleet, outlines, linked),
        *_of_the_folder(fleet, outlines, in_process=in_process),
        *between(fleet, outlines, linked),
        *unheard(fleet, outlines, linked),
    ]
    if in_process:
        findings += shared_modules(fleet)
    elif fleet.keys is not None:
        from sf_actors.fleet.checks.keys import refusing  # noqa: PLC0415 - imports ZeroMQ

        findings += refusing(fleet, outlines, linked.links, linked.outside)
    if with_ports:
        findings += taken_now(placed)
    return Checked(outlines, linked, tuple(_kept(fleet, findings)))


def between(
    fleet: Fleet, outlines: Mapping[str, ServiceOutline], linked: Linked
) -> Iterator[Finding]:
    """Yield the findings about linked models that do not fit each other."""
    waits = Waits(fleet, outlines, linked)
    yield from mismatches(linked.pairs)
    yield from waits.deadlocks()
    yield from waits.impatient()
    yield from unsafe(linked.pairs)


def placed_of(fleet: Fleet) -> list[Placed]:
    """Return the addresses that are written in a fleet's file."""
    found = []
    for service in fleet.services:
        tables = (("bind", service.bind, True), ("connect", service.connect, False))
        for table, entries, binds in tables:
            for key, given in entries.items():
                at = fleet.place_of("services", service.name, table, key)
                name = key.rpartition("/")[2]
                found += [
                    Placed(service.name, name, text, binds, at, service.host)
                    for text in _texts(given)
                ]
        if service.http is not None and not service.is_bus:
            at = fleet.place_of("services", service.name, "http")
            found += [
                Placed(instance, "http", service.http, True, at, service.host)
                # if two instances collide, all do
                for instance in service.names_of(service.instances and min(service.instances, 2))
            ]
    return found


def _texts(given: object) -> Iterator[str]:
    if isinstance(given, str):
        yield given
    elif isinstance(given, list):
        yield from given
    elif isinstance(given, dict):
        for one in given.values():
            yield from _texts(one)


def _unreachable(
    fleet: Fleet, outlines: Mapping[str, ServiceOutline], linked: Linked
) -> Iterator[Finding]:
    """Yield E104 for models linked to a binder whose port is unknown before it runs."""
    models: dict[tuple[str, str, str, str], ModelOutline] = {
        (model.service, *model.key): model
        for outline in outlines.values()
        for model in outline.models
    }
    for one in linked.links:
        for joint in one.joints:
            binder = joint.binder
            service = fleet.by_name[binder.service]
            bound = bound_by(service, outlines[binder.service], service.name, lambda *_: "ipc:///x")
            text = bound[binder.kind, binder.side, binder.model, binder.socket]
            if too_long(text) is None and parse(text, where="bind").zmq_endpoint.endswith(":0"):
                mine = joint.connector
                model = models[mine.service, mine.kind, mine.side, mine.model]
                yield Finding(
                    "E104",
                    mine.service,
                    mine.model,
                    f"expected a port to connect to, got {text!r} of {binder.service}; a fleet "
                    "has one before it runs",
                    model.at,
                    fleet.place_of("services", binder.service, "bind", binder.model),
                )


def _of_the_folder(
    fleet: Fleet, outlines: Mapping[str, ServiceOutline], *, in_process: bool
) -> Iterator[Finding]:
    """Yield what is wrong with the addresses that `up` would choose."""
    if in_process:
        if fleet.keys is not None:
            message = "expected no keys in one process, since inproc has none, got keys"
            yield Finding("E104", "", "", message, fleet.place_of("fleet", "keys"))
        return
    if any(outline.models or outline.is_bus for outline in outlines.values()):
        # as long as after many restarts
        long = too_long(f"{ipc_addresses(fleet, folder()).prefix}99999")
        if long:
            yield Finding(
                "E103", "", "", f"{long}; set {VARIABLE} to a shorter one", fleet.place_of()
            )


def _kept(fleet: Fleet, findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield the findings that the fleet does not ignore, and a finding for each unused `ignore`."""
    hiding: set[str] = set()
    is_whole = True
    for finding in findings:
        is_whole = is_whole and finding.code != "E401"
        entry = f"{finding.code} {finding.subject}"
        if entry in fleet.ignore and finding.may_be_ignored:
            hiding.add(entry)
        else:
            yield finding
    for entry in fleet.ignore:
        # a service that could not be read may have the finding
        if is_whole and entry not in hiding:
            why = "; an error of its kind cannot be ignored" if entry[:2] in _KEPT else ""
            message = f"expected a finding that is ignored by {entry!r}, got none{why}"
            yield Finding("W001", "", "", message, fleet.place_of("check", "ignore"))


_KEPT = ("E1", "E4", "E5")
