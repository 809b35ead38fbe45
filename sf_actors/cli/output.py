"""The output of a verb: data on standard output, line by line.

Control characters in texts from outside are escaped, so that a terminal does not act on them.
"""

from __future__ import annotations

import io
import json
import math
import os
import sys
from base64 import b64encode
from typing import TYPE_CHECKING, Any, Final

from sf_actors.errors import UsageError
from sf_actors.wording import escaped, unsafe

if TYPE_CHECKING:
    import re
    from collections.abc import Mapping, Sequence

_COLOURS: Final = {"good": "32", "bad": "31", "odd": "33", "faint": "2", "strong": "1"}


class Output:
    """Prints for one verb; one thread.

    :param as_json: print one JSON object a line in place of text
    """

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
        self._is_ascii = encoding.lower().replace("_", "-") not in {"utf-8", "utf8"}
        if isinstance(sys.stdout, io.TextIOWrapper):
            # characters that the terminal's encoding lacks are escaped instead of raising
            sys.stdout.reconfigure(errors="backslashreplace")
        self.is_terminal = sys.stdout.isatty()
        self.has_colour = self.is_terminal and "NO_COLOR" not in os.environ

    def emit(self, record: object, *, indent: int | None = None) -> None:
        """Print an object as JSON, on one line unless `indent` is given."""
        self.write(to_json(record, indent=indent, is_ascii=self._is_ascii) + "\n")

    def line(self, text: str = "") -> None:
        """Print a line of text; the caller has escaped texts from outside."""
        self.write(text + "\n")

    def write(self, text: str) -> None:
        """Print a text as it is, at once."""
        sys.stdout.write(text)
        sys.stdout.flush()

    def coloured(self, text: str, colour: str) -> str:
        """Return a text in a colour (`good`, `bad`, `odd`, `faint`, `strong`) if colours are on."""
        return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if self.has_colour and colour else text

    def table(
        self,
        head: Sequence[str],
        rows: Sequence[Sequence[str]],
        *,
        right: Sequence[int] = (),
        colours: Mapping[tuple[int, int], str] | None = None,
    ) -> str:
        """Return a table as text; the cells are escaped here.

        :param right: the indices of the columns that are aligned right
        :param colours: colours by row and column
        """
        cells = [[escaped(cell) for cell in row] for row in (head, *rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = []
        for number, row in enumerate(cells, -1):
            padded = [
                cell.rjust(width) if place in right else cell.ljust(width)
                for place, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            padded[-1] = padded[-1] if len(row) - 1 in right else padded[-1].rstrip()
            if number < 0:
                padded = [self.coloured(cell, "strong") for cell in padded]
            elif colours:
                padded = [
                    self.coloured(cell, colours.get((number, place), ""))
                    for place, cell in enumerate(padded)
                ]
            lines.append("  ".join(padded).rstrip())
        return "\n".join(lines)


def to_json(value: object, *, indent: int | None = None, is_ascii: bool = False) -> str:
    """Return a value as JSON in the text forms of the wire, with unsafe characters escaped.

    :param indent: spaces per level, on several lines; None: on one line
    :param is_ascii: escape all characters outside ASCII
    """
    text = json.dumps(plain(value), ensure_ascii=is_ascii, allow_nan=False, indent=indent)
    # outside of JSON strings only the newlines of `indent` would be escaped: keep them apart
    lines = text.split("\n")
    return "\n".join(line if line.isprintable() else unsafe().sub(_escape, line) for line in lines)


def plain(value: object) -> Any:
    """Convert a value of a message to the types of JSON.

    As everywhere in the shell, bytes become base64; NaN, infinities and mapping keys become texts.
    """
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, bytes | bytearray | memoryview):
        return b64encode(value).decode()
    if isinstance(value, dict):
        return {_key(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    isoformat = getattr(value, "isoformat", None)
    if isoformat is not None:
        return str(isoformat()).replace("+00:00", "Z")
    return str(value)


def _key(key: object) -> str:
    if isinstance(key, str):
        return key
    found = plain(key)
    return found if isinstance(found, str) else json.dumps(found)


def _escape(found: re.Match[str]) -> str:
    """Return a character as JSON escapes it."""
    return json.dumps(found[0])[1:-1]


def read_input() -> str:
    """Read standard input to its end.

    :raises UsageError: it is not UTF-8
    """
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"standard input: expected UTF-8, got {error.reason}") from None
