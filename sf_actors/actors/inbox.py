"""Inboxes: the one place where an actor waits.

pykka's loop calls `get()` for the next envelope. An `Inbox` waits for messages of other actors. A
`SocketInbox` waits for these, its sockets and its deadline in one `zmq_poll`, without a polling
interval or a second thread. `get()` never raises, since pykka would silently end the thread.
"""

from __future__ import annotations

import threading
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import zmq
from zmq import zmq_poll

from sf_actors.actors.pykka_actor import LAST, Envelope
from sf_actors.sync.locks import new_lock
from sf_actors.sync.seconds import LONGEST_POLL_MS
from sf_actors.sync.wakeup import Wakeup

if TYPE_CHECKING:
    from collections.abc import Callable

    from sf_actors.sockets.frames import Socket


class Tick:
    """The message that the deadline of the inbox has come."""


TICK: Final = Tick()
_TICK: Final = Envelope(TICK)


class Alarm:
    """The message that the alarm of the inbox has come."""


ALARM: Final = Alarm()
_ALARM: Final = Envelope(ALARM)

# A plain integer: pyzmq's enums cost more than its calls.
_POLLIN: Final = int(zmq.POLLIN)
#: A poll that took at least this long really waited, so nothing was queued before it.
_LEAST_WAIT_S: Final = 0.00002


#: Stands for the messages of an inbox that has never had one: few routers do, and a deque is large.
_NEVER_FILLED: Final[deque[Envelope[Any]]] = deque()


class Step:
    """The message that it is time for a piece of the actor's own work."""


STEP: Final = Step()
_STEP: Final = Envelope(STEP)


class WaitFailed:
    """The message that the wait itself failed; the actor raises `error`."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


class Pollable:
    """A source that an inbox waits for; when it may be readable, its message arrives.

    The receiver of the message reads until nothing is left and then calls `drained`.

    :param item: what `zmq_poll` waits for: a socket or a descriptor
    :param message: the message that arrives
    :ivar is_probably_single: the poll had to wait, so there is probably just one message
    """

    __slots__ = ("envelope", "is_probably_single", "item", "may_be_readable", "paused")

    def __init__(self, item: Any, message: object) -> None:
        self.item = item
        self.envelope: Envelope[Any] = Envelope(message)
        self.may_be_readable = False
        self.is_probably_single = False
        self.paused = False

    def drained(self) -> None:
        """Note that nothing is left to read; in the thread of the actor.

        If something is left, `zmq_poll` reports it again, except for a shared socket.
        """
        self.may_be_readable = False


class SocketSource(Pollable):
    """A ZeroMQ socket; the source itself is the message that arrives.

    :param is_shared: other threads use the socket too, under a lock that the inbox does not know.
        So it waits only for libzmq's descriptor, which signals a change, not a state; another
        thread may consume the signal (see `touched`)
    :param receive: reads one message, or raises `zmq.Again`
    :param take: handles a message
    """

    __slots__ = ("_asked", "receive", "socket", "take")

    def __init__(
        self,
        socket: Socket,
        *,
        is_shared: bool = False,
        receive: Callable[[], Any] | None = None,
        take: Callable[[Any], None] | None = None,
    ) -> None:
        super().__init__(int(socket.getsockopt(zmq.FD)) if is_shared else socket, self)
        self.socket = socket
        self.receive: Any = receive
        self.take: Any = take
        self._asked = [(socket, _POLLIN)]
        self.may_be_readable = True

    def has_more(self) -> bool:
        """Return True if there is something to read; not for a shared socket.

        This is cheaper than reading the socket's events, and far cheaper than the exception of a
        read that finds nothing (the benchmark `shortcuts`).
        """
        return bool(zmq_poll(self._asked, 0))

    def touched(self) -> None:
        """Note that the socket was used elsewhere, which may have consumed its read signal."""
        self.may_be_readable = True


class Inbox:
    """Messages for an actor without a socket, in order; any thread may put."""

    def __init__(self) -> None:
        self._messages = _NEVER_FILLED
        self._lock = new_lock()
        self._is_idle = False
        self._gate = threading.Lock()
        self._gate.acquire()

    def put(self, envelope: Envelope[Any], /) -> None:
        """Add a message; check, add and wake under one lock, so that no wake-up is lost."""
        with self._lock:
            if self._messages is _NEVER_FILLED:
                self._messages = deque()
            self._messages.append(envelope)
            if self._is_idle:
                self._is_idle = False
                self._gate.release()

    def add(self, message: object) -> None:
        """Add a message even if the actor has ended; any thread."""
        self.put(Envelope(message))

    def get(self) -> Envelope[Any]:
        """Wait for the next message and return it; in the thread of the actor."""
        while True:
            try:
                with self._lock:
                    if self._messages:
                        return self._messages.popleft()
                    self._is_idle = True
                self._gate.acquire()
            except BaseException as error:  # noqa: BLE001 - see the top of the file
                return Envelope(WaitFailed(error))

    def empty(self) -> bool:
        """Return True if no message waits."""
        return not self._messages

    def take_all(self) -> list[Any]:
        """Remove and return all messages but pykka's own; any thread."""
        with self._lock:
            return _take_all(self._messages)


