"""Decides which models may be linked, and which of these match in kind and topic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sf_actors.fleet.outlines import ModelOutline


@dataclass(frozen=True, eq=False)
class Pair:
    """A sender and its receiver, with or without a bus between them."""

    sender: ModelOutline
    receiver: ModelOutline


def entry_of(table: Mapping[str, object], model: ModelOutline) -> object:
    """Return the entry for a model in a table of the fleet file, by name or by kind and name."""
    return table.get(f"{model.kind}/{model.name}", table.get(model.name))


#: The socket that each connecting socket connects to.
SOCKET_AT: Final = {
    "requester": "replyer",
    "subscriber": "publisher",
    "publisher": "subscriber",
}


def is_opposite(model: ModelOutline, other: ModelOutline) -> bool:
    """Return True if one of two models could receive what the other sends."""
    return model.family == other.family and model.sends != other.sends


def may_join(model: ModelOutline, other: ModelOutline) -> bool:
    """Return True if a model that connects could be linked to another, apart from their names.

    An out-state at a bus binds for snapshots, which only a replica at the bus requests.
    """
    binds = other.is_binder or (model.is_at_bus and other.binds.get("replyer", False))
    return is_opposite(model, other) and binds


def matches(model: ModelOutline, other: ModelOutline) -> bool:
    """Return True if two models that may be linked match in kind, and the receiver in topic."""
    sender, receiver = (model, other) if model.sends else (other, model)
    hears = receiver.topic is None or receiver.topic == sender.topic
    return model.passes == other.passes and (hears or model.family == "call")


def pairs_at_bus(models: Sequence[ModelOutline]) -> Iterator[Pair]:
    """Yield the pairs of senders and receivers at one bus, by equal names or by topic."""
    for sender in models:
        for receiver in models:
            if (
                sender.sends
                and not receiver.sends
                and sender.service != receiver.service
                and matches(sender, receiver)
                and (sender.name == receiver.name or receiver.topic is not None)
            ):
                yield Pair(sender, receiver)


def requirement(model: ModelOutline) -> str:
    """Return a text with what both sides must have in common: type and topic."""
    topic = f" of the topic {model.topic!r}" if model.topic is not None else ""
    return f"a {model.type}{topic}" if topic else f"a {model.type} of no topic"


def opposite(model: ModelOutline) -> str:
    """Return the type of model that a connecting model can be linked to."""
    return {
        "requester": "replyer",
        "subscriber": "publisher",
        "publisher": "subscriber",
        "delta_update_in": "delta_update_out",
        "full_update_in": "full_update_out",
    }.get(model.type, "full_update_in")
