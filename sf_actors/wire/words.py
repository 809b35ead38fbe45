"""Values in the words of messages: short, one line, never an error of their own."""

from __future__ import annotations

import reprlib

_LENGTH = 60


class _Short(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 3
        self.maxdict = self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = 4
        self.maxstring = self.maxlong = self.maxother = _LENGTH

    def repr_bytes(self, value: bytes, level: int) -> str:
        """Cut before it is shown: a megabyte of bytes is four of text."""
        del level
        return repr(value[:_LENGTH])


_SHORT = _Short()


def shown(value: object) -> str:
    """Return the type and a shortened repr of any value: ``str 'x'``; ``None`` for None."""
    if value is None:
        return "None"
    kind = type(value)
    if hasattr(kind, "__plain__"):  # its repr would be the whole state's
        return f"{kind.__name__} of a state"
    try:
        text = _SHORT.repr(value)
    except Exception:  # noqa: BLE001 - a repr of user code; the message must be made all the same
        text = "whose repr raises"
    return f"{kind.__name__} {cut(text)}"


def named(key: object) -> str:
    """Return a key as a step of a path: short, without quotes."""
    try:
        return cut(str(key))
    except Exception:  # noqa: BLE001 - as in `shown`
        return type(key).__name__


def cut(text: str, length: int = _LENGTH) -> str:
    """Return at most so many characters, printable and on one line."""
    short = text if len(text) <= length else text[: length - 1] + "…"
    return short if short.isprintable() else repr(short)[1:-1]
