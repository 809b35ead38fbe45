"""One timer: computes when its handler is due, and which calls are left out."""

from __future__ import annotations

from math import floor
from typing import TYPE_CHECKING, Any, Final, Protocol

from sf_actors.counters import Backlog
from sf_actors.user_code.call import Call

if TYPE_CHECKING:
    from collections.abc import Callable

    from sf_actors.counters import Counters
    from sf_actors.definition.models import Model

#: The resolution of the clock, in seconds: no timer is faster.
SHORTEST_S: Final = 1e-9


class TimerActor(Protocol):
    """The actor that waits for the next call of a timer."""

    def tell(self, message: object) -> bool:
        """Bring a message to it; any thread."""


class CallEnded:
    """The call of a timer is over."""

    def __init__(self, timer: Timer) -> None:
        self.timer = timer


class Timer:
    """The moments of a timer's calls: a fixed grid that begins with the service.

    Moments that come while a call is under way are left out. All times are seconds of
    `time.monotonic`. For the thread of the actor, except where a method says otherwise.

    :param handler: takes args, to_send, states, config
    :ivar actor: the actor that waits for it now
    :ivar due_at: when the next call is due; None while one is under way, and before the beginning
    """

    counted = (
        "handled",
        "failed",
        "refused",
        "dropped",
        "missed",
        "queued",
        "last_error",
        "handler_s",
    )

    def __init__(self, model: Model, handler: Callable[..., Any], counters: Counters) -> None:
        self.handler = handler
        self.label = model.where
        self.counters = counters
        self.backlog = counters.queued = Backlog()
        self.actor: TimerActor | None = None
        self.due_at: float | None = None
        self._every_s = max(float(model.creation["every_s"]), SHORTEST_S)
        self._began_at: float | None = None
        #: the number of the last moment that had a call; the first of all is moment 0 or 1
        self._last = -1 if model.creation["at_start"] else 0
        self._next = self._last + 1
        #: set by the actor, cleared by the thread that ran the call
        self._is_under_way = False

    def wait(self, now: float) -> None:
        """Wait for the next moment, unless a call is under way; the first time, begin the grid."""
        if self._began_at is None:
            self._began_at = now
        elif self._is_under_way:
            self.due_at = None
            return
        elif self._last >= self._next:
            self._next = max(self._last, self._passed(now)) + 1
        self.due_at = self._began_at + self._next * self._every_s

    def call(self, now: float, workflow_id: object) -> TimerCall:
        """Return the call that is due now; it is under way until `end`."""
        moment = max(self._next, self._passed(now))
        missed = moment - self._last - 1
        self.counters.missed += missed
        self._last = moment
        self._is_under_way = True
        self.due_at = None
        self.backlog.bring(0)
        return TimerCall(self, missed, workflow_id)

    def end(self) -> None:
        """Note that the call is over; in the thread that ran it."""
        self._is_under_way = False
        self.backlog.finish(0)
        # read only now, so that a successor of the actor sees what is set above
        actor = self.actor
        if actor is not None:
            actor.tell(CallEnded(self))

    def _passed(self, now: float) -> int:
        """Return the number of the last moment that has come."""
        return 0 if self._began_at is None else floor((now - self._began_at) / self._every_s)


class TimerCall(Call):
    """One call of a timer's handler."""

    __slots__ = ("_timer",)

    def __init__(self, timer: Timer, missed: int, workflow_id: object) -> None:
        super().__init__(
            timer.handler,
            {"missed": missed},
            label=timer.label,
            counters=timer.counters,
            workflow_id=workflow_id,
        )
        self._timer = timer

    def settle(self) -> None:
        """Let the timer wait for its next moment; in the router's thread."""
        self._timer.end()

    def cancel(self) -> None:
        """Count a call that the stop left out."""
        self.counters.drop("stopped")
        self._timer.backlog.cancel()

    def leave_behind(self) -> None:
        """Count a call that the stop did not wait for."""
        self.counters.drop("stopped")
