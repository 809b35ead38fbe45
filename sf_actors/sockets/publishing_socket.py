"""The XPUB socket of a publisher or an out-state, which its callers use under its lock.

It has XPUB_NODROP set: with a full queue a send fails, instead of silently losing the message.
"""

from __future__ import annotations

from time import monotonic, time_ns
from typing import TYPE_CHECKING, Any, Final

import zmq

from sf_actors.errors import MessageTooLarge
from sf_actors.sockets.frames import NOBLOCK, send_frame
from sf_actors.sockets.subscriptions import Subscriptions
from sf_actors.sockets.topic_limits import topic_limits
from sf_actors.sync.locks import new_lock
from sf_actors.sync.reentry import owned_lock
from sf_actors.wire.topic import pack
from sf_actors.wording import over_limit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sf_actors.counters import Counters
    from sf_actors.log import PackageLogger
    from sf_actors.sockets.frames import Socket

_NODROP: Final = int(zmq.XPUB_NODROP)


class PublishingSocket:
    """An XPUB socket with its lock, its epoch and its subscriptions.

    Hold the lock to use it.

    :param creation: the creation arguments of the model
    :param has_keys: only peers with authorized keys are admitted
    :param where: the model, for messages
    :param look: called after a send, with the time: reads subscriptions, which arrive only while
        the socket is used, and sets `look_at`
    :ivar epoch: the wall clock at the start of its socket in nanoseconds, larger than any before
    :ivar is_held_here: returns True in the thread that holds the lock
    :ivar socket: None while there is none
    :ivar look_at: when `look` is due, in seconds of `time.monotonic`
    """

    __slots__ = (
        "_counters",
        "_limits",
        "_log",
        "_look",
        "_where",
        "epoch",
        "is_held_here",
        "lock",
        "look_at",
        "max_bytes",
        "socket",
        "subscriptions",
        "topic",
    )

    def __init__(
        self,
        creation: Mapping[str, Any],
        counters: Counters,
        log: PackageLogger,
        *,
        where: str,
        look: Callable[[float], None],
        has_keys: bool,
    ) -> None:
        self.lock, self.is_held_here = owned_lock()
        self.topic = pack(creation["topic"])
        self.max_bytes: int = creation["max_message_bytes"]
        self.epoch = _new_epoch()
        self.socket: Socket | None = None
        self.subscriptions: Subscriptions | None = None
        self.look_at = 0.0
        self._limits = topic_limits(is_of_bus=creation["is_x_pub"], has_keys=has_keys)
        self._counters = counters
        self._log = log
        self._where = where
        self._look = look

    def attach(self, socket: Socket) -> None:
        """Send through a socket from now on, as a new epoch."""
        socket.setsockopt(_NODROP, 1)
        self.subscriptions = Subscriptions(
            socket,
            self.topic,
            self._counters,
            self._log,
            where=self._where,
            limits=self._limits,
        )
        self.socket = socket
        self.epoch = _new_epoch()
        self.look_at = 0.0

    def send(self, frame: bytes) -> None:
        """Send to all subscribers, if there is a socket; HOT."""
        socket = self.socket
        if socket is None:
            return
        try:
            send_frame(socket, frame, NOBLOCK)
        except zmq.Again:
            send_to_who_has_room(socket, frame, self._counters)
        if (now := monotonic()) >= self.look_at:
            self._look(now)

    def too_large(self, noun: str, frame: bytes) -> MessageTooLarge:
        """Return the error for a frame of more than `max_bytes`."""
        return MessageTooLarge(over_limit(f"{self._where}: the {noun}", len(frame), self.max_bytes))


_last_epoch = 0
_epoch_lock = new_lock()


def note_epoch(epoch: int) -> None:
    """Make all further epochs of this process larger than this one, whatever the clock says."""
    global _last_epoch  # noqa: PLW0603 - as below
    with _epoch_lock:
        _last_epoch = max(_last_epoch, epoch)


def _new_epoch() -> int:
    """Return the wall clock in nanoseconds: the later of two runs has the larger epoch."""
    global _last_epoch  # noqa: PLW0603 - of the whole process: the clock may stand still
    with _epoch_lock:
        _last_epoch = max(time_ns(), _last_epoch + 1)
        return _last_epoch


def send_to_who_has_room(socket: Socket, frame: bytes, counters: Counters) -> None:
    """Send again after a full queue has refused a message; drop it for queues that are still full.

    Runs in the thread that may use the socket. libzmq skips a full queue until it has room again,
    so only the first message that a subscriber misses is counted.
    """
    # makes libzmq notice a queue that was emptied, which it else does only now and then
    socket.getsockopt(zmq.EVENTS)
    try:
        socket.send(frame, NOBLOCK)
    except zmq.Again:
        counters.drop("queue_full")
        socket.setsockopt(_NODROP, 0)
        try:
            socket.send(frame, NOBLOCK)
        finally:
            socket.setsockopt(_NODROP, 1)
