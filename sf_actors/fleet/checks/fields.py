"""E201 and W201: fields that one side sends and the other does not accept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sf_actors.fleet.findings import Finding
from sf_actors.inspection.messages import incoming_of, outgoing_of
from sf_actors.schema.compatibility import incompatibilities

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sf_actors.fleet.matching import Pair
    from sf_actors.fleet.outlines import ModelOutline


def mismatches(pairs: Iterable[Pair]) -> Iterator[Finding]:
    """Yield each part of a message, update or reply that its receiver may not accept."""
    for pair in pairs:
        yield from _untaken(pair.sender, pair.receiver, "")
        if pair.sender.family == "call":
            yield from _untaken(pair.receiver, pair.sender, "the reply's ")


def _untaken(sender: ModelOutline, receiver: ModelOutline, of_what: str) -> Iterator[Finding]:
    given = outgoing_of(sender.type, sender.messages)
    wanted = incoming_of(receiver.type, receiver.messages)
    if given is None or wanted is None:
        return
    for one in incompatibilities(wanted, given):
        yield Finding(
            "E201" if one.is_certain else "W201",
            receiver.service,
            receiver.name,
            f"{of_what}{one.path or 'value'}: expected {one.expected}, got {one.got} of {sender}",
            receiver.at,
            sender.at,
        )
