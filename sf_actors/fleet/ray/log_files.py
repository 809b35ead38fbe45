"""The log files of a fleet on another machine, and a copy of them here that grows with them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

#: Bytes of one file that are read at once.
_PIECE: Final = 1024 * 1024


class Piece(NamedTuple):
    """What is new of a file.

    :ivar number: what it is known by, however it is called
    """

    number: int
    name: str
    content: bytes


def pieces(folder: Path, known: Mapping[int, int]) -> list[Piece]:
    """Return what is new of the log files in a folder; those put aside for new ones first.

    :param known: how many bytes of each are known, by its number
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

    :param folder: where it is
    :param ask: returns the pieces that are new, as of `pieces`
    """

    def __init__(self, folder: Path, ask: Callable[[dict[int, int]], list[Piece]]) -> None:
        self._folder = folder
        self._ask = ask
        self._known: dict[int, int] = {}
        self._names: dict[int, str] = {}

    def update(self) -> None:
        """Copy what is new."""
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
