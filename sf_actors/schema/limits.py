"""Finds out how much a canonical type lets come in: depth, containers, kinds of values."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal, get_origin, is_typeddict

from sf_actors.schema.record_classes import record_class_of
from sf_actors.schema.scalars import NOTHING
from sf_actors.schema.types import bare, holds, parts_of
from sf_actors.wire.limits import KINDS
from sf_actors.wire.memory import Prices

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Stands for a record among the kinds of values.
_RECORD: Final = object()


def depth_of(type_: Any) -> int:
    """Return how many levels of containers a canonical type itself has."""
    type_ = bare(type_)
    parts = parts_of(type_)
    return 1 + max(map(depth_of, parts), default=0) if parts or is_typeddict(type_) else 0


def prices_of(type_: Any) -> Prices | None:
    """Return the prices of the values that a type can have many of; None if it has none."""
    many = frozenset(_many(type_, within=False))
    if not many:
        return None
    return Prices(
        decimals=Decimal in many,
        floats=float in many,
        texts=not many <= _WITHOUT_TEXTS,
        sets=holds_set(type_),
        instance=max(_instances(type_), default=0),
    )


#: Types without texts other than the names of fields.
_WITHOUT_TEXTS = frozenset({int, float, bool, NOTHING, list, tuple, _RECORD})


def _many(type_: Any, *, within: bool) -> Iterator[Any]:
    """Yield the kinds of values in the lists, tuples, sets and mappings of a type."""
    type_ = bare(type_)
    if type_ is Any:
        yield Any
        return
    origin = get_origin(type_)
    parts = () if origin is Literal else [part for part in parts_of(type_) if part is not ...]
    is_container = origin in KINDS
    if within and (is_container or not parts):
        yield origin if is_container else type_
    if within and is_typeddict(type_):
        yield _RECORD
    for part in parts:
        yield from _many(part, within=within or is_container)


def _instances(type_: Any) -> Iterator[int]:
    """Yield the bytes that instances of the records in a type take besides their fields."""
    stands_for = record_class_of(type_)
    if stands_for is not None:
        yield stands_for.extra_bytes
    for part in parts_of(type_):
        yield from _instances(part)


def holds_set(type_: Any) -> bool:
    """Return True if a canonical type contains a set."""
    return holds(type_, lambda part: get_origin(bare(part)) in (set, frozenset))


def refuse_extension(code: int, data: memoryview) -> object:
    """Refuse all of MessagePack's extension types except the timestamp."""
    raise ValueError(f"extension type {code} of {len(data)} bytes")


def is_open(type_: Any) -> bool:
    """Return True if a canonical type contains an undeclared place."""
    return holds(type_, lambda part: part is Any)
