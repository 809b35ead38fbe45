"""One address of a requester: its socket, and what becomes of its connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import zmq
from zmq import zmq_poll

from sf_actors.connections.call_rules import Place
from sf_actors.sockets import inproc
from sf_actors.sockets.frames import (
    MAX_FRAMES,
    NOBLOCK,
    NOBLOCK_SNDMORE,
    POLLIN,
    receive_frames,
    send_frame,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sf_actors.sockets.endpoint import Endpoint
    from sf_actors.sockets.frames import Socket
    from sf_actors.sockets.transport import Transport

#: First and longest pause before the next try to connect, in seconds. Tries are made only while
#: calls are.
RETRY_S = 0.02
LONGEST_RETRY_S = 0.25

#: Longest single wait, in seconds; a longer one takes several, since poll(2) has 32 bits.
LONGEST_WAIT_S = 3_600.0

#: Most messages read at once.
MAX_READ = 1_000

_SUCCEEDED = int(zmq.EVENT_HANDSHAKE_SUCCEEDED)


class Link(Place):
    """A DEALER socket to one address; for one thread at a time.

    libzmq would reconnect by itself, and nobody would know; so it is done here, by `look`.

    :ivar retry_at: when to connect again, in seconds of `time.monotonic`; None: it is tried, or is
        there
    :ivar fds: what to wait for, that of the replies first
    :ivar has_news: whether the connection may have changed
    """

    __slots__ = (
        "_inproc",
        "_items",
        "_pause_s",
        "_polled",
        "_transport",
        "endpoint",
        "events",
        "fds",
        "has_news",
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
        self._polled = self._items[:1]
        self.has_news = True
        self._pause_s = RETRY_S
        self.retry_at: float | None = None
        #: the socket of inproc that it is connected to
        self._inproc: int | None = None

    def has_something(self) -> bool:
        """Return whether there is something to read, or the connection changed."""
        return bool(zmq_poll(self._items, 0))

    @property
    def is_settled(self) -> bool:
        """Whether nothing is to be done before something is signalled; HOT."""
        return self.is_connected and self.events is not None and self.retry_at is None

    def look(self, *, is_signalled: bool = False) -> list[tuple[bytes, bytes]]:
        """Read replies; HOT.

        :param is_signalled: it is known that there are some, and no news of the connection
        :returns: the id of each reply, and the reply
        """
        if is_signalled:
            return self._replies()
        replies: list[tuple[bytes, bytes]] = []
        for item, _ in zmq_poll(self._items, 0):
            if item is self.socket:
                replies = self._replies()
            else:
                self.has_news = True
        return replies

    def needs_care(self, now: float) -> bool:
        """Return whether `changes` has something to do; HOT."""
        if self.events is None:
            return inproc.bound(self.endpoint.path) != self._inproc or self.retry_at is not None
        return self.has_news or (self.retry_at is not None and now >= self.retry_at)

    def longest_wait_s(self, now: float) -> float:
        """Return after which time there is something to do, in seconds."""
        if self.is_full:
            return RETRY_S
        return LONGEST_WAIT_S if self.retry_at is None else max(0.0, self.retry_at - now)

    def changes(self, now: float) -> Iterator[bool]:
        """Yield each change of the connection, True if it is there, and make it anew if it is due.

        To be called after `look`, since what is unread is dropped by a new connection.
        """
        if self.events is None:
            yield from self._changes_of_inproc(now)
        else:
            self.has_news = False
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
        there = inproc.bound(self.endpoint.path)
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

    def _replies(self) -> list[tuple[bytes, bytes]]:
        replies = []
        for _ in range(MAX_READ):
            try:
                frames = receive_frames(self.socket, 1)
            except zmq.Again:
                break
            if 3 <= len(frames) <= MAX_FRAMES and not frames[1]:
                # a REP socket may send several frames: the first one is the reply
                replies.append((frames[0], frames[2]))
            if not zmq_poll(self._polled, 0):
                break
        return replies
