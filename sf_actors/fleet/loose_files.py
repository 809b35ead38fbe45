"""Checks service files that are linked by their addresses, without a fleet file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sf_actors.definition.addresses import read_addresses_file, resolve
from sf_actors.definition.environment import expanded
from sf_actors.definition.service_file import default_name
from sf_actors.errors import AddressError
from sf_actors.fleet.check import between
from sf_actors.fleet.checks.addresses import Placed, misplaced, taken_now, too_long
from sf_actors.fleet.findings import Finding
from sf_actors.fleet.fleet import Fleet, FleetService
from sf_actors.fleet.linking import Linked
from sf_actors.fleet.matching import SOCKET_AT, Pair, is_opposite, matches, may_join, requirement
from sf_actors.fleet.reading import read_services
from sf_actors.inspection.graph.joining import leads_to
from sf_actors.sockets.endpoint import parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sf_actors.fleet.outlines import ModelOutline
    from sf_actors.sockets.endpoint import Endpoint


@dataclass(frozen=True, eq=False)
class _Addressed:
    """A model in the form that `resolve` takes, and its resolved endpoints."""

    outline: ModelOutline
    endpoints: Mapping[str, Endpoint] = field(default_factory=dict)

    kind = property(lambda self: self.outline.kind)
    side = property(lambda self: self.outline.side)
    name = property(lambda self: self.outline.name)
    sockets = property(lambda self: tuple(self.outline.binds))
    binds = property(lambda self: self.outline.binds)
    where = property(lambda self: str(self.outline))


def check_files(
    files: Sequence[str],
    addresses: Sequence[str | None],
    configs: Sequence[str | None],
    *,
    with_ports: bool,
) -> tuple[Finding, ...]:
    """Check service files that are linked by addresses.

    :param addresses: the path of the addresses for each file; likewise `configs`
    :param with_ports: also check that their ports are free on this machine now
    :raises AddressError: a file of addresses cannot be read
    """
    fleet = _fleet_of(files, configs)
    given = {
        service.name: {} if path is None else read_addresses_file(path)
        for service, path in zip(fleet.services, addresses, strict=True)
    }
    read = read_services(fleet, addresses=given)
    findings = list(read.findings)
    placed: list[Placed] = []
    known: list[_Addressed] = []
    for name, outline in read.outlines.items():
        own = expanded(given[name]) if outline.addresses is None else outline.addresses
        for model in outline.models:
            places = list(_placed(model, own))
            placed += places
            if any(_is_unusable(one) for one in places):
                continue
            try:
                resolved = resolve(own, [_Addressed(model)])
            except AddressError as error:
                findings.append(Finding("E401", name, model.name, str(error), model.at))
            else:
                known.append(_Addressed(model, resolved[model.key]))
    findings += misplaced(placed, has_processes=True, has_keys=False)
    linked = _linked(known)
    findings += [*linked.findings, *between(fleet, read.outlines, linked)]
    if with_ports:
        findings += taken_now(placed)
    return tuple(findings)


def _fleet_of(files: Sequence[str], configs: Sequence[str | None]) -> Fleet:
    here = Path.cwd()
    counts: dict[str, int] = {}
    services = []
    for file, config in zip(files, configs, strict=True):
        name = default_name(file)
        counts[name] = counts.get(name, 0) + 1
        services.append(
            FleetService(
                name=name if counts[name] == 1 else f"{name}#{counts[name]}",
                file=Path(file).absolute(),
                config=None if config is None else Path(config).absolute(),
                # it is not known here if the service runs in main mode
                allow_inbound=True,
            )
        )
    return Fleet(name=here.name, path=here, folder=here, services=tuple(services))


def _placed(model: ModelOutline, given: Any) -> Iterator[Placed]:
    """Yield the addresses of a model as written, if they are valid."""
    entry = given
    for step in model.key:
        entry = entry.get(step) if isinstance(entry, dict) else None
    for socket, binds in model.binds.items():
        one = entry.get(socket) if isinstance(entry, dict) and len(model.binds) > 1 else entry
        if isinstance(one, dict):
            one = next(iter(one.values()), None)
        for text in one if isinstance(one, list) else [one]:
            if isinstance(text, str) and _is_address(text):
                yield Placed(model.service, model.name, str(text), binds, model.at)


def _is_address(text: str) -> bool:
    try:
        return too_long(text) is not None or bool(parse(text, where=""))
    except AddressError:
        return False


def _is_unusable(one: Placed) -> bool:
    """Return True for an address that has its own finding, and that `resolve` would refuse."""
    if too_long(one.text) is not None:
        return True
    if one.binds:
        return False
    try:
        parse(one.text, where="").require_connectable()
    except AddressError:
        return True
    return False


def _linked(known: Sequence[_Addressed]) -> Linked:
    pairs: list[Pair] = []
    findings: list[Finding] = []
    for one in known:
        model = one.outline
        for socket, is_binder in model.binds.items():
            for endpoint in () if is_binder else one.endpoints[socket].all:
                binders = [
                    (other.outline, bound)
                    for other in known
                    for bound, at in other.endpoints.items()
                    if other.outline.binds[bound]
                    and other.outline.service != model.service
                    and leads_to(endpoint, at, is_here=False)
                ]
                if not binders:
                    findings += _nobody(model, socket, endpoint, known)
                for binder, bound in binders:
                    problem = _misjoined(model, socket, binder, bound)
                    if problem is not None:
                        text = f"expected {problem[0]} at {endpoint.text!r}, got {problem[1]}"
                        findings.append(
                            Finding("E202", model.service, model.name, text, model.at, binder.at)
                        )
                    elif socket == model.main_socket or model.is_at_bus:
                        # the bus is not among the files: the snapshot address shows the state
                        sender, receiver = (model, binder) if model.sends else (binder, model)
                        pairs.append(Pair(sender, receiver))
    return Linked((), tuple(pairs), (), tuple(findings))


def _misjoined(
    model: ModelOutline, socket: str, binder: ModelOutline, bound: str
) -> tuple[str, str] | None:
    """Return what a socket expects, and what it gets; None if the two match."""
    if not is_opposite(model, binder) or not matches(model, binder):
        return f"what meets {requirement(model)}", f"{binder}, {requirement(binder)}"
    wanted = SOCKET_AT[socket]
    if bound != wanted:
        return f"the {wanted} for its {socket}", f"the {bound} of {binder}"
    return None


def _nobody(
    model: ModelOutline, socket: str, endpoint: Endpoint, known: Sequence[_Addressed]
) -> Iterator[Finding]:
    """Yield E101 if a model of the same name binds elsewhere; else its peer is not checked here."""
    for other in known:
        binder = other.outline
        is_meant = binder.name == model.name and binder.service != model.service
        wanted = SOCKET_AT[socket]
        if is_meant and may_join(model, binder) and binder.binds.get(wanted):
            bound = other.endpoints[wanted].text
            message = (
                f"expected somebody who binds {endpoint.text!r}, got nobody; "
                f"{binder} binds {bound!r}"
            )
            yield Finding("E101", model.service, model.name, message, model.at, binder.at)
