"""Checks values in undeclared places (`object`, `dict`, `list`) before they are sent.

They must arrive equal and of the same type although the receiver has no declaration for them, so
only types that MessagePack itself distinguishes are allowed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sf_actors.schema.mismatch import Mismatch, mapping_of, mismatch
from sf_actors.schema.scalars import SCALARS, check_datetime, check_int, check_str
from sf_actors.wire.limits import MAX_DEPTH
from sf_actors.wording import named

_OPEN_KEYS = frozenset(kind for kind, scalar in SCALARS.items() if scalar.is_native)
_OPEN_SCALARS = frozenset(kind for kind in _OPEN_KEYS if SCALARS[kind].test_source == "")
_ADVICE = "; a value of another type must be declared in the model to arrive as it is"


_SCALARS = f"None, bool, int, float, str, bytes, list, dict or a datetime with a zone{_ADVICE}"
_KEYS = f"str, int, float, bool, bytes or None as a key{_ADVICE}"


def check_anything(value: Any, depth: int = MAX_DEPTH) -> Any:
    """Return the value to send for a value in an undeclared place.

    :param depth: levels of containers still allowed, the value itself included
    :raises Mismatch: it would arrive as something else, or nests too deep (or contains itself)
    """
    kind = type(value)
    if kind in _OPEN_SCALARS:
        return value
    if kind is str:
        return check_str(value)
    if kind is int:
        return check_int(value)
    if kind is datetime and value.utcoffset() is not None:
        return check_datetime(value)
    if kind is not list and kind is not dict:
        value = mapping_of(value, _SCALARS)
    if depth == 0:
        raise Mismatch(f"expected at most {MAX_DEPTH} nested lists and dicts, got more")
    return _check_list(value, depth - 1) if kind is list else _check_dict(value, depth - 1)


def check_key(key: Any) -> Any:
    """Return the key to send for a key of a mapping whose keys are undeclared.

    :raises Mismatch: it would arrive as something else
    """
    if type(key) in _OPEN_KEYS:
        return check_anything(key)
    raise mismatch(_KEYS, key)


def _check_list(items: list[Any], depth: int) -> list[Any]:
    if _OPEN_SCALARS.issuperset(map(type, items)):
        return items
    checked: list[Any] = []
    try:
        for item in items:
            checked.append(check_anything(item, depth))  # noqa: PERF401 - its length is the index
    except Mismatch as error:
        error.under(f"[{len(checked)}]")
        raise
    return checked


def _check_dict(mapping: dict[Any, Any], depth: int) -> dict[Any, Any]:
    for key in mapping:
        check_key(key)
    checked = {}
    key = None
    try:
        for key, value in mapping.items():
            checked[key] = check_anything(value, depth)
    except Mismatch as error:
        error.under(f".{named(key)}")
        raise
    return checked
