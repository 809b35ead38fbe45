"""One run of an instance, as the supervisor sees it wherever it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from sf_actors.fleet.task import Task


class Runner(Protocol):
    """One run of an instance, in a process of its own or in this one."""

    pid: int
    task: Task

    def signal(self, number: int) -> None:
        """Send it a signal."""

    def kill(self) -> None:
        """End it at once."""

    def tell(self, message: dict[str, Any]) -> bool:
        """Send it a message."""

    def abandon(self) -> int:
        """End it at once and wait for that, without telling of it."""
