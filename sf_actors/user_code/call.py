"""Calls of user code: what comes in, and what is to happen with what comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from sf_actors.counters import Counters
from sf_actors.sync.event import LightEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Call:
    """One call of a handler: what comes in, and what is to happen with what comes out.

    Subclasses override `complete`, which runs under the lock, right after the handler: what the
    handler returned is read before other user code can change it.
    """

    __slots__ = ("args", "counters", "handler", "label", "pinned", "workflow_id")

    #: whether it is a message's: what its handler raises is logged and counted as a failed handler,
    #: and the stop may give it up
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
        """Say whether the handler is still to be called, once the call has waited its turn."""
        return True

    def complete(self, result: Any, error: BaseException | None) -> None:
        """Take what the handler returned or raised; runs under the lock."""

    def settle(self) -> None:
        """Say that the call is over, after the lock was given back; runs in the router's thread."""

    def cancel(self) -> None:
        """Take that the call will never run, since the service stops."""

    def leave_behind(self) -> None:
        """Take that the call runs and nobody waits for it any more; runs in the stop's thread."""


class OneOffCall(Call):
    """A call of a function that is no handler, whose error belongs to who asked for it."""

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
        """Take that it will never run."""
        self.done.set()
