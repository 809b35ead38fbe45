"""What asks for a change of a fleet: a verb, or a part of a change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class ChangeRequest(Protocol):
    """A request of a verb, or one of our own.

    :ivar args: its arguments
    """

    args: dict[str, Any]

    @property
    def is_open(self) -> bool:
        """True while somebody waits for the answer."""

    def report(self, words: str, /) -> None:
        """Report progress to the verb that asks."""

    def end(self, status: int, /) -> None:
        """Send the answer."""


class InternalRequest:
    """A restart that no verb asked for, or that is part of another request."""

    is_open = True

    def __init__(
        self, args: dict[str, Any], report: Callable[[str], None], then: Callable[[int], None]
    ) -> None:
        self.args = args
        self.report = report
        self._then = then

    def end(self, status: int, **_more: Any) -> None:
        """Pass the answer to `then`."""
        self._then(status)
