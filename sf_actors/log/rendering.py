"""Renders a line as JSON, or as text for a terminal.

Rendering never raises: a value that JSON lacks is written as its repr, and one whose repr fails as
a note. The result is always one line, apart from a traceback. Control characters are escaped, in
JSON files too, since a file may be shown on a terminal.
"""

from __future__ import annotations

import math
from functools import cache, partial
from itertools import islice
from json import JSONEncoder
from typing import TYPE_CHECKING, Any

from sf_actors.errors import ServiceStopped
from sf_actors.log.tracebacks import Traceback
from sf_actors.wording import bounded, escaped, unsafe

if TYPE_CHECKING:
    import re
    from collections.abc import Callable

    from structlog.dev import ConsoleRenderer

MAX_DEPTH = 32
"""How deep values may be nested; deeper ones are replaced by a note."""

MAX_LINE_BYTES = 2**20
"""The size of a line above which its values are cut, with notes."""

MAX_FIELDS = 100
"""The most fields that such a line keeps."""


def to_json(line: dict[str, Any], *, ascii_only: bool = False) -> str:
    """Return the line as one JSON object, without a newline."""
    return _fitted(_as_ascii if ascii_only else _as_json, line)


def to_text(line: dict[str, Any], *, colours: bool) -> str:
    """Return the line as readable text, without a newline."""
    try:
        return _fitted(partial(_as_text, _terminal(colours)), line)
    except ServiceStopped:
        raise
    except Exception:  # noqa: BLE001 - a value that cannot be shown; JSON copes with it
        return to_json(line)


@cache
def _terminal(colours: bool) -> ConsoleRenderer:
    from structlog.dev import ConsoleRenderer, plain_traceback  # noqa: PLC0415 - for terminals

    return ConsoleRenderer(colors=colours, sort_keys=False, exception_formatter=plain_traceback)


def _fitted(render: Callable[[dict[str, Any]], str], line: dict[str, Any]) -> str:
    text = render(line)
    limit = MAX_LINE_BYTES
    # a character takes at most four bytes
    while len(text) > MAX_LINE_BYTES // 4 and _size(text) > MAX_LINE_BYTES:
        limit //= 2
        line = _shortened(line, limit)
        text = render(line)
    return text


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _shortened(line: dict[str, Any], limit: int) -> dict[str, Any]:
    """Return the line with its first fields, names and values cut to `limit` characters."""
    short = {
        bounded(_name(key), limit): _cut(value, limit)
        for key, value in islice(line.items(), MAX_FIELDS)
    }
    if len(line) > MAX_FIELDS:
        short["fields_left_out"] = len(line) - MAX_FIELDS
    return short


def _cut(value: Any, limit: int) -> Any:
    text = value if isinstance(value, str) else _as_json(value)
    if len(text) <= limit:
        return value
    return Traceback(bounded(text, limit)) if isinstance(value, Traceback) else bounded(text, limit)


def _as_json(value: Any) -> str:
    return _encoded(_UNICODE, value)


def _as_ascii(value: Any) -> str:
    return _encoded(_ASCII, value)


def _encoded(encode: Callable[[Any], str], value: Any) -> str:
    try:
        text = encode(value)
    except ServiceStopped:
        raise
    except Exception:  # noqa: BLE001 - keys, depth, cycles, NaN, a value that changes meanwhile
        text = encode(_plain(value, MAX_DEPTH))
    # JSON itself escapes controls below the space; other harmful characters occur only in texts
    if ("\x7f" not in text) if text.isascii() else text.isprintable():
        return text
    return unsafe().sub(_json_escape, text)


def _json_escape(found: re.Match[str]) -> str:
    # beyond 16 bits the encoder makes a surrogate pair; it does not escape 0x7f itself
    return f"\\u{ord(found[0]):04x}" if found[0] <= "\uffff" else _ASCII(found[0])[1:-1]


def _as_text(render: ConsoleRenderer, line: dict[str, Any]) -> str:
    if _is_visible(line):
        return render(None, "", dict(line))
    return render(None, "", {escaped(_name(key)): _visible(key, line[key]) for key in line})


def _is_visible(line: dict[str, Any]) -> bool:
    """Return True if nothing in a line needs escaping, as usual."""
    for key, value in line.items():
        if type(key) is not str or not key.isprintable() or key in _BLOCKS:
            return False
        if not value.isprintable() if type(value) is str else type(value) not in _BRIEF:
            return False
    return True


_BRIEF = (int, float, bool, type(None))


def _name(key: object) -> str:
    return key if isinstance(key, str) else guarded(repr, key)


def _visible(key: str, value: Any) -> Any:
    """Return a value in a form that structlog shows without control characters."""
    if key in _BLOCKS:
        return _block(value)
    if key in _BARE:
        return escaped(value if isinstance(value, str) else guarded(str, value))
    if isinstance(value, str) and (value.isprintable() or not unsafe().search(value)):
        return value
    return _Shown(escaped(guarded(repr, value)))


_BARE = ("event", "logger", "logger_name")
"""Fields that structlog shows without quotes."""

_BLOCKS = ("exception", "stack")
"""Fields that structlog shows below the line, over several lines."""


class _Shown:
    """A value that structlog shows as exactly this text."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _block(value: Any) -> str | None:
    """Return a block of text in which no line looks like a log line."""
    if value is None:
        return None
    text = value if isinstance(value, str) else guarded(str, value)
    lines = map(escaped, text.split("\n"))
    if isinstance(value, Traceback):
        return "\n".join(lines)
    return "\n".join(line if line.startswith(_OF_A_BLOCK) else f"    {line}" for line in lines)


_OF_A_BLOCK = (" ", "Stack (most recent call last):")


def guarded(show: Callable[[Any], str], value: object) -> str:
    """Return `show(value)`, or a note that it raised."""
    try:
        return show(value)
    except ServiceStopped:
        raise
    except Exception as fault:  # noqa: BLE001 - a user's __repr__ may raise anything
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
        # the interpreter refuses to write integers of thousands of digits
        return value if value.bit_length() < 4096 else guarded(hex, value)
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if not isinstance(value, dict | list | tuple):
        return guarded(repr, value)
    if depth == 0:
        return f"<{type(value).__name__}: nested more than {MAX_DEPTH} deep>"
    if isinstance(value, dict):
        # list() copies in one step: another thread may change the mapping meanwhile
        return {
            key if isinstance(key, str) else guarded(repr, key): _plain(item, depth - 1)
            for key, item in list(value.items())
        }
    return [_plain(item, depth - 1) for item in list(value)]


_UNICODE = JSONEncoder(default=_foreign, allow_nan=False, ensure_ascii=False).encode
_ASCII = JSONEncoder(default=_foreign, allow_nan=False).encode
