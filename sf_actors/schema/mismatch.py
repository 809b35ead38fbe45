"""The error for a value that does not fit its type, with the path to the value."""

from __future__ import annotations

from typing import Any

from sf_actors.wording import shown


class Mismatch(ValueError):
    """A value does not fit its type; holds the path to the value and the problem."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text
        self.path = ""

    def under(self, step: str) -> None:
        """Prepend a step to the path: ``.field`` or ``[3]``."""
        self.path = step + self.path

    def message(self, where: str) -> str:
        """Return the message with the place and the path in front."""
        field = f"field {self.path.removeprefix('.')!r}: " if self.path else ""
        return f"{where}: {field}{self.text}"


def mismatch(expected: str, value: object) -> Mismatch:
    """Return a Mismatch that says what was expected and what came."""
    return Mismatch(f"expected {expected}, got {shown(value)}")


def mapping_of(value: Any, expected: str) -> dict[Any, Any]:
    """Return a state's read-only mapping as a dict; raise a Mismatch for anything else."""
    plain = getattr(type(value), "__plain__", None)
    if plain is None:
        raise mismatch(expected, value)
    mapping: dict[Any, Any] = plain(value)
    return mapping
