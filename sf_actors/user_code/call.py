"""Calls of user code: a function with its arguments, and the handling of its result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from sf_actors.counters import Counters
from sf_actors.sync.event import LightEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Call:
    """One call of a handler: its arguments, and the handling of its result.

    Subclasses override `complete`, which runs under the lock right after the handler, so that the
    result is read before other user code can change it.
    """

    __slots__ = ("args", "counters", "handler", "label", "pinned", "workflow_id")

    #: whether it is the call of a message: an exception is logged and counted as a failed handler,
    #: and the stop may give the call up
    reports: ClassVar[bool] = True

    def __init__(
        self,
        handler: Callable[..., Any],
        args: Any,
        *,
        label: str,
        counters: Counters,
        workflow_id: object = None,
        pinned: Mapping[str, Any] | None = None,
    ) -> None:
        self.handler = handler
        self.args = args
        self.label = label
        self.counters = counters
        self.workflow_id = workflow_id
        #: versions of states that the handler sees instead of the current ones
        self.pinned = pinned

    def is_worth_it(self) -> bool:
        """Return True if the handler should still be called, now that the call may run."""
        return True

    def complete(self, result: Any, error: BaseException | None) -> None:
        """Handle the result or the exception of the handler; runs under the lock."""

    def settle(self) -> None:
        """Finish the call, after the lock was released; runs in the router's thread."""

    def cancel(self) -> None:
        """Note that the call will never run, since the service stops."""

    def leave_behind(self) -> None:
        """Note that the call still runs but is given up; runs in the stop's thread."""


class OneOffCall(Call):
    """A call of a function that is not a handler; its error is kept for its caller."""

    __slots__ = ("done", "error")
    reports: ClassVar[bool] = False

    def __init__(self, function: Callable[..., Any], *, label: str) -> None:
        super().__init__(function, None, label=label, counters=Counters())
        self.done = LightEvent()
        self.error: BaseException | None = None

    def complete(self, result: Any, error: BaseException | None) -> None:  # noqa: ARG002
        """Keep the error."""
        self.error = error
        self.done.set()

    def cancel(self) -> None:
        """Note that it will never run."""
        self.done.set()
