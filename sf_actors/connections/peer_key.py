"""What a requester's `by` hashes: the same bytes for equal values."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from typing import Any, Final

from msgspec import msgpack

#: Cuts zeros off the end and rounds nothing.
_EXACT: Final = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)


def peer_key(value: Any) -> bytes:
    """Return a checked value of the field as bytes, whatever the order of its keys and members."""
    return _packed(_normal(value))


def _normal(value: Any) -> Any:
    """Return an equal value that is written in one way only, its keys and members too."""
    if type(value) is Decimal and value.is_finite():
        # 1.50 and 1.5 are written differently; so is a zero of another sign or exponent
        return _EXACT.normalize(value) if value else Decimal(0)
    if type(value) is float:
        # the sum of -0.0 and 0.0 is 0.0
        return value + 0.0
    if isinstance(value, Mapping):
        return {_normal(key): _normal(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return type(value)(map(_normal, value))
    return value


def _packed(value: Any) -> bytes:
    try:
        return msgpack.encode(value, order="deterministic")
    except TypeError:
        # keys that are no texts, or members that have no order, can be sorted as bytes alone
        if isinstance(value, Mapping):
            pairs = [(_packed(key), _packed(inner)) for key, inner in value.items()]
            return msgpack.encode(sorted(pairs))
        if isinstance(value, (set, frozenset)):
            return msgpack.encode(sorted(map(_packed, value)))
        return msgpack.encode(value)
