"""The contexts that user code runs in: what one call binds is gone with it.

`contextvars` has copies that cost the same for any number of variables. Decimal's context is one of
these variables, but its value can be changed in place: a copy of the variables alone would share
it. Where a call finds none, decimal makes one of its own, and nothing is to be done; that is so
unless the service file has changed its settings.
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
    """The context that the service file and `init_function` leave behind, and its copies.

    It begins as a copy of the caller's, without a workflow id.

    :ivar new: returns the context for the next call; any thread. HOT. Until `seal` it is one and
        the same, for one call at a time
    """

    def __init__(self) -> None:
        self._kept = copy_context()
        self._kept.run(_begin)
        self.new: Callable[[], Context] = lambda: self._kept

    def seal(self) -> None:
        """Let what calls bind be gone with them from now on; when no user code runs."""
        settings = _decimal_context_of(self._kept)
        if settings is None:
            self.new = self._kept.copy
        elif _settings(settings) == _settings(DefaultContext):
            # decimal makes the same again where it is asked for
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
        # what the service file changes in it is not to change the caller's
        _own_decimal()


def _own_decimal() -> None:
    setcontext(getcontext().copy())


def _decimal_context_of(context: Context) -> DecimalContext | None:
    """Return decimal's context if there is one; to ask decimal itself would make one."""
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
