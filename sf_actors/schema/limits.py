"""What a canonical type lets come in: how deep, how many containers, what kinds of values."""

from __future__ import annotations

from typing import Any, get_origin, is_typeddict

from sf_actors.schema.types import holds, members_of, parts_of
from sf_actors.wire.limits import KINDS

BYTES_PER_CONTAINER = 4
BYTES_PER_SET = 12
"""What a message with more of them must have for each: an empty list takes 80 bytes of memory, a
set 240, and nobody is to take more than some twenty times the bytes that were sent."""


def depth_of(type_: Any) -> int:
    """Return how many containers a canonical type itself puts in each other."""
    parts = parts_of(type_)
    return 1 + max(map(depth_of, parts), default=0) if parts or is_typeddict(type_) else 0


def bytes_per_container(type_: Any) -> int:
    """Return what `require_sparse` is to ask of values of a canonical type; 0: nothing.

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


def _is_container(type_: Any) -> bool:
    return is_typeddict(type_) or any(
        member is Any or is_typeddict(member) or get_origin(member) in KINDS
        for member in members_of(type_)
    )


def refuse_extension(code: int, data: memoryview) -> object:
    """Refuse MessagePack's extension types wherever they stand, but for the timestamp."""
    raise ValueError(f"extension type {code} of {len(data)} bytes")


def is_open(type_: Any) -> bool:
    """Return whether a canonical type has an undeclared place in it."""
    return holds(type_, lambda part: part is Any)
