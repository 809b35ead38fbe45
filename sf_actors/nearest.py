"""The nearest name, for messages about a name that does not exist."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def nearest(name: object, names: Iterable[str]) -> str:
    """Return a hint to append to a message: the name that may have been meant, or nothing.

    :param name: what was written
    :param names: what could have been written
    :returns: ``"; did you mean 'x'?"`` or ``""``
    """
    close = get_close_matches(str(name), list(names), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
