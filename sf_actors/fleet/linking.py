"""Links the models of a fleet by name: each model that connects with one that binds.

Pure functions of data. The instances of a service count as one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sf_actors.fleet.findings import Finding
from sf_actors.fleet.links import End, Joint, Link
from sf_actors.fleet.matching import (
    SOCKET_AT,
    Pair,
    entry_of,
    is_opposite,
    matches,
    may_join,
    opposite,
    pairs_at_bus,
    requirement,
)
from sf_actors.fleet.outlines import XPUB, XSUB, named_by
from sf_actors.wording import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sf_actors.fleet.fleet import Fleet, FleetService, Partner
    from sf_actors.fleet.outlines import ModelOutline, ServiceOutline


@dataclass(frozen=True, eq=False)
class Linked:
    """The result of linking.

    :ivar outside: the models that connect to an address outside the fleet
    """

    links: tuple[Link, ...]
    pairs: tuple[Pair, ...]
    outside: tuple[ModelOutline, ...]
    findings: tuple[Finding, ...]


def link(fleet: Fleet, outlines: Mapping[str, ServiceOutline]) -> Linked:
    """Link the services of a fleet.

    :param outlines: by service; if one is missing since it cannot be read, there are no findings
        about models that it may have
    """
    joining = _Linking(fleet, outlines)
    for service in fleet.services:
        if service.name in outlines and not service.is_bus:
            joining.join(service, outlines[service.name])
    return joining.linked()


class _Linking:
    def __init__(self, fleet: Fleet, outlines: Mapping[str, ServiceOutline]) -> None:
        self._fleet = fleet
        self._outlines = outlines
        self._models = [model for outline in outlines.values() for model in outline.models]
        self._is_whole = all(service.name in outlines for service in fleet.services)
        self._links: list[Link] = []
        self._pairs: list[Pair] = []
        self._outside: list[ModelOutline] = []
        self._findings: list[Finding] = []
        #: the models that are linked to each bus
        self._at_bus: dict[str, list[ModelOutline]] = {}

    def linked(self) -> Linked:
        """Return the result."""
        for models in self._at_bus.values():
            self._pairs += pairs_at_bus(models)
        return Linked(
            tuple(sorted(self._links)),
            tuple(self._pairs),
            tuple(self._outside),
            tuple(self._findings),
        )

    def join(self, service: FleetService, outline: ServiceOutline) -> None:
        """Link the connecting models of a service."""
        partners = {
            model.key: known
            for model in outline.models
            if (known := self._known(model, entry_of(service.links, model))) is not None
        }
        for model in outline.models:
            if all(model.binds.values()) or model.key not in partners:
                continue
            named = partners[model.key]
            if entry_of(service.connect, model) is not None:
                self._outside.append(model)
            elif model.is_at_bus:
                self._join_to_bus(model, named)
            else:
                self._join_to_binders(model, named)

    def _known(self, model: ModelOutline, given: object) -> tuple[Partner, ...] | None:
        """Return the partners that `links` names; None if one of them is missing."""
        partners: tuple[Partner, ...] = given or ()  # type: ignore[assignment]
        for partner in partners:
            if partner.service not in self._fleet.by_name:
                hint = nearest(partner.service, self._fleet.by_name)
                self._contradiction(model, f"links: expected a service, got {str(partner)!r}{hint}")
                return None
            if partner.service == model.service:
                self._contradiction(model, f"links: expected another service, got {partner}")
                return None
            if partner.service not in self._outlines:
                return None
        return partners

    def _join_to_binders(self, model: ModelOutline, named: Sequence[Partner]) -> None:
        if len(named) > 1 and model.family == "state":
            listed = ", ".join(map(str, named))
            self._contradiction(model, f"links: a state follows one other, got {listed}")
            return
        binders = [self._named_binder(model, partner) for partner in named]
        if None in binders:
            return
        found = [binder for binder in binders if binder is not None]
        if not named:
            chosen = self._chosen(model, self._namesakes(model))
            found = [] if chosen is None else [chosen]
        for binder in found:
            self._note(model, binder)

    def _named_binder(self, model: ModelOutline, partner: Partner) -> ModelOutline | None:
        """Return the model that an entry of `links` names, if the two can be linked."""
        service, name = partner.service, partner.model or model.name
        if self._fleet.by_name[service].is_bus:
            self._contradiction(
                model,
                f"links: {service!r} is a bus, which a model joins with is_x_pub or is_x_sub alone",
            )
            return None
        key = name if partner.kind is None else f"{partner.kind}/{name}"
        there = named_by(self._outlines[service].models, key)
        fit = [other for other in there if may_join(model, other)]
        if fit:
            return fit[0] if self._require_match(model, fit) else None
        if there:
            other = there[0]
            self._contradiction(
                model,
                f"links: a {model.type} cannot be joined to {other}, a {other.type}"
                f"{'' if other.is_binder else ' that connects'}",
                other.at,
            )
            return None
        names = [one.name for one in self._outlines[service].models if may_join(model, one)]
        hint = nearest(name, names) or _listed(names)
        self._contradiction(model, f"links: {service!r} has no model {name!r}{hint}")
        return None

    def _namesakes(self, model: ModelOutline) -> list[ModelOutline]:
        return [
            other
            for other in self._models
            if other.name == model.name
            and other.service != model.service
            and may_join(model, other)
        ]

    def _chosen(self, model: ModelOutline, namesakes: list[ModelOutline]) -> ModelOutline | None:
        """Choose the partner of a model among models of the same name."""
        if not namesakes:
            self._report_no_partner(model)
            return None
        fit = self._require_match(model, namesakes)
        if len(fit) > 1:
            texts = [f'"{other}"' for other in fit]
            is_many = model.type in ("requester", "subscriber")
            line = f"[{', '.join(texts)}]" if model.type == "subscriber" else texts[0]
            also = ", or a list of them" if is_many and model.type == "requester" else ""
            self._finding(
                "E102",
                model,
                f"expected one service with a {fit[0].type} {model.name!r}, got "
                f"{', '.join(other.service for other in fit)}; write links = "
                f"{{ {_quoted(model.name)} = {line} }} for {model.service!r}{also}",
                fit[0].at,
            )
            return None
        return fit[0] if fit else None

    def _require_match(self, model: ModelOutline, others: list[ModelOutline]) -> list[ModelOutline]:
        """Return those whose kind and topic match the model's; a finding if none does."""
        fit = [other for other in others if matches(model, other)]
        if not fit:
            other = others[0]
            self._finding(
                "E202",
                model,
                f"expected what meets {requirement(model)}, got {other}, {requirement(other)}",
                other.at,
            )
        return fit

    def _report_no_partner(self, model: ModelOutline) -> None:
        if not self._is_whole:
            return
        others = [one for one in self._models if one.service != model.service]
        known = {one.name: one for one in others if may_join(model, one)}
        hint = nearest(model.name, known)
        near = next((one for name, one in known.items() if hint.endswith(f" {name!r}?")), None)
        unbound = next(
            (one for one in others if one.name == model.name and is_opposite(model, one)), None
        )
        if unbound is not None:
            near = unbound
            hint = f"; {unbound} connects itself, to a bus: this side needs is_x_sub for that"
        self._finding(
            "E101",
            model,
            f"expected a {opposite(model)} {model.name!r} in another service that binds, got "
            f"none{hint or _listed(list(known))}",
            None if near is None else near.at,
        )

    def _join_to_bus(self, model: ModelOutline, named: Sequence[Partner]) -> None:
        by_name = self._fleet.by_name
        models = [one for one in named if not by_name[one.service].is_bus]
        buses = [one.service for one in named if by_name[one.service].is_bus]
        is_replica = model.type == "delta_update_in"
        if not buses and model.sends and (models or self._namesakes(model)):
            # a subscriber that binds can replace a bus
            self._join_to_binders(model, models)
            return
        if models and not is_replica:
            self._contradiction(model, f"links: expected a bus, got {models[0]}")
            return
        buses = buses or [service.name for service in self._fleet.services if service.is_bus]
        if len(buses) != 1:
            self._report_number_of_buses(model, buses)
            return
        publisher = None
        if is_replica:
            publisher = self._snapshots_of(model, models)
            if publisher is None:
                return
        self._at_bus.setdefault(buses[0], []).append(model)
        self._note_bus(model, buses[0])
        if publisher is not None:
            joint = Joint(_end(model, "requester"), _end(publisher, "replyer"))
            self._links.append(_link_of(publisher, model, publisher, (joint,)))

    def _snapshots_of(self, model: ModelOutline, named: Sequence[Partner]) -> ModelOutline | None:
        """Return the out-state that serves snapshots to an in-state at a bus."""
        if named:
            chosen = self._named_binder(model, named[0])
        else:
            namesakes = [
                one
                for one in self._models
                if one.name == model.name
                and one.service != model.service
                and one.type == "delta_update_out"
            ]
            chosen = self._chosen(model, namesakes)
        if chosen is not None and not chosen.is_at_bus:
            self._finding(
                "E202",
                model,
                f"expected an out-state at the bus (is_x_pub), got {chosen}, which binds",
                chosen.at,
            )
            return None
        return chosen

    def _report_number_of_buses(self, model: ModelOutline, buses: list[str]) -> None:
        if buses:
            self._finding(
                "E102",
                model,
                f"expected one bus, got {', '.join(buses)}; write links = "
                f'{{ {_quoted(model.name)} = "{buses[0]}" }} for {model.service!r}',
            )
            return
        flag = "is_x_pub" if model.sends else "is_x_sub"
        self._finding(
            "E101", model, f"expected a bus for {flag}, got none; add a service with bus = true"
        )

    def _note(self, model: ModelOutline, binder: ModelOutline) -> None:
        sender, receiver = (model, binder) if model.sends else (binder, model)
        joints = tuple(
            Joint(_end(model, socket), _end(binder, SOCKET_AT[socket]))
            for socket, is_binder in model.binds.items()
            if not is_binder
        )
        self._links.append(_link_of(sender, receiver, binder, joints))
        self._pairs.append(Pair(sender, receiver))

    def _note_bus(self, model: ModelOutline, bus: str) -> None:
        name = XSUB if model.sends else XPUB
        joint = Joint(_end(model, model.main_socket), End(bus, "connections", "in", name, name))
        ends = ((model.service, model.name), (bus, name))
        (source, source_model), (target, target_model) = ends if model.sends else ends[::-1]
        self._links.append(
            Link(
                *(source, source_model, target, target_model, name),
                model.passes,
                model.topic or "",
                (joint,),
            )
        )

    def _contradiction(
        self, model: ModelOutline, message: str, other_at: str | None = None
    ) -> None:
        at = self._fleet.place_of("services", model.service, "links", model.name)
        self._findings.append(Finding("E105", model.service, model.name, message, at, other_at))

    def _finding(
        self, code: str, model: ModelOutline, message: str, other_at: str | None = None
    ) -> None:
        self._findings.append(
            Finding(code, model.service, model.name, message, model.at, other_at or None)
        )


def _link_of(
    sender: ModelOutline, receiver: ModelOutline, binder: ModelOutline, joints: tuple[Joint, ...]
) -> Link:
    return Link(
        *(sender.service, sender.name, receiver.service, receiver.name),
        binder.name,
        sender.passes,
        sender.topic or "",
        joints,
    )


def _end(model: ModelOutline, socket: str) -> End:
    return End(model.service, model.kind, model.side, model.name, socket)


def _listed(names: list[str]) -> str:
    return f"; there are {', '.join(map(repr, sorted(set(names))))}" if names else ""


def _quoted(name: str) -> str:
    """Return a name as a key of TOML."""
    is_bare = all(char.isascii() and (char.isalnum() or char in "_-") for char in name)
    return name if is_bare and name else f'"{name}"'
