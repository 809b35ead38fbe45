"""The structure of a state's fields, as far as merging needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args, get_origin, is_typeddict

from msgspec import Struct
from msgspec.structs import force_setattr

from sf_actors.schema.types import bare, fields_of, members_of

if TYPE_CHECKING:
    from collections.abc import Mapping


class Leaf(Struct, frozen=True):
    """A value that is replaced whole: a scalar, list, tuple, set, or a union of these."""


class Open(Struct, frozen=True):
    """An undeclared place: any value, merged by RFC 7396 alone."""


class Table(Struct, frozen=True):
    """A mapping of any keys to values of one shape: ``{K: V}``."""

    value: Shape


class Record(Struct, frozen=True):
    """A mapping of known fields: the message itself, or a nested ``{'field': T}``.

    :ivar tables: the fields that are tables of leaves, which most deltas change
    """

    required: Mapping[str, Shape]
    optional: Mapping[str, Shape]
    tables: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        fields = (*self.required.items(), *self.optional.items())
        tables = frozenset(name for name, kind in fields if kind == Table(Leaf()))
        force_setattr(self, "tables", tables)


Shape = Leaf | Open | Table | Record


def shape_of(canonical: Any) -> Shape:
    """Return the shape of a canonical type (see `sf_actors.schema.types.canonical`)."""
    canonical = bare(canonical)
    if canonical is Any:
        return Open()
    if is_typeddict(canonical):
        required, optional = fields_of(canonical)
        return record_of(required, optional)
    if get_origin(canonical) is dict:
        key, value = get_args(canonical)
        return Open() if key is Any and value is Any else Table(shape_of(value))
    members = members_of(canonical)
    whole = len(members) == 1 or all(isinstance(shape_of(member), Leaf) for member in members)
    return Leaf() if whole else Open()


def record_of(required: Mapping[str, Any], optional: Mapping[str, Any]) -> Record:
    """Return the shape of fields of canonical types."""
    return Record(
        {name: shape_of(type_) for name, type_ in required.items()},
        {name: shape_of(type_) for name, type_ in optional.items()},
    )
