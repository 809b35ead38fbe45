"""Limits of nesting: a value that is too deep can be decoded, but not logged or copied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sf_actors.wire.msgpack import CONTAINERS

if TYPE_CHECKING:
    import msgspec

MAX_DEPTH = 64
"""Most levels of nesting, for values in undeclared places and for declarations of types."""

KINDS = frozenset({dict, list, tuple, set, frozenset})
"""Classes of containers."""


def may_be_deep(raw: bytes | memoryview | msgspec.Raw) -> bool:
    """Return True if bytes could hold more than MAX_DEPTH containers; HOT, False for most."""
    if len(raw) <= MAX_DEPTH:
        return False
    whole = bytes(raw)
    return len(whole) - len(whole.translate(None, CONTAINERS)) > MAX_DEPTH


def is_deep(value: object, limit: int = MAX_DEPTH) -> bool:
    """Return True if a decoded value nests more than `limit` containers."""
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
