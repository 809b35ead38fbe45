"""Copies the log files of a fleet from another machine, piece by piece as they grow."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

#: How many bytes of one file are read at once.
_PIECE: Final = 1024 * 1024


class Piece(NamedTuple):
    """A new piece of a file.

    :ivar number: identifies the file, even after it is renamed
    """

    number: int
    name: str
    content: bytes


def pieces(folder: Path, known: Mapping[int, int]) -> list[Piece]:
    """Return the new pieces of the log files in a folder, rotated files first.

    :param known: how many bytes of each file are known, by its number
    """
    found = []
    for path in sorted(folder.glob("*.log*"), key=lambda path: (-len(path.name), path.name)):
        with suppress(OSError), path.open("rb") as file:
            number = path.stat().st_ino
            file.seek(known.get(number, 0))
            found.append(Piece(number, path.name, file.read(_PIECE)))
    return found


class Mirror:
    """A copy of log files.

    :param folder: the folder of the copy
    :param ask: returns the new pieces, like `pieces`
    """

    def __init__(self, folder: Path, ask: Callable[[dict[int, int]], list[Piece]]) -> None:
        self._folder = folder
        self._ask = ask
        self._known: dict[int, int] = {}
        self._names: dict[int, str] = {}

    def update(self) -> None:
        """Copy the new pieces."""
        while True:
            new = self._ask(dict(self._known))
            for piece in new:
                path = self._folder / piece.name
                old = self._names.get(piece.number)
                if old is not None and old != piece.name:
                    (self._folder / old).rename(path)
                self._names[piece.number] = piece.name
                with path.open("ab") as file:
                    file.write(piece.content)
                self._known[piece.number] = self._known.get(piece.number, 0) + len(piece.content)
            if not any(piece.content for piece in new):
                return
