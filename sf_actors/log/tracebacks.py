"""Renders tracebacks as text in which an exception cannot imitate a log line.

The first line of an exception's text is at the margin, as Python shows it; its further lines and
notes are indented. A log line begins at the margin, so an exception cannot forge one.
"""

from __future__ import annotations

import sys
import traceback
from itertools import accumulate, takewhile
from typing import TYPE_CHECKING, Any

from sf_actors.wording import LONGEST_TEXT, bounded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: The longest traceback in a line of the package, in characters.
LONGEST_TRACEBACK = 2**14

_HEADER = "Traceback (most recent call last):"
_INDENT = "    "


class Traceback(str):
    """A text made by this module, so its lines at the margin are safe."""

    __slots__ = ()


def whole_traceback(exc_info: Any) -> Traceback:
    """Return the traceback of an exception.

    :param exc_info: type, exception and traceback
    """
    return Traceback("\n".join(_pieces(exc_info, sys.maxsize)))


def bounded_traceback(exc_info: Any) -> Traceback:
    """Return a cut traceback of an exception whose texts may come from outside.

    Each text keeps its beginning, and the traceback its first and last frames.

    :param exc_info: type, exception and traceback
    """
    return Traceback("\n".join(_ends(list(_pieces(exc_info, LONGEST_TEXT)))))


def _pieces(exc_info: Any, longest: int) -> Iterator[str]:
    """Yield headers, frames and texts of at most `longest` characters, without final newlines."""
    _, error, frames = exc_info
    made = traceback.TracebackException(type(error), error, frames, compact=True)
    has_text = False
    for whole in made.format():
        piece = whole.removesuffix("\n")
        if whole.startswith("\n") and piece:
            # the sentence between an exception and the one that it caused
            has_text = False
            yield piece
        elif piece == _HEADER and not has_text:
            yield piece
        elif piece.startswith(" "):
            # a frame, or anything within an exception group, which has a margin of its own
            lines = bounded(piece, longest).split("\n")
            yield "\n".join(line if line.startswith(" ") else _INDENT + line for line in lines)
        else:
            text = bounded(piece, longest).replace("\n", f"\n{_INDENT}")
            # a piece after the text must be a note, which has no mark of its own
            yield _INDENT + text if has_text else text
            has_text = True


def _ends(pieces: list[str]) -> list[str]:
    """Return as many of the first and last pieces as fit."""
    if sum(map(len, pieces)) <= LONGEST_TRACEBACK:
        return pieces
    first = _fitting(pieces)
    last = len(pieces) - _fitting(reversed(pieces))
    left_out = sum(piece.count("\n") + 1 for piece in pieces[first:last])
    return [*pieces[:first], f"  … ({left_out:,} lines left out)", *pieces[last:]]


def _fitting(pieces: Iterable[str]) -> int:
    """Return how many pieces fit into half of the maximum length."""
    sizes = accumulate(map(len, pieces))
    return sum(1 for _ in takewhile(lambda size: size <= LONGEST_TRACEBACK // 2, sizes))
