"""The scalars: the table of all single values that a message may hold, with their checks."""

from __future__ import annotations

import enum
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from msgspec import Struct

from sf_actors.schema.mismatch import mismatch

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    Check = Callable[[Any], Any]

NOTHING: Final = type(None)

#: The smallest integer that MessagePack can hold, and the first one that is too large.
LEAST, BEYOND = -(2**63), 2**64

#: The largest integer up to which a float holds every integer exactly.
_EXACT_IN_FLOAT: Final = 2**53


class Scalar(Struct, frozen=True, kw_only=True):
    """How values of one type are sent.

    :ivar check: returns the value to send, or raises `Mismatch`
    :ivar test_source: Python code that is true if a value `{it}` of the type is sent as it is;
        empty: all are; None: only `check` can decide
    :ivar all_pass: the same test for many values of the type, in one pass of C
    :ivar is_flat: a value arrives as it was sent
    :ivar is_native: MessagePack itself distinguishes values of the type from others
    """

    check: Check
    test_source: str | None = ""
    all_pass: Callable[[Collection[Any]], bool] | None = None
    is_flat: bool = False
    is_native: bool = False


def exact(kind: type, name: str) -> Check:
    """Return the check of a type whose values are sent as they are.

    :param name: of the type, for messages
    """

    def check(value: Any) -> Any:
        if type(value) is kind:
            return value
        raise mismatch(name, value)

    return check


def check_int(value: Any) -> Any:
    """Return an int that 64 bits can hold, signed or unsigned."""
    if type(value) is not int:
        raise mismatch("int", value)
    if LEAST <= value < BEYOND:
        return value
    raise mismatch("int of at most 64 bits", value)


def _check_float(value: Any) -> Any:
    if type(value) is float:
        return value
    if type(value) is not int:
        raise mismatch("float", value)
    if -_EXACT_IN_FLOAT <= value <= _EXACT_IN_FLOAT:
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
    """Return a datetime without a zone or in UTC, as the receiver gets it."""
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


def _check_time(value: Any) -> Any:
    """Return a time whose offset, if any, is in whole minutes, as its text needs."""
    if type(value) is not time:
        raise mismatch("time", value)
    if value.tzinfo is not None:
        offset = value.utcoffset()
        if offset is None:
            return value.replace(tzinfo=None)
        if offset % timedelta(minutes=1):
            raise mismatch("time with whole minutes of offset", value)
    return value


def _all_fit(numbers: Collection[int]) -> bool:
    return not numbers or (min(numbers) >= LEAST and max(numbers) < BEYOND)


def _all_ascii(texts: Collection[str]) -> bool:
    return all(map(str.isascii, texts))


SCALARS: Final[dict[Any, Scalar]] = {
    NOTHING: Scalar(check=exact(NOTHING, "None"), is_flat=True, is_native=True),
    bool: Scalar(check=exact(bool, "bool"), is_flat=True, is_native=True),
    int: Scalar(
        check=check_int,
        test_source=f"{LEAST} <= {{it}} < {BEYOND}",
        all_pass=_all_fit,
        is_flat=True,
        is_native=True,
    ),
    # `check` turns an int into a float
    float: Scalar(check=_check_float, is_flat=True, is_native=True),
    str: Scalar(
        check=check_str,
        test_source="{it}.isascii()",
        all_pass=_all_ascii,
        is_flat=True,
        is_native=True,
    ),
    bytes: Scalar(check=exact(bytes, "bytes"), is_flat=True, is_native=True),
    Decimal: Scalar(check=exact(Decimal, "Decimal"), is_flat=True),
    UUID: Scalar(check=exact(UUID, "UUID"), is_flat=True),
    date: Scalar(check=exact(date, "date")),
    timedelta: Scalar(check=exact(timedelta, "timedelta")),
    datetime: Scalar(check=check_datetime, test_source=None),
    time: Scalar(check=_check_time, test_source=None),
}


def scalar_of(type_: Any) -> Scalar | None:
    """Return the scalar of a canonical type, if it is one or an Enum."""
    if is_enum(type_):
        return Scalar(check=exact(type_, type_.__qualname__))
    return SCALARS.get(type_)


def is_enum(type_: Any) -> bool:
    """Return True if a canonical type is an Enum."""
    return isinstance(type_, type) and issubclass(type_, enum.Enum)


def is_flag(type_: Any) -> bool:
    """Return True if a canonical type is an Enum whose members can be combined."""
    return isinstance(type_, type) and issubclass(type_, enum.Flag)
