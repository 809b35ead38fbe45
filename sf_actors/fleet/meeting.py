"""Which models may be joined, and which of these meet: by type, kind and topic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sf_actors.fleet.outlines import ModelOutline


@dataclass(frozen=True, eq=False)
class Pair:
    """Two models of which one gets what the other sends, a bus between them or not."""

    sender: ModelOutline
    receiver: ModelOutline


def entry_of(table: Mapping[str, object], model: ModelOutline) -> object:
    """Return what a table of the fleet file says of a model, by its name or kind and name."""
    return table.get(f"{model.kind}/{model.name}", table.get(model.name))


#: Socket that connects -> the one that it is joined to.
SOCKET_AT: Final = {
    "requester": "replyer",
    "subscriber": "publisher",
    "publisher": "subscriber",
}


def is_opposite(model: ModelOutline, other: ModelOutline) -> bool:
    """Return whether one of two models sends what the other could take."""
    return model.family == other.family and model.sends != other.sends


def may_join(model: ModelOutline, other: ModelOutline) -> bool:
    """Return whether a model that connects could be joined to another, whatever their names.

    An out-state at a bus binds for snapshots, and only a replica at the bus asks it for these.
    """
    binds = other.is_binder or (model.is_at_bus and other.binds.get("replyer", False))
    return is_opposite(model, other) and binds


def meets(model: ModelOutline, other: ModelOutline) -> bool:
    """Return whether two that may be joined have one kind, and the receiver hears the topic."""
    sender, receiver = (model, other) if model.sends else (other, model)
    hears = receiver.topic is None or receiver.topic == sender.topic
    return model.passes == other.passes and (hears or model.family == "call")


def pairs_at_bus(models: Sequence[ModelOutline]) -> Iterator[Pair]:
    """Give who hears whom at one bus: of one name, or of one topic."""
    for sender in models:
        for receiver in models:
            if (
                sender.sends
                and not receiver.sends
                and sender.service != receiver.service
                and meets(sender, receiver)
                and (sender.name == receiver.name or receiver.topic is not None)
            ):
                yield Pair(sender, receiver)


def way(model: ModelOutline) -> str:
    """Return what must be alike on both sides, as a text."""
    topic = f" of the topic {model.topic!r}" if model.topic is not None else ""
    return f"a {model.type}{topic}" if topic else f"a {model.type} of no topic"


def opposite(model: ModelOutline) -> str:
    """Return the type of what a model that connects is joined to."""
    return {
        "requester": "replyer",
        "subscriber": "publisher",
        "publisher": "subscriber",
        "delta_update_in": "delta_update_out",
        "full_update_in": "full_update_out",
    }.get(model.type, "full_update_in")