class SocketInbox:
    """Messages, sockets and a deadline for an actor that owns sockets.

    `put` is for any thread; everything else is for the thread of the actor.

    :ivar on_receive: takes the message of a readable source within `get`, which saves the way
        through pykka's loop, and raises nothing; None: `get` returns it
    """

    def __init__(self) -> None:
        #: the messages; other code may only test if it is empty; HOT
        self.waiting: deque[Envelope[Any]] = deque()
        self._lock = new_lock()
        self._is_idle = False
        self._is_closed = False
        self._wakeup = Wakeup()
        self._sources: dict[Any, Pollable] = {}
        #: turns given to sources since the last poll; not counted for a single source
        self._turns = 0
        self._polled: list[tuple[Any, int]] = [(self._wakeup.fd, _POLLIN)]
        #: When `get` returns a `Tick`, in seconds of `time.monotonic`; None: never.
        self.deadline: float | None = None
        #: When `get` returns an `Alarm`, for the connections of its sockets; likewise.
        self.alarm: float | None = None
        #: True if the actor has work to do in pieces: `get` does not wait, and returns a `Step` in
        #: turn with readable sources.
        self.has_work = False
        self._is_works_turn = False
        self.on_receive: Callable[[Any], None] | None = None
        self._is_left = False

    def put(self, envelope: Envelope[Any], /) -> None:
        """Add a message; check, add and wake under one lock, so that no wake-up is lost."""
        with self._lock:
            self.waiting.append(envelope)
            if self._is_idle and not self._is_closed:
                self._is_idle = False
                self._wakeup.set()

    def get(self) -> Envelope[Any]:  # noqa: PLR0912 - a call costs more
        """Return the next message, readable source or tick; waits for it. HOT."""
        try:
            while True:
                with self._lock:
                    if self.waiting:
                        return self.waiting.popleft()
                    self._is_idle = True
                if self.deadline is not None and monotonic() >= self.deadline:
                    self.deadline = None
                    self._is_idle = False
                    return _TICK
                if self.has_work and self._is_works_turn:
                    self._is_works_turn = self._is_idle = False
                    return _STEP
                readable = busy = None
                for source in self._sources.values():
                    if source.may_be_readable and not source.paused:
                        if self._turns < len(self._sources):
                            readable = source
                        else:
                            # this one may never be drained, so poll the others again
                            busy = source
                        break
                if readable is None:
                    self._turns = 0
                    self._is_works_turn = self._is_works_turn or self.has_work
                    asked_at = monotonic()
                    is_endless = self.deadline is None and self.alarm is None and not self.has_work
                    timeout_ms = -1 if is_endless else self._longest_wait_ms(asked_at)
                    ready = zmq_poll(self._polled, timeout_ms if busy is None else 0)
                    for item, _ in ready:
                        if item == self._wakeup.fd:
                            self._wakeup.clear()
                        else:
                            source = self._sources[item]
                            source.may_be_readable = True
                            if len(ready) == 1 and busy is None:
                                # no message and no other source: skip another round
                                source.is_probably_single = monotonic() - asked_at > _LEAST_WAIT_S
                                readable = source
                self._is_idle = False
                if readable is not None:
                    self._is_works_turn = True
                    if len(self._sources) > 1:
                        # move it to the end, so that a busy socket does not starve another
                        self._sources[readable.item] = self._sources.pop(readable.item)
                        self._turns += 1
                    if self.on_receive is None:
                        return readable.envelope
                    self.on_receive(readable.envelope.message)
                    if self._is_left:
                        return LAST
        except BaseException as error:  # noqa: BLE001 - see the top of the file
            return Envelope(WaitFailed(error))

    def empty(self) -> bool:
        """Return True if no message waits."""
        return not self.waiting

    def watch(self, source: Pollable) -> None:
        """Begin to wait for a socket or descriptor."""
        self._sources[source.item] = source
        self._polled.append((source.item, _POLLIN))

    def pause(self, source: Pollable) -> None:
        """Leave a socket unread until `resume`."""
        if not source.paused:
            source.paused = True
            self._polled.remove((source.item, _POLLIN))

    def resume(self, source: Pollable) -> None:
        """Wait for a paused socket again."""
        if source.paused:
            source.paused = False
            source.may_be_readable = True
            self._polled.append((source.item, _POLLIN))

    def forget(self, source: Pollable) -> None:
        """Stop waiting for a socket and reading it, before it is closed."""
        self.pause(source)
        self._sources.pop(source.item, None)

    def leave(self) -> None:
        """Leave the messages where they are: the actor ends after the one that it handles."""
        self._is_left = True

    def close(self) -> list[Any]:
        """Free the wake-up's descriptor; messages may still be put, but no longer wake the thread.

        :returns: the unread messages, without pykka's own
        """
        with self._lock:
            self._is_closed = True
            self._wakeup.close()
            return _take_all(self.waiting)

    def _longest_wait_ms(self, now: float) -> int:
        if self.alarm is not None and now >= self.alarm:
            self.alarm = None
            self.put(_ALARM)
        if self.has_work or self.deadline is self.alarm is None:
            return 0
        until = min(at for at in (self.deadline, self.alarm) if at is not None)
        # rounded up: zero until the deadline would be a busy loop
        return min(int(max(0.0, until - now) * 1000) + 1, LONGEST_POLL_MS)


def _take_all(messages: deque[Envelope[Any]]) -> list[Any]:
    """Remove and return the messages that expect no reply; pykka answers the others itself."""
    waiting = [envelope.message for envelope in messages if envelope.reply_to is None]
    kept = [envelope for envelope in messages if envelope.reply_to is not None]
    messages.clear()
    messages.extend(kept)
    return waiting
