"""The structure of a state's fields, as far as merging needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args, get_origin, is_typeddict

from msgspec import Struct
from msgspec.structs import force_setattr

from sf_actors.schema.types import bare, fields_of, members_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import msgspec

    Bounds = tuple[msgspec.Meta, ...]


class Leaf(Struct, frozen=True):
    """A value that is replaced whole: a scalar, list, tuple, set, or a union of these."""

    @property
    def is_bounded(self) -> bool:
        """False: its bounds are checked with its type, since it is never merged."""
        return False


class Open(Struct, frozen=True):
    """An undeclared place: any value, merged by RFC 7396 alone.

    :ivar bounds: of a mapping there
    """

    bounds: Bounds = ()

    @property
    def is_bounded(self) -> bool:
        """Whether a mapping there has bounds."""
        return bool(self.bounds)


class Table(Struct, frozen=True):
    """A mapping of any keys to values of one shape: ``{K: V}``.

    :ivar bounds: of the mapping itself
    :ivar is_bounded: it, or a mapping that is merged within it, has bounds
    """

    value: Shape
    bounds: Bounds = ()
    is_bounded: bool = False

    def __post_init__(self) -> None:
        force_setattr(self, "is_bounded", bool(self.bounds) or self.value.is_bounded)


class Record(Struct, frozen=True):
    """A mapping of known fields: the message itself, or a nested ``{'field': T}``.

    :ivar tables: the fields that are tables of leaves without bounds, which most deltas change
    :ivar is_bounded: a mapping that is merged within it has bounds
    """

    required: Mapping[str, Shape]
    optional: Mapping[str, Shape]
    tables: frozenset[str] = frozenset()
    is_bounded: bool = False

    def __post_init__(self) -> None:
        fields = (*self.required.items(), *self.optional.items())
        tables = frozenset(name for name, kind in fields if kind == Table(Leaf()))
        force_setattr(self, "tables", tables)
        force_setattr(self, "is_bounded", any(kind.is_bounded for _, kind in fields))


class Either(Struct, frozen=True):
    """A mapping that is merged, or in its place a value that is replaced whole: a union.

    :ivar mapping: its shape where it is a mapping
    """

    mapping: Table | Record

    @property
    def is_bounded(self) -> bool:
        """Whether the mapping, or one that is merged within it, has bounds."""
        return self.mapping.is_bounded


Shape = Leaf | Open | Table | Record | Either


def as_mapping(shape: Shape) -> Leaf | Open | Table | Record:
    """Return the shape that a place has when a mapping is there."""
    return shape.mapping if isinstance(shape, Either) else shape


def shape_of(canonical: Any) -> Shape:
    """Return the shape of a canonical type (see `sf_actors.schema.types.canonical`)."""
    bounds = get_args(canonical)[1:] if bare(canonical) is not canonical else ()
    canonical = bare(canonical)
    if canonical is Any:
        return Open()
    if is_typeddict(canonical):
        required, optional = fields_of(canonical)
        return record_of(required, optional)
    if get_origin(canonical) is dict:
        key, value = get_args(canonical)
        is_open = key is Any and value is Any
        return Open(bounds) if is_open else Table(shape_of(value), bounds)
    members = members_of(canonical)
    if len(members) > 1:
        # one member at most is a mapping, or arriving values could not be told apart
        for shape in map(shape_of, members):
            if not isinstance(shape, Leaf):
                return Either(shape) if isinstance(shape, Table | Record) else shape
    return Leaf()


def record_of(required: Mapping[str, Any], optional: Mapping[str, Any]) -> Record:
    """Return the shape of fields of canonical types."""
    return Record(
        {name: shape_of(type_) for name, type_ in required.items()},
        {name: shape_of(type_) for name, type_ in optional.items()},
    )
