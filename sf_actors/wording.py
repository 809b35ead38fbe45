"""Formats values for messages: short, on one line, without raising.

Texts from outside may be long, and may contain characters that move the cursor or reorder a line:
`bounded` cuts them, `escaped` makes such characters visible.
"""

from __future__ import annotations

import re
import reprlib
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_LENGTH = 60

#: Stands for a value that must not be shown.
LEFT_OUT = "…"

#: Names of fewer letters resemble each other by chance.
_LONG_NAME = 8

#: Longest text from outside that is kept or logged, in characters.
LONGEST_TEXT = 2048

#: Characters that move the cursor, begin a line, reorder or hide text, or cannot be encoded.
_UNSAFE = (
    r"[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    r"\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)


class _Short(reprlib.Repr):
    """The shortened repr of any value, at a cost of only the part that is shown.

    `reprlib.Repr` sorts a whole mapping or set to show four items.

    :param items: most items shown of each list, mapping or set
    :param length: most characters of each text
    """

    def __init__(self, *, items: int, length: int) -> None:
        super().__init__()
        self.maxlevel = 3
        self.maxdict = self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = items
        self.maxstring = self.maxlong = self.maxother = length

    def repr_bytes(self, value: bytes, level: int) -> str:
        """Cut before taking the repr: a megabyte of bytes becomes four of text."""
        del level
        return repr(value[: self.maxstring])

    def repr_dict(self, value: Mapping[Any, Any], level: int) -> str:
        """Show the first items."""
        if value and level <= 0:
            return "{...}"
        return self._joined(
            "{",
            (
                f"{self.repr1(key, level - 1)}: {self.repr1(item, level - 1)}"
                for key, item in islice(value.items(), self.maxdict)
            ),
            "}",
            len(value),
        )

    def repr_set(self, value: set[Any] | frozenset[Any], level: int) -> str:
        """Show some items."""
        if not value:
            return "set()"
        if level <= 0:
            return "{...}"
        items = (self.repr1(item, level - 1) for item in islice(value, self.maxset))
        return self._joined("{", items, "}", len(value))

    def repr_frozenset(self, value: frozenset[Any], level: int) -> str:
        """Show some items."""
        return f"frozenset({self.repr_set(value, level)})" if value else "frozenset()"

    def _joined(self, begin: str, items: Iterable[str], end: str, count: int) -> str:
        more = ", ..." if count > self.maxdict else ""
        return f"{begin}{', '.join(items)}{more}{end}"


_SHORT = _Short(items=4, length=_LENGTH)
_LONGER = _Short(items=10, length=200)


def shown(value: object) -> str:
    """Return the type and a shortened repr of any value: ``str 'x'``; ``None`` for None."""
    if value is None:
        return "None"
    kind = type(value)
    if hasattr(kind, "__plain__"):  # its repr would be the whole state
        return f"{kind.__name__} of a state"
    try:
        text = _SHORT.repr(value)
    except Exception:  # noqa: BLE001 - user code's repr may raise, but the message must be made
        text = "whose repr raises"
    return f"{kind.__name__} {cut(text)}"


def named(key: object) -> str:
    """Return a key as a step of a path: short, without quotes."""
    if isinstance(key, bytes | tuple | frozenset):  # its str may be megabytes long
        return shown(key).partition(" ")[2]
    try:
        return cut(str(key))
    except Exception:  # noqa: BLE001 - as in `shown`
        return type(key).__name__


def cut(text: str, length: int = _LENGTH) -> str:
    """Return a text cut to `length` characters, printable and on one line."""
    short = text if len(text) <= length else text[: length - 1] + "…"
    return short if short.isprintable() else repr(short)[1:-1]


def bounded(text: str, length: int = LONGEST_TEXT) -> str:
    """Return a text cut to `length` characters, with a note of how many were left out."""
    if len(text) <= length:
        return text
    note = "… ({:,} characters left out)"
    kept = max(0, length - len(note.format(len(text))))
    return text[:kept] + note.format(len(text) - kept)


def bounded_repr(value: object, length: int = LONGEST_TEXT) -> str:
    """Return a repr of at most `length` characters, at a cost of only the part that is shown.

    :raises Exception: an exception of user code's repr
    """
    return bounded(_LONGER.repr(value), length)


def escaped(text: str) -> str:
    """Return a text on one line with all unsafe characters escaped."""
    return text if text.isprintable() else unsafe().sub(_escape, text)


@cache
def unsafe() -> re.Pattern[str]:
    """Return what finds unsafe characters."""
    return re.compile(_UNSAFE)


def _escape(found: re.Match[str]) -> str:
    return ascii(found[0])[1:-1]


def text_of(error: BaseException) -> str:
    """Return the whole text of an error, even if user code fails to make it."""
    try:
        return str(error)
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - a user's exception may even exit when it is printed
        return "(its text cannot be made)"


def nearest(name: object, names: Iterable[str]) -> str:
    """Return a hint to append to a message: the name that was probably meant.

    :param name: the unknown name
    :param names: the known names
    :returns: ``"; did you mean 'x'?"`` or ``""``
    """
    from difflib import get_close_matches  # noqa: PLC0415 - with a wrong name alone

    close = get_close_matches(str(name), list(names), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def near_misses(name: str, names: Iterable[str]) -> list[str]:
    """Return the known names that a longer name was probably meant to be, the nearest first.

    A near miss differs by one or two letters, or is the beginning of the known name. Short names
    have none.
    """
    if len(name) < _LONG_NAME:
        return []
    near = []
    for known in names:
        letters = letters_between(name, known)
        if 0 < letters <= 2:
            near.append((letters, known))
        elif letters and known.startswith(name):
            near.append((3, known))
    return [known for _, known in sorted(near)]


def letters_between(one: str, other: str) -> int:
    """Return how many letters must be added, removed, replaced or swapped with a neighbour.

    More than two count as three.
    """
    if abs(len(one) - len(other)) > 2 or len(set(one) - set(other)) > 2:
        # each letter that the other lacks takes a change of its own: most names end here
        return 3
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        current = [row]
        for column, wanted in enumerate(other, 1):
            cost = min(last[column] + 1, current[-1] + 1, last[column - 1] + (letter != wanted))
            is_exchanged = (
                row > 1 and column > 1 and one[row - 2 : row] == wanted + other[column - 2]
            )
            if is_exchanged and letter != wanted:
                cost = min(cost, before[column - 2] + 1)
            current.append(cost)
        before, last = last, current
    return min(last[-1], 3)


def over_limit(what: str, size: int, allowed: int) -> str:
    """Return the text of an error: a message has more bytes than its model allows."""
    return f"{what} has {size} bytes, max_message_bytes allows {allowed}"


def reason_of(error: Exception) -> str:
    """Return why something failed; for an error of the system its text, without the number."""
    return str(getattr(error, "strerror", None) or error)
