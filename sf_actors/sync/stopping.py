"""`stopping`: lets user code see and wait for the stop of its service."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sf_actors.sync.event import LightEvent


class Stopping:
    """Tells if the stop of a service has begun; user code can read it and wait, but not set it.

    :param event: set when the stop begins
    """

    __slots__ = ("_event",)

    def __init__(self, event: LightEvent) -> None:
        self._event = event

    def is_set(self) -> bool:
        """Return True once the stop has begun; any thread."""
        return self._event.is_set()

    def wait(self, seconds: float | None = None, /) -> bool:
        """Wait for the stop; any thread.

        :param seconds: longest wait; None waits for ever
        :returns: True if it has begun
        """
        return self._event.wait(seconds)
