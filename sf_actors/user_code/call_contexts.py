"""The contexts in which user code runs: context variables that a call sets are gone afterwards.

Copying a context costs the same for any number of variables. Decimal's context is one of these
variables, but its value can be changed in place, so copies would share it. If the service file has
not changed decimal's settings, the copies hold no such value and decimal makes a new one for each
call; else each call gets its own copy of it.
"""

from __future__ import annotations

from contextvars import Context, copy_context
from decimal import Context as DecimalContext
from decimal import DefaultContext, getcontext, setcontext
from typing import TYPE_CHECKING

from sf_actors.log import WORKFLOW_ID

if TYPE_CHECKING:
    from collections.abc import Callable

_DECIMAL = "decimal_context"


class CallContexts:
    """Copies of the context that the service file and `init_function` leave behind.

    It begins as a copy of the caller's, without a workflow id.

    :ivar new: returns the context for the next call; any thread. HOT. Until `seal` it is always the
        same context, for one call at a time
    """

    def __init__(self) -> None:
        self._kept = copy_context()
        self._kept.run(_begin)
        self.new: Callable[[], Context] = lambda: self._kept

    def seal(self) -> None:
        """Give each call its own copy from now on; to be called when no user code runs."""
        settings = _decimal_context_of(self._kept)
        if settings is None:
            self.new = self._kept.copy
        elif _settings(settings) == _settings(DefaultContext):
            # decimal makes an equal one when a call needs it
            self._kept = _without_decimal(self._kept)
            self.new = self._kept.copy
        else:
            settings.clear_flags()
            self.new = self._with_own_decimal

    def _with_own_decimal(self) -> Context:
        context = self._kept.copy()
        context.run(_own_decimal)
        return context


def _begin() -> None:
    WORKFLOW_ID.set(None)
    if _decimal_context_of(copy_context()) is not None:
        # changes that the service file makes in it must not reach the caller's
        _own_decimal()


def _own_decimal() -> None:
    setcontext(getcontext().copy())


def _decimal_context_of(context: Context) -> DecimalContext | None:
    """Return decimal's context if there is one; asking decimal itself would make one."""
    for variable, value in context.items():
        if variable.name == _DECIMAL and isinstance(value, DecimalContext):
            return value
    return None


def _settings(context: DecimalContext) -> tuple[object, ...]:
    limits = context.Emin, context.Emax, context.capitals, context.clamp
    return context.prec, context.rounding, *limits, dict(context.traps)


def _without_decimal(context: Context) -> Context:
    copied = Context()
    for variable, value in context.items():
        if variable.name != _DECIMAL:
            copied.run(variable.set, value)
    return copied
