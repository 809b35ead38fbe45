"""E302 and W303: handlers that wait for each other, or longer than their callers wait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sf_actors.fleet.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from sf_actors.fleet.fleet import Fleet
    from sf_actors.fleet.linking import Linked
    from sf_actors.fleet.outlines import ModelOutline, ServiceOutline


@dataclass(frozen=True, eq=False)
class _Ask:
    """A call that a handler makes: from its service's requester to a replyer."""

    requester: ModelOutline
    replyer: ModelOutline


class Waits:
    """The calls that handlers make while they run.

    :param outlines: by service; a requester that is linked to several services is left out, since
        any of them may answer
    """

    def __init__(
        self, fleet: Fleet, outlines: Mapping[str, ServiceOutline], linked: Linked
    ) -> None:
        self._fleet = fleet
        self._handlers = [
            model
            for outline in outlines.values()
            for model in (*outline.models, *outline.timers)
            if model.asks
        ]
        self._requesters = {
            (model.service, model.name): model
            for outline in outlines.values()
            for model in outline.models
            if model.type == "requester"
        }
        callees: dict[tuple[str, str], list[ModelOutline]] = {}
        for pair in linked.pairs:
            if pair.sender.family == "call":
                place = (pair.sender.service, pair.sender.name)
                callees.setdefault(place, []).append(pair.receiver)
        self._callee = {place: found[0] for place, found in callees.items() if len(found) == 1}
        self._callees = callees
        self._askers: dict[tuple[str, str], list[ModelOutline]] = {}
        for handler in self._handlers:
            for ask in self._asks(handler):
                place = (ask.replyer.service, ask.replyer.name)
                self._askers.setdefault(place, []).append(handler)

    def deadlocks(self) -> Iterator[Finding]:
        """Yield E302 once for each cycle, at the first of its handlers."""
        reported: set[frozenset[tuple[str, str]]] = set()
        for first in self._handlers:
            if first.creation.get("workers"):
                continue
            leading = self._leading_to(first.service)
            for ring in self._rings(first, first.service, leading, ()):
                last = ring[-1].replyer
                members = frozenset((one.requester.service, one.requester.name) for one in ring)
                if members in reported:
                    continue
                reported.add(members)
                steps = " -> ".join([str(first), *(str(one.replyer) for one in ring)])
                message = (
                    f"its handler asks {ring[0].replyer}, which asks back: {steps}; the handler of "
                    f"{last.name!r} cannot run before this one ends; ask from main, or give "
                    f"{last.name!r} workers"
                )
                yield Finding("E302", first.service, first.name, message, first.at, last.at)

    def _rings(
        self,
        handler: ModelOutline,
        home: str,
        leading: Collection[tuple[str, str]],
        path: tuple[_Ask, ...],
    ) -> Iterator[tuple[_Ask, ...]]:
        """Yield the paths of calls that lead from a handler back to the service `home`."""
        for ask in self._asks(handler):
            replyer = ask.replyer
            if replyer.service == home:
                if not replyer.creation.get("workers") and self._is_one(home):
                    yield (*path, ask)
            elif (replyer.service, replyer.name) in leading and all(
                replyer is not one.replyer for one in path
            ):
                yield from self._rings(replyer, home, leading, (*path, ask))

    def _leading_to(self, home: str) -> Collection[tuple[str, str]]:
        """Return the handlers from which calls lead to a service.

        Only those are followed: staged services have far more paths than handlers.
        """
        found: set[tuple[str, str]] = set()
        waiting = [place for place in self._askers if place[0] == home]
        while waiting:
            for handler in self._askers.get(waiting.pop(), ()):
                place = (handler.service, handler.name)
                if place not in found:
                    found.add(place)
                    waiting.append(place)
        return found

    def _is_one(self, service: str) -> bool:
        """Return True if a service has one instance, so that a call back reaches that very one."""
        return (self._fleet.by_name[service].instances or 1) == 1

    def _asks(self, handler: ModelOutline) -> Iterator[_Ask]:
        for name in handler.asks:
            place = (handler.service, name)
            if place in self._callee:
                yield _Ask(self._requesters[place], self._callee[place])

    def impatient(self) -> Iterator[Finding]:
        """Yield W303 for callers that wait a shorter time than the handler they call may wait."""
        for place, callees in self._callees.items():
            caller = self._requesters[place]
            timeout_s = caller.creation.get("timeout_s", 5.0)
            for callee in callees:
                waits = [
                    (_patience_s(requester), requester)
                    for name in callee.asks
                    if (requester := self._requesters.get((callee.service, name))) is not None
                ]
                longest_s, requester = max(waits, key=lambda one: one[0], default=(0.0, None))
                if requester is not None and timeout_s < longest_s:
                    message = (
                        f"expected timeout_s of at least {longest_s:g}, for which the handler of "
                        f"{callee} itself may wait for {requester.name!r}, got {timeout_s:g}"
                    )
                    yield Finding(
                        "W303", caller.service, caller.name, message, caller.at, callee.at
                    )


def _patience_s(requester: ModelOutline) -> float:
    """Return how long a call may take with its retries, in seconds."""
    timeout_s: float = requester.creation.get("timeout_s", 5.0)
    retries: int = requester.creation.get("retries", 0)
    return timeout_s * (1 + retries)
