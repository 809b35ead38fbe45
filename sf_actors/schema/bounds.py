"""Checks the bounds of `Annotated[T, msgspec.Meta(…)]` before values are sent.

On receipt the decoder itself checks them.
"""

from __future__ import annotations

import re
from datetime import datetime, time
from functools import lru_cache
from operator import ge, gt, le, lt
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

_NUMBERS: Final = {"gt": gt, "ge": ge, "lt": lt, "le": le}
_NAMES: Final = (*_NUMBERS, "multiple_of", "min_length", "max_length", "pattern", "tz")


def bounds_of(metadata: Iterable[object]) -> tuple[msgspec.Meta, ...]:
    """Return the items of an `Annotated` that bound a value; the others only describe it."""
    return tuple(meta for meta in metadata if isinstance(meta, msgspec.Meta) and any(_given(meta)))


def described(bounds: Iterable[msgspec.Meta]) -> str:
    """Return the bounds as they are written: ``ge=0, le=5``."""
    return ", ".join(f"{name}={value!r}" for bound in bounds for name, value in _given(bound))


def is_within(value: Any, bounds: Iterable[msgspec.Meta]) -> bool:
    """Return True if a value of the right type is within bounds."""
    return all(_holds(value, name, limit) for bound in bounds for name, limit in _given(bound))


@lru_cache(maxsize=256)
def _given(bound: msgspec.Meta) -> tuple[tuple[str, Any], ...]:
    pairs = ((name, getattr(bound, name)) for name in _NAMES)
    return tuple((name, value) for name, value in pairs if value is not None)


def _holds(value: Any, name: str, limit: Any) -> bool:
    """Return True if one bound holds; a bound on other types, as in a union, always does."""
    if name in _NUMBERS:
        return type(value) not in (int, float) or _NUMBERS[name](value, limit)
    if name == "multiple_of":
        return type(value) not in (int, float) or value % limit == 0
    if name == "pattern":
        return type(value) is not str or re.search(limit, value) is not None
    if name == "tz":
        return not isinstance(value, datetime | time) or (value.tzinfo is not None) is limit
    if not hasattr(value, "__len__"):
        return True
    is_within: bool = len(value) >= limit if name == "min_length" else len(value) <= limit
    return is_within
