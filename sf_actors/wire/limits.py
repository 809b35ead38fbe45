"""Nesting that is too deep: it decodes, and then breaks whoever logs or copies it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sf_actors.wire.msgpack import CONTAINERS

if TYPE_CHECKING:
    import msgspec

MAX_DEPTH = 64
"""How deep values in undeclared places, and declarations of types, may nest."""

KINDS = frozenset({dict, list, tuple, set, frozenset})
"""Classes of containers."""


def may_be_deep(raw: bytes | memoryview | msgspec.Raw) -> bool:
    """Return whether bytes could hold more than MAX_DEPTH containers; HOT, false for most."""
    if len(raw) <= MAX_DEPTH:
        return False
    whole = bytes(raw)
    return len(whole) - len(whole.translate(None, CONTAINERS)) > MAX_DEPTH


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
