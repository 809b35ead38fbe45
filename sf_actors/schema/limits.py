"""What a canonical type lets come in: how deep, how many containers, what kinds of values."""

from __future__ import annotations

from typing import Any, get_origin, is_typeddict

from sf_actors.schema.types import holds, members_of, parts_of
from sf_actors.wire.limits import KINDS
from sf_actors.wire.memory import Prices

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Stands for a record among the kinds of values.
_RECORD: Final = object()


def depth_of(type_: Any) -> int:
    """Return how many containers a canonical type itself puts in each other."""
    parts = parts_of(type_)
    return 1 + max(map(depth_of, parts), default=0) if parts or is_typeddict(type_) else 0


def prices_of(type_: Any) -> Prices | None:
    """Return what the values may become that a canonical type can have many of, if it has such."""
    many = frozenset(_many(type_, within=False))
    if not many:
        return None
    return Prices(
        decimals=Decimal in many,
        floats=float in many,
        texts=not many <= _WITHOUT_TEXTS,
        sets=holds_set(type_),
    )

    Containers that cannot be many need not be counted: a field's own, and those of its own fields.
    """
    if type_ is Any:
        return BYTES_PER_CONTAINER
    parts = parts_of(type_)
    if not is_typeddict(type_):
        if any(map(holds_set, parts)):
            return BYTES_PER_SET
        if get_origin(type_) in KINDS:
            return BYTES_PER_CONTAINER if any(map(_is_container, parts)) else 0
    return max(map(bytes_per_container, parts), default=0)


def holds_set(type_: Any) -> bool:
    """Return whether a canonical type has a set in it."""
    return holds(type_, lambda part: get_origin(part) in (set, frozenset))


def refuse_extension(code: int, data: memoryview) -> object:
    """Refuse MessagePack's extension types wherever they stand, but for the timestamp."""
    raise ValueError(f"extension type {code} of {len(data)} bytes")


def is_open(type_: Any) -> bool:
    """Return whether a canonical type has an undeclared place in it."""
    return holds(type_, lambda part: part is Any)
