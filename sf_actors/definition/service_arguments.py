"""The arguments of a service that are checked before anything is loaded."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

from sf_actors.errors import UsageError
from sf_actors.wording import shown

_PATH: Final = (str, os.PathLike), "a path, as text or os.PathLike"

#: the types of each, and how they are called
_EXPECTED: Final[Mapping[str, tuple[tuple[type, ...], str]]] = {
    "addresses": ((Mapping,), "a dict"),
    "name": ((str,), "a text"),
    "log_path": _PATH,
    "keys": _PATH,
}


def require_arguments(**arguments: Any) -> None:
    """Refuse an argument of another type than its own; each may be None.

    :raises UsageError: it names the argument
    """
    for name, value in arguments.items():
        types, expected = _EXPECTED[name]
        if value is not None and not isinstance(value, types):
            raise UsageError(f"Service: {name}: expected {expected}, got {shown(value)}")
