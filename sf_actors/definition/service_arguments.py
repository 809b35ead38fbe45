"""Checks the types of a service's arguments before anything is loaded."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

from sf_actors.errors import UsageError
from sf_actors.wording import shown

_PATH: Final = (str, os.PathLike), "a path, as text or os.PathLike"

#: the types of each argument, and their names for messages
_EXPECTED: Final[Mapping[str, tuple[tuple[type, ...], str]]] = {
    "addresses": ((Mapping,), "a dict"),
    "name": ((str,), "a text"),
    "allow_inbound": ((bool,), "True or False"),
    "log_path": _PATH,
    "keys": _PATH,
}


def require_arguments(**arguments: Any) -> None:
    """Refuse arguments of wrong types; each may be None.

    :raises UsageError: an argument has a wrong type; the message names it
    """
    for name, value in arguments.items():
        types, expected = _EXPECTED[name]
        if value is not None and not isinstance(value, types):
            raise UsageError(f"Service: {name}: expected {expected}, got {shown(value)}")


def is_set(**argument: bool | None) -> bool:
    """Return a switch, which None leaves off.

    :raises UsageError: it is neither True nor False; it names the argument
    """
    require_arguments(**argument)
    return any(argument.values())
