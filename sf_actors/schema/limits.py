"""What a canonical type lets come in: how deep, how many containers, what kinds of values."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal, get_args, get_origin, is_typeddict

from sf_actors.schema.types import NOTHING, fields_of
from sf_actors.wire.limits import KINDS
from sf_actors.wire.memory import Prices

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Stands for a record among the kinds of values.
_RECORD: Final = object()


def depth_of(type_: Any) -> int:
    """Return how many containers a canonical type itself puts in each other."""
    if is_typeddict(type_):
        required, optional = fields_of(type_)
        return 1 + max(map(depth_of, (*required.values(), *optional.values())), default=0)
    members = get_args(type_)
    return 1 + max(map(depth_of, members)) if members else 0


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


#: What has no texts but the names of fields.
_WITHOUT_TEXTS = frozenset({int, float, bool, NOTHING, list, tuple, _RECORD})


def _many(type_: Any, *, within: bool) -> Iterator[Any]:
    """Give the kinds of values that stand in lists, tuples, sets and mappings of a type."""
    if type_ is Any:
        yield Any
    elif is_typeddict(type_):
        if within:
            yield _RECORD
        required, optional = fields_of(type_)
        for part in (required | optional).values():
            yield from _many(part, within=within)
    else:
        origin, members = get_origin(type_), get_args(type_)
        is_container = origin in KINDS
        if within and (is_container or not members):
            yield origin if is_container else type_
        if origin is not Literal:
            for member in members:
                if member is not ...:
                    yield from _many(member, within=within or is_container)


def holds_set(type_: Any) -> bool:
    """Return whether a canonical type has a set in it."""
    if is_typeddict(type_):
        required, optional = fields_of(type_)
        return any(map(holds_set, (*required.values(), *optional.values())))
    return get_origin(type_) in (set, frozenset) or any(map(holds_set, get_args(type_)))


def refuse_extension(code: int, data: memoryview) -> object:
    """Refuse MessagePack's extension types wherever they stand, but for the timestamp."""
    raise ValueError(f"extension type {code} of {len(data)} bytes")


def is_open(type_: Any) -> bool:
    """Return whether a canonical type has an undeclared place in it."""
    if type_ is Any:
        return True
    if is_typeddict(type_):
        required, optional = fields_of(type_)
        return any(map(is_open, (*required.values(), *optional.values())))
    return any(map(is_open, get_args(type_)))
