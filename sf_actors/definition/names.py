"""Checks names: of services and models, and misspelled ones in a service file."""

from __future__ import annotations

from functools import lru_cache
from types import FunctionType
from typing import TYPE_CHECKING, Final

from sf_actors.definition.hooks import HOOKS
from sf_actors.errors import DefinitionError
from sf_actors.wording import near_misses, nearest, shown

if TYPE_CHECKING:
    from types import ModuleType

NAMES: Final = ("config_model", "connection_models", "state_models", *HOOKS)

#: How many names are cached: the same file may be run very often in one process.
_MAX_CACHED: Final = 1_024

#: Characters that names of services and models may not contain: targets are written with them.
RESERVED: Final = "/#@"


def require_plain(name: str, *, where: str) -> None:
    """Refuse a name that could not be used in a target such as `SERVICE/MODEL`.

    :raises DefinitionError: it could not
    """
    if not _is_plain(name):
        raise DefinitionError(
            f"{where}: expected a name without '/', '#', '@' and control characters, "
            f"got {shown(name)}"
        )


@lru_cache(_MAX_CACHED)
def _is_plain(name: str) -> bool:
    return not any(char in RESERVED or _is_control(char) for char in name)


def _is_control(char: str) -> bool:
    return char < " " or "\x7f" <= char <= "\x9f"


def require_service_name(name: str, *, where: str) -> None:
    """Refuse a name as `require_plain` does, but allow the name of an instance: `pricer#2`.

    :raises DefinitionError: it could not be used in a target
    """
    plain, _, number = name.rpartition("#")
    is_numbered = number.isascii() and number.isdigit() and not number.startswith("0")
    require_plain(plain if plain and is_numbered else name, where=where)


def require_names(module: ModuleType, *, where: str) -> None:
    """Refuse a module that has no name of a service file, or a misspelled one.

    :param where: the file, for messages
    :raises DefinitionError: the message has the name that was meant
    """
    names = vars(module)
    own = [
        name
        for name, value in names.items()
        if not name.startswith("_") and name not in NAMES and _is_own(value, module)
    ]
    for name in own:
        near = _near(name)
        if near and not any(known in names for known in near):
            raise DefinitionError(
                f"{where}: {name!r} is no name of a service file; did you mean {near[0]!r}?"
            )
    if not any(name in names for name in NAMES):
        hint = next(filter(None, (nearest(name, NAMES) for name in own)), "")
        raise DefinitionError(
            f"{where}: expected a service file, got one without any of its names "
            f"({', '.join(NAMES)}){hint}"
        )


@lru_cache(_MAX_CACHED)
def _near(name: str) -> tuple[str, ...]:
    """Return the names of a service file that a name was probably meant to be."""
    return tuple(near_misses(name, NAMES))


def _is_own(value: object, module: ModuleType) -> bool:
    """Return True for a dict, or a function that the file defines itself."""
    if isinstance(value, FunctionType):
        # a module without a file was built from functions defined elsewhere
        return value.__module__ == module.__name__ or not hasattr(module, "__file__")
    return isinstance(value, dict)
