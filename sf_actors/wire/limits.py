"""What MessagePack could hold and a message may not.

Nesting that is too deep decodes, and then breaks whoever logs or copies it; extension types have no
meaning to anyone here, so fields may not hold any.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args, is_typeddict

from sf_actors.wire.types import MAX_DEPTH, fields_of

if TYPE_CHECKING:
    import msgspec

_KINDS = frozenset({dict, list, tuple, set, frozenset})
_CONTAINERS = bytes([*range(0x80, 0xA0), 0xDC, 0xDD, 0xDE, 0xDF])
"""The first bytes of maps and arrays in MessagePack."""


def may_be_deep(raw: bytes | memoryview | msgspec.Raw) -> bool:
    """Return whether bytes could hold more than MAX_DEPTH containers; HOT, false for most."""
    if len(raw) <= MAX_DEPTH:
        return False
    whole = bytes(raw)
    return len(whole) - len(whole.translate(None, _CONTAINERS)) > MAX_DEPTH


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
