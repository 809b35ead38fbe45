"""What MessagePack could hold and a message may not.

Nesting that is too deep decodes, and then breaks whoever logs or copies it; a flood of containers
of a byte each takes some 80 bytes of memory for each; extension types have no meaning to anyone
here, so fields may not hold any.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args, get_origin, is_typeddict

from sf_actors.wire.msgpack import CONTAINERS
from sf_actors.wire.tokens import count_containers
from sf_actors.wire.types import MAX_DEPTH, fields_of, members_of

if TYPE_CHECKING:
    import msgspec

_KINDS = frozenset({dict, list, tuple, set, frozenset})
FREE_CONTAINERS = 200_000
"""Lists, dicts and sets that a message may hold however small it is: some 16 MB."""

BYTES_PER_CONTAINER = 4
BYTES_PER_SET = 12
"""What a message with more of them must have for each: an empty list takes 80 bytes of memory, a
set 240, and nobody is to take more than some twenty times the bytes that were sent."""


def may_be_deep(raw: bytes | memoryview | msgspec.Raw) -> bool:
    """Return whether bytes could hold more than MAX_DEPTH containers; HOT, false for most."""
    if len(raw) <= MAX_DEPTH:
        return False
    whole = bytes(raw)
    return len(whole) - len(whole.translate(None, CONTAINERS)) > MAX_DEPTH


def require_sparse(raw: bytes | memoryview | msgspec.Raw, bytes_per_container: int) -> None:
    """Refuse bytes that hold far more containers than content.

    :raises ValueError: they do
    """
    size = len(raw)
    allowed = max(FREE_CONTAINERS, size // bytes_per_container)
    if size > FREE_CONTAINERS and count_containers(raw, allowed) > allowed:
        raise ValueError(f"expected at most {allowed} lists and dicts in {size} bytes, got more")


def is_deep(value: object, limit: int = MAX_DEPTH) -> bool:
    """Return whether a decoded value holds more than `limit` containers in each other."""
    level = [value]
    for _ in range(limit + 1):
        containers: list[Any] = [item for item in level if type(item) in _KINDS]
        if not containers:
            return False
        level = []
        for item in containers:
            if item:  # a flood of empty ones is cheap to send
                level += item
                if type(item) is dict:
                    level += item.values()
    return True


def depth_of(type_: Any) -> int:
    """Return how many containers a canonical type itself puts in each other."""
    if is_typeddict(type_):
        required, optional = fields_of(type_)
        return 1 + max(map(depth_of, (*required.values(), *optional.values())), default=0)
    members = get_args(type_)
    return 1 + max(map(depth_of, members)) if members else 0


def bytes_per_container(type_: Any) -> int:
    """Return what `require_sparse` is to ask of values of a canonical type; 0: nothing.

    Containers that cannot be many need not be counted: a field's own, and those of its own fields.
    """
    members = get_args(type_)
    if type_ is Any:
        return BYTES_PER_CONTAINER
    if is_typeddict(type_):
        required, optional = fields_of(type_)
        members = (*required.values(), *optional.values())
        return max(map(bytes_per_container, members), default=0)
    if not members:
        return 0
    if any(map(_holds_set, members)):
        return BYTES_PER_SET
    if get_origin(type_) in _KINDS:
        return BYTES_PER_CONTAINER if any(map(_is_container, members)) else 0
    return max(map(bytes_per_container, members))


def _holds_set(type_: Any) -> bool:
    if is_typeddict(type_):
        required, optional = fields_of(type_)
        return any(map(_holds_set, (*required.values(), *optional.values())))
    return get_origin(type_) in (set, frozenset) or any(map(_holds_set, get_args(type_)))


def _is_container(type_: Any) -> bool:
    return is_typeddict(type_) or any(
        member is Any or is_typeddict(member) or get_origin(member) in _KINDS
        for member in members_of(type_)
    )


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
