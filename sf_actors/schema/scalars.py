"""Single values against declared types, before they are sent."""

from __future__ import annotations

import enum
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, get_args
from uuid import UUID

from sf_actors.schema.mismatch import mismatch
from sf_actors.schema.types import NOTHING, describe, members_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    Check = Callable[[Any], Any]

LEAST, BEYOND = -(2**63), 2**64
"""The least integer that MessagePack holds, and the first beyond the largest."""

_FLOAT = 2**53
_AS_IT_IS = frozenset({bool, bytes, float, Decimal, UUID, date, timedelta, NOTHING})


def exact(kind: type) -> Check:
    """Return the check of a type whose values are sent as they are."""

    def check(value: Any) -> Any:
        if type(value) is kind:
            return value
        raise mismatch(describe(kind), value)

    return check


def check_int(value: Any) -> Any:
    """Return an int that 64 bits can hold, signed or unsigned."""
    if type(value) is not int:
        raise mismatch("int", value)
    if LEAST <= value < BEYOND:
        return value
    raise mismatch("int of at most 64 bits", value)


def check_float(value: Any) -> Any:
    """Return a float, made of an int where that loses nothing."""
    if type(value) is float:
        return value
    if type(value) is not int:
        raise mismatch("float", value)
    if -_FLOAT <= value <= _FLOAT:
        return float(value)
    raise mismatch("float, or an int of at most 2**53", value)


def check_str(value: Any) -> Any:
    """Return a text that UTF-8 can hold."""
    if type(value) is not str:
        raise mismatch("str", value)
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise mismatch("text without lone surrogates", value) from None
    return value


def check_datetime(value: Any) -> Any:
    """Return a datetime without a zone, or in UTC, as the timestamp brings it back."""
    if type(value) is not datetime:
        raise mismatch("datetime", value)
    if value.tzinfo is None or value.tzinfo is UTC:
        return value
    if value.utcoffset() is None:
        return value.replace(tzinfo=None)
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise mismatch("datetime within the years 1 to 9999 of UTC", value) from None


def check_time(value: Any) -> Any:
    """Return a time whose offset, if any, its text can hold: whole minutes."""
    if type(value) is not time:
        raise mismatch("time", value)
    if value.tzinfo is not None:
        offset = value.utcoffset()
        if offset is None:
            return value.replace(tzinfo=None)
        if offset % timedelta(minutes=1):
            raise mismatch("time with whole minutes of offset", value)
    return value


def one_of(type_: Any) -> Check:
    """Return the check of a Literal."""
    values = frozenset((type(value), value) for value in get_args(type_))

    def check(value: Any) -> Any:
        if type(value) in (str, int, NOTHING) and (type(value), value) in values:
            return value
        raise mismatch(describe(type_), value)

    return check


def unchanged(type_: Any) -> Callable[[Collection[Any]], bool] | None:
    """Return a test in C speed, true when all of some values may be sent as they are.

    None for the types that have no such test; it may say no where item by item says yes, as it
    does to texts beyond ASCII.
    """
    if type_ is str:
        return lambda values: {str}.issuperset(map(type, values)) and all(map(str.isascii, values))
    if type_ is int:
        return lambda values: (
            {int}.issuperset(map(type, values))
            and (not values or (min(values) >= LEAST and max(values) < BEYOND))
        )
    kinds = frozenset(members_of(type_))
    if all(map(is_sent_as_it_is, kinds)):
        return lambda values: kinds.issuperset(map(type, values))
    return None


def is_sent_as_it_is(type_: Any) -> bool:
    """Return whether a canonical type is a class whose instances are all sent unchanged."""
    return type_ in _AS_IT_IS or is_enum(type_)


def is_enum(type_: Any) -> bool:
    """Return whether a canonical type is an Enum."""
    return isinstance(type_, type) and issubclass(type_, enum.Enum)
