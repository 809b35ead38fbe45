"""The target of an external_target: a callable, or its path as text."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from sf_actors.definition.signature import refuse_suspending
from sf_actors.errors import DefinitionError, ModelError
from sf_actors.wording import nearest, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_ABSENT: Final = object()


def resolve_target(
    target: object, names: Mapping[str, object], *, where: str
) -> Callable[..., Any]:
    """Return the callable that a target is, or that its text names.

    A text is looked up first among the names of the service file, then as a module. Exceptions of
    an imported module are raised as they are.

    :param target: a callable, ``'package.module.Class.method'`` or ``'name_in_the_file.method'``
    :param names: the names defined in the service file
    :raises ModelError: a part of the text is not found, or the target is not callable
    """
    found = _look_up(target, names, where) if isinstance(target, str) else target
    if not callable(found):
        raise ModelError(f"{where}: expected a callable, got {shown(found)}")
    try:
        refuse_suspending(found, where=where)
    except DefinitionError as exc:
        raise ModelError(str(exc)) from exc
    return found


def _look_up(text: str, names: Mapping[str, object], where: str) -> object:
    first, *rest = text.split(".")
    if first in names:
        found = names[first]
    else:
        found = _imported(first)
        if found is _ABSENT:
            own = [name for name in names if not name.startswith("__")]
            raise ModelError(
                f"{where}: found neither a name of the service file nor a module {first!r}, "
                f"the first part of {text!r}{nearest(first, own)}"
            )
    seen = first
    for part in rest:
        inner = getattr(found, part, _ABSENT)
        if inner is _ABSENT and isinstance(found, ModuleType) and hasattr(found, "__path__"):
            inner = _imported(f"{found.__name__}.{part}")
        if inner is _ABSENT:
            raise ModelError(
                f"{where}: found no {part!r} in {seen!r}, looking for {text!r}"
                f"{nearest(part, dir(found))}"
            )
        found = inner
        seen = f"{seen}.{part}"
    return found


def _imported(name: str) -> object:
    """Return the module or `_ABSENT`; a missing import of the module itself is raised."""
    if not all(name.split(".")):
        return _ABSENT
    try:
        return import_module(name)
    except ModuleNotFoundError as exc:
        if exc.name != name:
            raise
        return _ABSENT
