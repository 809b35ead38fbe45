"""The common parts of loggers: the lookup of the scope, and the method of a level."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from sf_actors.log.current import SCOPE, Scope, current_scope
from sf_actors.log.level import level_name
from sf_actors.log.scope import NOT_A_SERVICE

if TYPE_CHECKING:
    from collections.abc import Callable


class ScopeLookup:
    """The object that a logger wraps; it finds the scope of the current line."""

    __slots__ = ("_made_in",)

    def __init__(self) -> None:
        scope = current_scope()
        self._made_in = None if scope is None else weakref.ref(scope)

    @property
    def scope(self) -> Scope:
        """The scope of the context, the thread, or where the logger was made, in this order."""
        made_in = self._made_in
        return current_scope() or (made_in and made_in()) or NOT_A_SERVICE


def writing(level: int) -> Callable[..., None]:
    """Return a method that writes a line of a level, using the logger's `_logger` and `_write`."""

    def write(self: Any, /, event: object = None, *args: object, **fields: object) -> None:
        if (SCOPE.get() or self._logger.scope).threshold <= level:
            self._write(level, event, args, fields)

    write.__doc__ = f"Write a line of level {level_name(level)}."
    return write
