"""The types of connection models and state models, and the sockets of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from sf_actors.errors import ModelError
from sf_actors.wording import nearest, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal["connections", "states"]
Side = Literal["in", "out"]

KINDS: tuple[Kind, ...] = ("connections", "states")
SIDES: tuple[Side, ...] = ("in", "out")


class ModelType(Struct, frozen=True):
    """One type of model.

    :param sockets: the names of its sockets, as used in the addresses
    """

    name: str
    kind: Kind
    side: Side
    sockets: tuple[str, ...] = ()

    @property
    def is_delta(self) -> bool:
        """True for a state whose updates are merge patches."""
        return self.name.startswith("delta_update")


MODEL_TYPES = {
    known.name: known
    for known in (
        ModelType("replyer", "connections", "in", ("replyer",)),
        ModelType("subscriber", "connections", "in", ("subscriber",)),
        ModelType("timer", "connections", "in"),
        ModelType("requester", "connections", "out", ("requester",)),
        ModelType("publisher", "connections", "out", ("publisher",)),
        ModelType("external_target", "connections", "out"),
        ModelType("delta_update_in", "states", "in", ("subscriber", "requester")),
        ModelType("full_update_in", "states", "in", ("subscriber",)),
        ModelType("delta_update_out", "states", "out", ("publisher", "replyer")),
        ModelType("full_update_out", "states", "out", ("publisher",)),
    )
}

_SPELLINGS = {
    "external_request": "external_target",
    **{
        spelling: f"{update}_{{side}}"
        for update in ("delta_update", "full_update")
        for spelling in (update, f"local_variable_{update}")
    },
}


def names_of_types(kind: Kind, side: Side) -> list[str]:
    """Return the types that models of this kind and side can have."""
    known_types = MODEL_TYPES.values()
    return [known.name for known in known_types if (known.kind, known.side) == (kind, side)]


def model_type(written: object, kind: Kind, side: Side, *, where: str) -> ModelType:
    """Return the model type with a name.

    :param written: the value of ``connection_type`` or ``state_type``
    :raises ModelError: it is not a type, or one of the other side or kind
    """
    names = [
        known.name for known in MODEL_TYPES.values() if (known.kind, known.side) == (kind, side)
    ]
    if isinstance(written, str):
        meant = _SPELLINGS[written].format(side=side) if written in _SPELLINGS else written
        found = MODEL_TYPES.get(meant)
        if found is not None and found.name in names:
            return found
        if found is not None:
            belongs = f"{found.kind[:-1]}_models[{found.side!r}]"
            raise ModelError(
                f"{where}: expected one of {', '.join(names)}, got {written!r}, "
                f"which belongs in {belongs}"
            )
    hint = nearest(written, _spellings_of(names, side))
    raise ModelError(f"{where}: expected one of {', '.join(names)}, got {shown(written)}{hint}")


def binds(type_: ModelType, creation: Mapping[str, object]) -> dict[str, bool]:
    """Return True for each socket that binds, False for each that connects.

    :param creation: the creation arguments, with their defaults
    """
    by_name = {
        "replyer": True,
        "requester": False,
        "publisher": not creation.get("is_x_pub"),
        "subscriber": bool(creation.get("is_binder")),
    }
    return {socket: by_name[socket] for socket in type_.sockets}


def _spellings_of(names: list[str], side: Side) -> list[str]:
    return [
        *names,
        *(written for written, name in _SPELLINGS.items() if name.format(side=side) in names),
    ]
