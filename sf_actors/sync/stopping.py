"""What user code may ask to be told of the stop with."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sf_actors.sync.event import LightEvent


class Stopping:
    """Whether the stop of a service has begun: user code can ask and wait, but not set it.

    :param event: set when the stop begins
    """

    __slots__ = ("_event",)

    def __init__(self, event: LightEvent) -> None:
        self._event = event

    def is_set(self) -> bool:
        """Return whether the stop has begun; any thread."""
        return self._event.is_set()

    def wait(self, seconds: float | None = None, /) -> bool:
        """Wait for the stop; any thread.

        :param seconds: at most; None: as long as it takes
        :returns: whether it has begun
        """
        return self._event.wait(seconds)
