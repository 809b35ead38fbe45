"""Which inproc addresses are bound in this process, since libzmq tells nobody.

A connection to an address that nobody has bound would wait there with what is sent through it, and
one whose other side is closed is never made again.
"""

from __future__ import annotations

from itertools import count
from typing import Final

_numbers: Final = count(1)
_bound: Final[dict[str, int]] = {}


def note_bound(name: str) -> None:
    """Note that a socket was bound; any thread."""
    _bound[name] = next(_numbers)


def note_unbound(name: str) -> None:
    """Note that it is bound no more; any thread."""
    _bound.pop(name, None)


def bound(name: str) -> int | None:
    """Return the number of the socket that is bound now, another for each, or None; any thread."""
    return _bound.get(name)
