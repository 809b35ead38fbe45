"""One address of a requester: its socket, and what becomes of its connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import zmq
from zmq import zmq_poll

from sf_actors.connections.call_rules import Place
from sf_actors.sockets.frames import (
    MAX_FRAMES,
    NOBLOCK,
    NOBLOCK_SNDMORE,
    POLLIN,
    receive_frames,
    send_frame,
)
from sf_actors.sockets.transport import bound_inproc

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sf_actors.sockets.endpoint import Endpoint
    from sf_actors.sockets.frames import Socket
    from sf_actors.sockets.transport import Transport

#: First and longest pause before the next try to connect, in seconds. Tries are made only while
#: calls are.
RETRY_S = 0.02
LONGEST_RETRY_S = 0.25

#: Most messages read at once.
MAX_READ = 1_000

_SUCCEEDED = int(zmq.EVENT_HANDSHAKE_SUCCEEDED)


class Link(Place):
    """A DEALER socket to one address; for one thread at a time.

    libzmq would reconnect by itself, and nobody would know; so it is done here, by `look`.

    :ivar retry_at: when to connect again, in seconds of `time.monotonic`; None: it is tried, or is
        there
    :ivar fds: what to wait for
    """

    __slots__ = (
        "_inproc",
        "_items",
        "_pause_s",
        "_transport",
        "endpoint",
        "events",
        "fds",
        "retry_at",
        "socket",
    )

    def __init__(
        self, transport: Transport, endpoint: Endpoint, creation: Any, *, where: str, server: str
    ) -> None:
        super().__init__(endpoint.zmq_endpoint)
        self.endpoint = endpoint
        self._transport = transport
        self.socket: Socket
        self.socket, self.events = transport.asking(endpoint, creation, where=where, server=server)
        self._items: list[tuple[Any, int]] = [(self.socket, POLLIN)]
        if self.events is not None:
            self._items.append((self.events, POLLIN))
        self.fds = [int(item.getsockopt(zmq.FD)) for item, _ in self._items]
        self._pause_s = RETRY_S
        self.retry_at: float | None = None
        #: the socket of inproc that it is connected to
        self._inproc: int | None = None

    def has_something(self) -> bool:
        """Return whether there is something to read, or the connection changed."""
        return bool(zmq_poll(self._items, 0))

    def look(self) -> list[tuple[bytes, bytes]]:
        """Read replies, and see what became of the connection; HOT.

        :returns: the id of each reply, and the reply
        """
        replies: list[tuple[bytes, bytes]] = []
        for item, _ in zmq_poll(self._items, 0):
            if item is self.socket:
                replies.extend(self._replies())
        return replies

    def changes(self, now: float) -> Iterator[bool]:
        """Yield each change of the connection, True if it is there, and make it anew if it is due.

        To be called after `look`, since what is unread is dropped by a new connection.
        """
        if self.events is None:
            yield from self._changes_of_inproc(now)
        else:
            while True:
                try:
                    event = int.from_bytes(self.events.recv_multipart(NOBLOCK)[0][:2], "little")
                except zmq.Again:
                    break
                if event == _SUCCEEDED:
                    self._pause_s = RETRY_S
                    self.retry_at = None
                    yield True
                elif self.retry_at is None:
                    self.retry_at = now if self.is_connected else now + self._pause_s
                    self._pause_s = min(2 * self._pause_s, LONGEST_RETRY_S)
                    yield False
            if self.retry_at is not None and now >= self.retry_at:
                self.retry_at = None
                self._transport.reconnect(self.socket, self.endpoint)

    def _changes_of_inproc(self, now: float) -> Iterator[bool]:
        there = bound_inproc(self.endpoint.path)
        if there != self._inproc:
            if self._inproc is not None:
                self._inproc = None
                yield False
            if there is not None:
                self._transport.reconnect(self.socket, self.endpoint)
                self._inproc = there
                yield True
        elif there is None and not self.is_away:
            yield False
        self.retry_at = now + 0.05 if there is None or self.is_stopping else None

    def send(self, attempt: bytes, frame: bytes) -> bool:
        """Send a request; HOT.

        :returns: False if there is no room
        """
        try:
            send_frame(self.socket, attempt, NOBLOCK_SNDMORE)
        except zmq.Again:
            return False
        try:
            send_frame(self.socket, b"", NOBLOCK_SNDMORE)
        except zmq.Again:
            # the peer left in between; libzmq drops the rest of the message, so complete it
            send_frame(self.socket, frame, NOBLOCK)
            return False
        send_frame(self.socket, frame, NOBLOCK)
        return True

    def close(self) -> None:
        """Close the sockets."""
        self._transport.close(self.socket, linger_ms=0)
        if self.events is not None:
            self._transport.close(self.events, linger_ms=0)

    def _replies(self) -> Iterator[tuple[bytes, bytes]]:
        for _ in range(MAX_READ):
            try:
                frames = receive_frames(self.socket)
            except zmq.Again:
                return
            if 3 <= len(frames) <= MAX_FRAMES and not frames[1]:
                # a REP socket may send several frames: the first one is the reply
                yield frames[0], frames[2]
            if not zmq_poll(self._items[:1], 0):
                return
