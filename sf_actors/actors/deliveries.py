"""Runs the handler calls of an actor: at once in the actor's thread, or queued at the router.

The calls of a model with `workers` queue at its pool instead.

A call runs at once if no other runs and none waits, which saves the way to another thread and back.
When too many calls queue, or their messages are large, their socket is left unread until there is
room: packed messages take far less memory than decoded ones.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Final

from sf_actors.counters import Backlog
from sf_actors.user_code.call import Call
from sf_actors.wire.memory import FREE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from sf_actors.actors.inbox import SocketSource
    from sf_actors.actors.run_context import CallQueue
    from sf_actors.actors.socket_actor import SocketActor
    from sf_actors.user_code.worker_pool import WorkerPool


MAX_WAITING_BYTES: Final = FREE_BYTES
"""Most bytes of the messages whose calls wait, unless only one does: decoded, these take no more
memory than `FREE_MEMORY`."""


class ResumeReading:
    """There is room again: resume reading."""


class Delivery(Call):
    """One message or update on its way through the handler."""

    __slots__ = ("deliveries", "size")

    def __init__(self, deliveries: Deliveries, label: str) -> None:
        super().__init__(deliveries.deliver, None, label=label, counters=deliveries.counters)
        self.deliveries = deliveries
        #: bytes of the message
        self.size = 0

    def settle(self) -> None:
        """Count it; runs in the router's thread, or in a worker's under the lock of its pool."""
        self.deliveries.finish(self.size)

    def cancel(self) -> None:
        """Count a call that the stop left out."""
        self.counters.drop("stopped")
        self.deliveries.backlog.cancel()

    def leave_behind(self) -> None:
        """Count a call that the stop did not wait for."""
        self.counters.drop("stopped")


class Deliveries:
    """Delivers an actor's messages to its handler, one call at a time, in the order of arrival.

    Everything but `finish` is for the thread of the actor.

    :param source: not read while `high_water_mark` calls wait, or too many bytes
    :param is_ready: False: calls are kept until `begin`
    :ivar keeps_handler_lock: the handler lock of one call is kept for the next, until `let_go`
    :ivar counting: held while a call is counted, if several may run at once
    """

    counting: AbstractContextManager[Any] = nullcontext()

    def __init__(
        self, actor: SocketActor, source: SocketSource | None = None, *, is_ready: bool = True
    ) -> None:
        self.source = source
        self.counters = actor.counters
        self.backlog = self.counters.queued = Backlog()
        self.keeps_handler_lock = False
        self._actor = actor
        self._handler_lock = actor.run_context.handler_lock
        self._queue: CallQueue = actor.run_context.router
        self._new_workflow_id = actor.run_context.new_workflow_id
        self._max_queued: int = actor.model.creation["high_water_mark"]
        self._resume_at = self._max_queued // 2
        #: number of calls that may wait however large they are
        self._unlimited = 1
        self._early: list[Call] | None = None if is_ready else []
        self._has_handler_lock = False
        self._waits_for_room = False
        #: number of calls that are counted but need not be waited for
        self._kept_apart = 0
        #: the call that runs in this thread, reused for each message
        self._delivery = Delivery(self, actor.label)

    def deliver(
        self,
        handler: Callable[..., Any],
        args: Any,
        workflow_id: object,
        pinned: Mapping[str, Any] | None = None,
        *,
        size: int = 0,
    ) -> None:
        """Call a handler now, or queue the call; HOT.

        :param size: bytes of the message
        """
        call = self._delivery
        call.size = size
        call.handler = handler
        call.args = args
        call.workflow_id = self._new_workflow_id() if workflow_id is None else workflow_id
        call.pinned = pinned
        if self.run_or_queue(call, size):
            call.args = call.pinned = None
        else:
            self._delivery = Delivery(self, call.label)

    def run_or_queue(self, call: Call, size: int) -> bool:
        """Run a call if no other runs and none waits, else queue it; HOT.

        :param size: bytes of its message
        :returns: True if it ran
        """
        lock = self._handler_lock
        if self._has_handler_lock and lock.queued:
            # calls that have queued since the last call came before this one
            self.let_go()
        backlog = self.backlog
        # calls that ran count too until their answers are sent, since answers go out in order
        are_waiting = backlog.brought - self._kept_apart != backlog.finished
        is_ready = self._early is None and not are_waiting
        if self._has_handler_lock or (is_ready and not lock.queued and lock.acquire(False)):
            self._has_handler_lock = True
            try:
                lock.run(call)
            finally:
                if not self.keeps_handler_lock:
                    self._has_handler_lock = False
                    lock.release()
            return True
        self.queue(call, size)
        return False

    def queue(self, call: Call, size: int) -> None:
        """Queue a call at the router.

        :param size: bytes of its message; pass the same to `finish`
        """
        if self._early is not None:
            self._early.append(call)
        else:
            self._queue.enqueue(call)
        self._count(size)

    def keep_apart(self, size: int) -> None:
        """Count a call that waits for something other than the handler; others may overtake it.

        :param size: bytes of its message; pass the same to `finish` or `give_up`
        """
        self._kept_apart += 1
        self._count(size)

    def take_up(self, call: Call) -> None:
        """Queue a call that was kept apart at the router."""
        self._kept_apart -= 1
        self._queue.enqueue(call)

    def give_up(self, size: int) -> None:
        """Note that a call that was kept apart is over."""
        self._kept_apart -= 1
        self.finish(size)

    def _count(self, size: int) -> None:
        backlog = self.backlog
        backlog.bring(size)
        waiting = len(backlog)
        is_large = waiting > self._unlimited and backlog.size > MAX_WAITING_BYTES
        if waiting >= self._max_queued or is_large:
            self._wait_for_room()

    def let_go(self) -> None:
        """Release the handler lock if it was kept."""
        if self._has_handler_lock:
            self._has_handler_lock = False
            self._handler_lock.release()

    def begin(self) -> None:
        """Queue the calls that were kept until now."""
        early, self._early = self._early or [], None
        for call in early:
            self._queue.enqueue(call)

    def finish(self, size: int) -> None:
        """Note that a queued call is over; for one thread at a time."""
        self.backlog.finish(size)
        if self._waits_for_room:
            self._resume_if_there_is_room()

    def resume(self) -> None:
        """Resume reading, unless the actor drains."""
        if self.source is not None and not self._actor.is_draining:
            self._actor.inbox.resume(self.source)

    def _wait_for_room(self) -> None:
        if self.source is not None:
            self._actor.inbox.pause(self.source)
            self._waits_for_room = True
            # the last call may have ended before the flag was set
            self._resume_if_there_is_room()

    def _resume_if_there_is_room(self) -> None:
        waiting = len(self.backlog)
        has_room = waiting <= self._unlimited or self.backlog.size <= MAX_WAITING_BYTES // 2
        if waiting <= self._resume_at and has_room:
            self._waits_for_room = False
            self._actor.tell(ResumeReading())


class ParallelDeliveries(Deliveries):
    """Delivers an actor's messages to workers, several calls at a time.

    Running calls count as waiting too, so the limits are raised by the number of workers.
    """

    def __init__(self, actor: SocketActor, pool: WorkerPool) -> None:
        super().__init__(actor)
        self._queue = pool
        self.counting = pool.lock
        self._max_queued += pool.size
        self._resume_at += pool.size
        self._unlimited += pool.size

    def run_or_queue(self, call: Call, size: int) -> bool:
        """Queue a call for a worker.

        :returns: False
        """
        self.queue(call, size)
        return False


def deliveries_of(actor: SocketActor) -> Deliveries:
    """Return the deliveries of an actor: serialised, or to its workers."""
    pool = actor.run_context.pools.get(actor.model.key)
    return Deliveries(actor) if pool is None else ParallelDeliveries(actor, pool)
