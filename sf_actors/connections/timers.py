"""The actor of all timers of a service: waits for the next one and queues its call."""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

import pykka

from sf_actors.actors.commands import Begin, Drain
from sf_actors.actors.inbox import TICK, SocketInbox, WaitFailed
from sf_actors.actors.pykka_actor import Actor
from sf_actors.connections.timer import CallEnded
from sf_actors.counters import Counters
from sf_actors.user_code.interruptible import LeftBehind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sf_actors.actors.run_context import RunContext
    from sf_actors.connections.timer import Timer


class Timers(Actor):
    """Waits for the timers of a service; all hooks run in its own thread.

    The router runs the calls, so that a slow handler does not delay the moments of other timers. At
    most one call of each timer waits there.

    :param timers: they outlive a restart of the actor, with their grids
    """

    inbox_type = SocketInbox

    def __init__(self, run_context: RunContext, timers: Sequence[Timer]) -> None:
        super().__init__()
        self.name = "timers"
        self.thread: threading.Thread | None = None
        #: of the actor; each timer has its own
        self.counters = Counters()
        #: the arguments of `start` for a restart
        self.restart_arguments = (run_context, timers)
        self._run_context = run_context
        self._timers = timers
        self._inbox = cast("SocketInbox", self.actor_inbox)
        self._has_begun = False
        for timer in timers:
            timer.actor = self
        run_context.supervisor.created(self)

    def not_started(self, error: RuntimeError) -> None:
        """Report that the system has no thread left; the actor ends like one that cannot open."""
        self._run_context.supervisor.opened(self, error)

    def tell(self, message: object) -> bool:
        """Bring a message to the actor; any thread.

        :returns: False when the actor has ended
        """
        try:
            self.actor_ref.tell(message)
        except pykka.ActorDeadError:
            return False
        return True

    def on_start(self) -> None:
        """Name the thread and assign it to its service."""
        self.thread = threading.current_thread()
        self.thread.name = f"{self._run_context.name}/{self.name}"
        self._run_context.scope.adopt()
        self._run_context.supervisor.opened(self, None)

    def on_receive(self, message: Any) -> None:
        """Queue the calls that are due, or wait for the next."""
        try:
            if message is TICK:
                self._bring_calls()
            elif type(message) is CallEnded:
                if self._has_begun:
                    message.timer.wait(monotonic())
                    self._set_deadline()
            elif type(message) is Begin:
                self._begin()
            elif type(message) is Drain:
                self._drain(message)
            elif type(message) is WaitFailed:
                raise message.error
        except LeftBehind:
            # where the system had no thread for the router, a call ran here
            self.leave_inbox()
        except BaseException as error:  # noqa: BLE001 - pykka would stop the actors of all services
            self.stop()
            self._run_context.supervisor.died(self, error)

    def on_stop(self) -> None:
        """Close the inbox, and answer what still waits in it."""
        for message in self._inbox.close():
            if type(message) is Drain:
                message.latch.arrive(self.name)

    def _begin(self) -> None:
        self._has_begun = True
        now = monotonic()
        for timer in self._timers:
            timer.wait(now)
        self._set_deadline()

    def _drain(self, message: Drain) -> None:
        self._has_begun = False
        self._inbox.deadline = None
        message.latch.arrive(self.name)

    def _bring_calls(self) -> None:
        now = monotonic()
        for timer in self._timers:
            if self._has_begun and timer.due_at is not None and timer.due_at <= now:
                call = timer.call(now, self._run_context.new_workflow_id())
                self._run_context.router.enqueue(call)
        self._set_deadline()

    def _set_deadline(self) -> None:
        if self._has_begun:
            moments = [timer.due_at for timer in self._timers if timer.due_at is not None]
            self._inbox.deadline = min(moments, default=None)
