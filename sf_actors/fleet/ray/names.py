"""The names of a fleet's actors, in a namespace of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

#: The name of the control actor; no name of a service begins with a dot.
CONTROL: Final = ".up"

_GENERATION: Final = "~"


def namespace_of(fleet: str) -> str:
    """Return the namespace of the actors of a fleet, by its name."""
    return f"sf_actors/{fleet}"


def actor_name(instance: str, generation: int) -> str:
    """Return the name of an actor of an instance.

    :param generation: from 0 up; a successor has the next one, so that both can exist
    """
    return f"{instance}{_GENERATION}{generation}" if generation else instance


def latest(names: Iterable[str]) -> dict[str, int]:
    """Return the highest generation of each instance among the names of actors."""
    found: dict[str, int] = {}
    for name in names:
        if name != CONTROL:
            instance, _, generation = name.partition(_GENERATION)
            found[instance] = max(found.get(instance, 0), int(generation or 0))
    return found
