"""W301, W304 and W305: publishers without listeners, and creation arguments that do not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sf_actors.fleet.findings import Finding
from sf_actors.fleet.matching import entry_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sf_actors.fleet.fleet import Fleet
    from sf_actors.fleet.linking import Linked
    from sf_actors.fleet.matching import Pair
    from sf_actors.fleet.outlines import ServiceOutline


def unheard(
    fleet: Fleet, outlines: Mapping[str, ServiceOutline], linked: Linked
) -> Iterator[Finding]:
    """Yield W301 for publishers and out-states without a link, unless they have `bind`."""
    if any(service.name not in outlines for service in fleet.services):
        return
    heard = {(link.source, link.source_model) for link in linked.links}
    outside = {(model.service, model.key) for model in linked.outside}
    for service in fleet.services:
        for model in outlines[service.name].models:
            is_alone = (
                model.sends
                and model.family != "call"
                and (model.service, model.name) not in heard
                and (model.service, model.key) not in outside
                and entry_of(service.bind, model) is None
            )
            if is_alone and model.is_binder:
                message = (
                    f"expected somebody who joins this {model.type}, got nobody; where outsiders "
                    "do, give it an address with bind"
                )
                yield Finding("W301", model.service, model.name, message, model.at)


def unsafe(pairs: Iterable[Pair]) -> Iterator[Finding]:
    """Yield W304 for retries without `deduplicate`, W305 for replicas that turn stale too soon."""
    for pair in pairs:
        sender, receiver = pair.sender, pair.receiver
        if sender.type == "requester":
            retries = sender.creation.get("retries", 0)
            if retries and not receiver.creation.get("deduplicate"):
                message = (
                    f"expected deduplicate of {receiver}, which may handle a call twice, since "
                    f"this side has retries={retries}"
                )
                yield Finding("W304", sender.service, sender.name, message, sender.at, receiver.at)
        elif receiver.family == "state":
            stale_s = receiver.creation.get("stale_after_s", 3.0)
            heartbeat_s = sender.creation.get("heartbeat_s", 1.0)
            if stale_s < 2 * heartbeat_s:
                message = (
                    f"expected stale_after_s of at least {2 * heartbeat_s:g}, twice the "
                    f"heartbeat_s of {sender}, got {stale_s:g}"
                )
                yield Finding(
                    "W305", receiver.service, receiver.name, message, receiver.at, sender.at
                )
