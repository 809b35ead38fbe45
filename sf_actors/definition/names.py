"""The names of a service file, those probably meant to be one of them, and those of models."""

from __future__ import annotations

import re
from types import FunctionType
from typing import TYPE_CHECKING, Final
from unicodedata import category

from sf_actors.definition.hooks import HOOKS
from sf_actors.errors import DefinitionError
from sf_actors.wording import near_misses, nearest, shown

if TYPE_CHECKING:
    from types import ModuleType

NAMES: Final = ("config_model", "connection_models", "state_models", *HOOKS)


#: What names of services and models may not hold: addresses of them are made with it.
RESERVED: Final = "/#@"

#: What the name of an instance of a fleet ends with.
_NUMBER: Final = re.compile(r"#[1-9][0-9]*\Z")


def require_plain(name: str, *, where: str) -> None:
    """Refuse a name of a service or model that could not stand in an address of it.

    :raises DefinitionError: it could not
    """
    if any(char in RESERVED or category(char) == "Cc" for char in name):
        raise DefinitionError(
            f"{where}: expected a name without '/', '#', '@' and control characters, "
            f"got {shown(name)}"
        )


def require_service_name(name: str, *, where: str) -> None:
    """Refuse a name of a service as `require_plain` does, but for an instance's: `pricer#2`.

    :raises DefinitionError: it could not stand in an address
    """
    require_plain(_NUMBER.sub("", name) or name, where=where)


def require_names(module: ModuleType, *, where: str) -> None:
    """Refuse a module that has none of our names, or one that misses one of ours.

    :param where: the file, for messages
    :raises DefinitionError: it names what was meant
    """
    names = vars(module)
    own = [
        name
        for name, value in names.items()
        if not name.startswith("_") and name not in NAMES and _is_own(value, module)
    ]
    for name in own:
        near = near_misses(name, NAMES)
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


def _is_own(value: object, module: ModuleType) -> bool:
    """Return whether a value is a dict, or a function that the file defines itself."""
    if isinstance(value, FunctionType):
        # a module without a file was made by hand of what stands elsewhere
        return value.__module__ == module.__name__ or not hasattr(module, "__file__")
    return isinstance(value, dict)
