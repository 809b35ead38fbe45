"""The supervisor's interface to one run of an instance, wherever it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from sf_actors.fleet.task import Task


class Runner(Protocol):
    """One run of an instance: in a child process, in this process, or on Ray."""

    pid: int
    task: Task

    def signal(self, number: int) -> None:
        """Send it a signal."""

    def kill(self) -> None:
        """Kill it."""

    def send(self, message: dict[str, Any]) -> bool:
        """Send it a message."""

    def abandon(self) -> int:
        """Kill it and wait for its end, without reporting it."""
