"""The handler calls for the updates of an in-state, queued apart so that reading never waits.

The actor reads and applies updates whatever its handlers do. When too many calls wait, one call
with the whole value takes their place.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from sf_actors.replication.values.frozen import thaw
from sf_actors.sync.event import set_event
from sf_actors.sync.locks import new_lock
from sf_actors.user_code.call import Call
from sf_actors.user_code.update import Update

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sf_actors.actors.socket_actor import SocketActor
    from sf_actors.replication.values.persistent_map import Map

MAX_WAITING_BYTES: Final = 64 * 2**20
"""Most bytes that the waiting calls may hold."""

HELD_PER_BYTE: Final = 40
"""Bytes of memory assumed for each byte of a message with many small values: lists of empty lists
need eighty, texts one."""

#: How long the actor lets the router run before it reads on, in seconds. Two threads that run at
#: the same time contend for the interpreter with each message; short handlers are done within this
#: time, and longer ones do not hold up reading.
PATIENCE_S: Final = 0.005


class UpdateCall(Call):
    """One call that waits: of the handler with an update, or of `on_status` with a status.

    :param fields: the handler's `args`: a dict that it may change, or all fields, frozen
    :param whole: the value right after the update, all its fields, frozen; None for a status
    :param size: bytes of the message that brought it
    """

    __slots__ = ("_calls", "_fields", "size", "update", "whole")

    def __init__(
        self,
        calls: UpdateCalls,
        handler: Callable[..., Any],
        fields: Any,
        *,
        workflow_id: object,
        pinned: Mapping[str, Any] | None = None,
        whole: Map[str, Any] | None = None,
        update: Update | None = None,
        size: int = 0,
    ) -> None:
        # the base class's assignments, since calling its `__init__` would cost more
        self.handler = handler
        self.args = None
        self.label = calls.label
        self.counters = calls.counters
        self.workflow_id = workflow_id
        self.pinned = pinned
        self._calls = calls
        self._fields = fields
        self.whole = whole
        self.update = update
        self.size = size

    def become_whole(self) -> None:
        """Let this call replace the earlier ones: its handler gets the whole value."""
        self._fields = self.whole
        self.size = 0
        if self.update is not None:
            self.update = Update(self.update.number, self.update.epoch, is_whole=True)

    def prepare(self) -> None:
        """Make the arguments; in the router's thread, since a whole value takes a while."""
        fields = self._fields
        self.args = thaw(fields) if self.whole is not None and type(fields) is not dict else fields
        self._fields = self.whole = None
        if self.update is not None:
            # the handler takes the update as its last argument
            function, update = self.handler, self.update
            self.handler = lambda *offered: function(*offered, update)

    def cancel(self) -> None:
        """Count a call that the stop left out."""
        self.counters.drop("stopped")

    def leave_behind(self) -> None:
        """Count a call that the stop did not wait for."""
        self.counters.drop("stopped")


class UpdateCalls:
    """The calls of one in-state that wait, in order, at most `high_water_mark` of them.

    `add`, `flush` and `begin` are for the actor's thread, `next_call` for the router's, `cancel`
    for that of the stop.
    """

    def __init__(self, actor: SocketActor) -> None:
        self.label = actor.label
        self.counters = actor.counters
        #: set once calls no longer give way to those of other models
        self.is_draining = False
        self._handler_lock = actor.run_context.handler_lock
        self._router = actor.run_context.router
        self._most: int = actor.model.creation["high_water_mark"]
        held_per_byte = HELD_PER_BYTE if actor.model.arguments.has_many_values else 1
        self._most_bytes = MAX_WAITING_BYTES // held_per_byte
        self._lock = new_lock()
        self._waiting: deque[UpdateCall] = deque()
        self._bytes = 0
        self._has_begun = False
        #: the router has these calls in its queue, or runs one of them
        self._is_queued = False
        self._are_done = set_event()
        actor.counters.queued = self

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, call: UpdateCall) -> None:
        """Queue a call, or let it replace those that wait; HOT."""
        with self._lock:
            self._bytes += call.size
            self._waiting.append(call)
            if len(self._waiting) > self._most or self._bytes > self._most_bytes:
                self._conflate()
        self._handler_lock.enqueue()

    def flush(self) -> None:
        """Have the router run the waiting calls, and give it a moment before reading on; HOT."""
        if not self._has_begun or not self._waiting:
            return
        with self._lock:
            if self._is_queued or not self._waiting:
                return
            self._is_queued = True
            self._are_done.clear()
        self._router.enqueue_source(self)
        self._are_done.wait(PATIENCE_S)

    def next_call(self) -> UpdateCall | None:
        """Take the next call; None if no more wait; in the router's thread."""
        with self._lock:
            if not self._waiting:
                self._is_queued = False
                self._are_done.set()
                return None
            call = self._waiting.popleft()
            self._bytes -= call.size
        call.prepare()
        return call

    def begin(self) -> None:
        """Let the router run the calls that have waited so far."""
        self._has_begun = True
        self.flush()

    def drain(self) -> None:
        """Replace all waiting updates by one call with the whole value."""
        with self._lock:
            self.is_draining = True
            self._conflate()
        self.flush()

    def cancel(self) -> int:
        """Drop the waiting calls; return how many there were."""
        with self._lock:
            dropped = list(self._waiting)
            self._waiting.clear()
            self._bytes = 0
            self._is_queued = False
            self._are_done.set()
        for call in dropped:
            self._handler_lock.dequeue()
            call.cancel()
        return len(dropped)

    def _conflate(self) -> None:
        """Let the last waiting update replace all others; calls for statuses stay."""
        updates = [call for call in self._waiting if call.whole is not None]
        if len(updates) > 1:
            last = updates[-1]
            last.become_whole()
            self.counters.conflated += len(updates) - 1
        statuses = [call for call in self._waiting if call.whole is None]
        dropped = len(updates[:-1])
        # bounded too, since peers can make the phase change as often as they like
        while len(statuses) > self._most:
            statuses.pop(0)
            dropped += 1
        kept = set(map(id, statuses)) | set(map(id, updates[-1:]))
        self._waiting = deque(call for call in self._waiting if id(call) in kept)
        self._bytes = sum(call.size for call in self._waiting)
        for _ in range(dropped):
            self._handler_lock.dequeue()
