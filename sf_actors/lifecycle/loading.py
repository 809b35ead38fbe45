"""The execution of a service file and its setup hooks, as far as it can be stopped."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, TypeVar

from sf_actors.lifecycle.stop import until_deadline
from sf_actors.sync.event import LightEvent
from sf_actors.user_code.interrupt_guard import require_gil
from sf_actors.user_code.interruptible import UserCode

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Loading:
    """User code that runs before there are actors: a stop can only wait for it or interrupt it.

    :param label: what is loaded, for messages
    :param stop_timeout_s: how long a stop may take, in seconds
    :param nudge: makes a blocking call in the loading thread look for what is raised there
    """

    def __init__(self, label: str, *, stop_timeout_s: float, nudge: Callable[[], None]) -> None:
        self.label = label
        self._stop_timeout_s = stop_timeout_s
        self._nudge = nudge
        self._code = UserCode()
        self._done = LightEvent()

    def run(self, function: Callable[[], T]) -> T:
        """Load; in the thread that starts the service.

        :raises UsageError: the interpreter cannot interrupt user code safely
        :raises BaseException: what the function raised
        """
        require_gil()
        result, error = self._code.run(self.label, function)
        self._done.set()
        if error is not None:
            raise error
        loaded: T = result
        return loaded

    def stop(self) -> bool:
        """Wait until it has ended, interrupting it like all user code; any thread.

        :returns: False when it has not ended within the deadline; True at once in the thread that
            loads
        """
        if self._code.runs_here():
            return True
        since = monotonic()
        return until_deadline(
            self._done.wait, self._interrupt, since=since, timeout_s=self._stop_timeout_s
        )

    def _interrupt(self) -> None:
        self._code.interrupt()
        self._nudge()
