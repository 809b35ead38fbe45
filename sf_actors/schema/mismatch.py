"""A value that does not fit its type, told with the path to it."""

from __future__ import annotations

from typing import Any

from sf_actors.wording import shown


class Mismatch(ValueError):
    """A value that does not fit its type: the path to it and what is wrong with it."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text
        self.path = ""

    def under(self, step: str) -> None:
        """Note that it was found one step further in: ``.field`` or ``[3]``."""
        self.path = step + self.path

    def told(self, where: str) -> str:
        """Return the message, with the path in front."""
        field = f"field {self.path.removeprefix('.')!r}: " if self.path else ""
        return f"{where}: {field}{self.text}"


def mismatch(expected: str, value: object) -> Mismatch:
    """Return the usual Mismatch: what was expected, what came."""
    return Mismatch(f"expected {expected}, got {shown(value)}")


def mapping_of(value: Any, expected: str) -> dict[Any, Any]:
    """Return the dict that a state's read-only mapping stands for; a Mismatch for all else."""
    plain = getattr(type(value), "__plain__", None)
    if plain is None:
        raise mismatch(expected, value)
    mapping: dict[Any, Any] = plain(value)
    return mapping
