"""What MessagePack could hold and a message may not.

Nesting that is too deep decodes, and then breaks whoever logs or copies it; a flood of containers
of a byte each takes some 80 bytes of memory for each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sf_actors.wire.msgpack import CONTAINERS
from sf_actors.wire.tokens import count_containers

if TYPE_CHECKING:
    import msgspec

MAX_DEPTH = 64
"""How deep values in undeclared places, and declarations of types, may nest."""

FREE_CONTAINERS = 200_000
"""Lists, dicts and sets that a message may hold however small it is: some 16 MB."""

KINDS = frozenset({dict, list, tuple, set, frozenset})
"""Classes of containers."""


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
        containers: list[Any] = [item for item in level if type(item) in KINDS]
        if not containers:
            return False
        level = []
        for item in containers:
            if item:  # a flood of empty ones is cheap to send
                level += item
                if type(item) is dict:
                    level += item.values()
    return True
