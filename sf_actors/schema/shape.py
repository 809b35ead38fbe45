"""The structure of a state's fields, as far as merging needs it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args, get_origin, is_typeddict

from sf_actors.schema.types import bare, fields_of, members_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import msgspec

    Bounds = tuple[msgspec.Meta, ...]


@dataclass(frozen=True, slots=True)
class Leaf:
    """A value that is replaced whole: a scalar, list, tuple, set, or a union of these."""

    @property
    def is_bounded(self) -> bool:
        """False: its bounds are checked with its type, since it is never merged."""
        return False


@dataclass(frozen=True, slots=True)
class Open:
    """An undeclared place: any value, merged by RFC 7396 alone.

    :ivar bounds: of a mapping there
    """

    bounds: Bounds = ()

    @property
    def is_bounded(self) -> bool:
        """Whether a mapping there has bounds."""
        return bool(self.bounds)


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping of any keys to values of one shape: ``{K: V}``.

    :ivar bounds: of the mapping itself
    :ivar is_bounded: it, or a mapping that is merged within it, has bounds
    """

    value: Shape
    bounds: Bounds = ()
    is_bounded: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_bounded", bool(self.bounds) or self.value.is_bounded)


@dataclass(frozen=True, slots=True)
class Record:
    """A mapping of known fields: the message itself, or a nested ``{'field': T}``.

    :ivar tables: the fields that are tables of leaves without bounds, which most deltas change
    :ivar is_bounded: a mapping that is merged within it has bounds
    """

    required: Mapping[str, Shape]
    optional: Mapping[str, Shape]
    tables: frozenset[str] = field(init=False)
    is_bounded: bool = field(init=False)

    def __post_init__(self) -> None:
        fields = (*self.required.items(), *self.optional.items())
        tables = frozenset(name for name, kind in fields if kind == Table(Leaf()))
        object.__setattr__(self, "tables", tables)
        object.__setattr__(self, "is_bounded", any(kind.is_bounded for _, kind in fields))


Shape = Leaf | Open | Table | Record


def shape_of(canonical: Any) -> Shape:
    """Return the shape of a canonical type (see `sf_actors.schema.types.canonical`)."""
    bounds = _bounds_of_mapping(canonical)
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
    whole = len(members) == 1 or all(isinstance(shape_of(member), Leaf) for member in members)
    return Leaf() if whole else Open(bounds)


def _bounds_of_mapping(canonical: Any) -> Bounds:
    """Return the bounds of the mapping that a canonical type is, or has among its members."""
    for member in members_of(canonical):
        if bare(member) is not member and get_origin(bare(member)) is dict:
            return get_args(member)[1:]
    return ()


def record_of(required: Mapping[str, Any], optional: Mapping[str, Any]) -> Record:
    """Return the shape of fields of canonical types."""
    return Record(
        {name: shape_of(type_) for name, type_ in required.items()},
        {name: shape_of(type_) for name, type_ in optional.items()},
    )
