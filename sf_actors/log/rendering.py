"""A line as JSON and as text for a terminal.

Nothing here raises for what a user logs: a value that JSON lacks stands there as its repr, one that
cannot even be shown as a note that says so.
"""

from __future__ import annotations

import math
from functools import cache
from json import JSONEncoder
from typing import TYPE_CHECKING, Any

from structlog.dev import ConsoleRenderer, plain_traceback

from sf_actors.errors import ServiceStopped

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_DEPTH = 32
"""What is nested deeper is left out of a line, with a note."""


def to_json(line: dict[str, Any], *, ascii_only: bool = False) -> str:
    """Return the line as one JSON object, without the end of the line."""
    encode = _ASCII if ascii_only else _UNICODE
    try:
        text = encode(line)
    except ServiceStopped:
        raise
    except Exception:  # noqa: BLE001 - keys, depth, cycles, NaN, a value that changes meanwhile
        text = encode(_plain(line, MAX_DEPTH))
    if text.isascii():
        return text
    # A lone surrogate cannot be written; its backslash form is JSON's own escape for it.
    return text.encode("utf-8", "backslashreplace").decode()


def to_text(line: dict[str, Any], *, colours: bool) -> str:
    """Return the line as text for a person, without the end of the line."""
    try:
        return _terminal(colours)(None, "", dict(line))
    except ServiceStopped:
        raise
    except Exception:  # noqa: BLE001 - a value that cannot be shown; JSON copes with it
        return to_json(line)


@cache
def _terminal(colours: bool) -> ConsoleRenderer:
    return ConsoleRenderer(colors=colours, sort_keys=False, exception_formatter=plain_traceback)


def guarded(show: Callable[[Any], str], value: object) -> str:
    """Return what `show` makes of a value, or a note that it raised."""
    try:
        return show(value)
    except ServiceStopped:
        raise
    except Exception as fault:  # noqa: BLE001 - anything may stand in a user's __repr__
        return f"<{type(value).__name__}: showing it raised {type(fault).__name__}>"


def _foreign(value: object) -> object:
    plain = getattr(type(value), "__plain__", None)
    return plain(value) if plain is not None else guarded(repr, value)


def _plain(value: object, depth: int) -> Any:
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        # The interpreter refuses to write integers of thousands of digits.
        return value if value.bit_length() < 4096 else guarded(hex, value)
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if not isinstance(value, dict | list | tuple):
        return guarded(repr, value)
    if depth == 0:
        return f"<{type(value).__name__}: nested more than {MAX_DEPTH} deep>"
    if isinstance(value, dict):
        # list(): a copy in one step, since another thread may change the mapping meanwhile.
        return {
            key if isinstance(key, str) else guarded(repr, key): _plain(item, depth - 1)
            for key, item in list(value.items())
        }
    return [_plain(item, depth - 1) for item in list(value)]


_UNICODE = JSONEncoder(default=_foreign, allow_nan=False, ensure_ascii=False).encode
_ASCII = JSONEncoder(default=_foreign, allow_nan=False).encode
