"""Reads scalars from text strictly: no spaces, underscores or digits of other scripts."""

from __future__ import annotations

import math
import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from sf_actors.schema.scalars import NOTHING

if TYPE_CHECKING:
    from collections.abc import Callable

#: compiled where they are used: most services read no such text
_INTEGER = r"[+-]?[0-9]+"
_NUMBER = r"(?i)[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf|infinity|nan)"
_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")
_NONE = ("null", "none")
FORMS = {
    bool: "bool (true or false)",
    datetime: "datetime (such as 2026-01-31T12:00:00Z)",
    date: "date (such as 2026-01-31)",
    time: "time (such as 12:00:00)",
    timedelta: "timedelta (such as PT1.5S)",
}
"""The names in messages of types whose text has a special form."""


def read(text: str, type_: Any) -> Any:
    """Read a text as one of the scalar types of models (`SCALARS`).

    :raises ValueError: it cannot be read
    """
    try:
        return _READERS[type_](text)
    except (ArithmeticError, msgspec.ValidationError) as exc:
        raise ValueError(str(exc)) from exc


def _read_int(text: str) -> int:
    if not re.fullmatch(_INTEGER, text):
        raise ValueError(text)
    return int(text)


def _read_float(text: str) -> float:
    number = float(_number(text))
    if math.isinf(number) and "inf" not in text.lower():
        raise ValueError(text)
    return number


def _read_bool(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ValueError(text)


def _read_none(text: str) -> None:
    if text.lower() not in _NONE:
        raise ValueError(text)


def _number(text: str) -> str:
    if not re.fullmatch(_NUMBER, text):
        raise ValueError(text)
    return text


def _read_with_msgspec(type_: Any) -> Callable[[str], Any]:
    return lambda text: msgspec.convert(text, type_)


_LACKING_READERS: dict[Any, Callable[[str], Any]] = {
    # restores the bytes of an argument that the command line could not decode (os.fsdecode)
    bytes: lambda text: text.encode("utf-8", "surrogateescape"),
    Decimal: lambda text: Decimal(_number(text)),
} | {type_: _read_with_msgspec(type_) for type_ in (UUID, datetime, date, time, timedelta)}
_READERS: dict[Any, Callable[[str], Any]] = _LACKING_READERS | {
    str: str,
    int: _read_int,
    float: _read_float,
    bool: _read_bool,
    NOTHING: _read_none,
}

LACKING = frozenset(_LACKING_READERS)
"""The scalar types without values in JSON."""
