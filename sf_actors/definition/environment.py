"""Replaces environment variables in the texts of addresses and config: ``${HOST:127.0.0.1}``.

A service needs only the variables that it uses, and one file may serve several services. So a text
whose variable is missing is left as it is, but marked, and is refused only when it is used.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Self

from sf_actors.wording import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

_HELD = r"\$(?:\$|\{(?P<name>[^:}]+)(?::(?P<default>[^}]*))?\})"


class Expanded(str):
    """A text in which a variable was replaced by its value."""

    __slots__ = ()


class Unset(str):
    """A text as given, with a variable that is not set and has no default."""

    __slots__ = ("variable",)

    variable: str

    def __new__(cls, text: str, variable: str) -> Self:
        """Create one from a text and the name of the missing variable."""
        made = super().__new__(cls, text)
        made.variable = variable
        return made

    @property
    def problem(self) -> str:
        """The error message for using the text."""
        return (
            f"the environment variable {self.variable!r} is not set, and {shown(str(self))} has no "
            "default for it"
        )


def expanded(value: Any) -> Any:
    """Return a copy of a value with variables replaced in its texts, at any depth.

    ``${NAME}`` and ``${NAME:default}`` extend up to the first ``}``; ``$$`` is a ``$``; a ``$``
    before anything else stays. Keys are not changed.
    """
    if type(value) is str:
        return _expanded_text(value) if "$" in value else value
    if type(value) is dict:
        return {key: expanded(item) for key, item in value.items()}
    if type(value) is list or type(value) is tuple:
        return type(value)(map(expanded, value))
    return value


def unset_in(value: Any) -> Iterator[Unset]:
    """Yield the texts in a value whose variable is missing."""
    if isinstance(value, Unset):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from unset_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from unset_in(item)


def _expanded_text(text: str) -> str:
    parts: list[str] = []
    end = 0
    is_expanded = False
    for found in re.finditer(_HELD, text):
        parts.append(text[end : found.start()])
        end = found.end()
        name = found["name"]
        if name is None:
            parts.append("$")
            continue
        is_expanded = True
        value = os.environ.get(name)
        if value is None:
            if found["default"] is None:
                return Unset(text, name)
            value = found["default"].replace("$$", "$")
        parts.append(value)
    parts.append(text[end:])
    return (Expanded if is_expanded else str)("".join(parts))
