"""One address of a requester: its socket, and what becomes of its connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import zmq
from zmq import zmq_poll

from sf_actors.connections.call_rules import Place
from sf_actors.sockets import inproc
from sf_actors.sockets.frames import (
    EVENTS,
    MAX_FRAMES,
    NOBLOCK,
    NOBLOCK_SNDMORE,
    POLLIN,
    get_option,
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

#: How often it is tried to connect within the process, in seconds.
INPROC_S = 0.05

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
        "_is_introduced",
        "_items",
        "_pause_s",
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
        self.has_news = True
        self._pause_s = RETRY_S
        self.retry_at: float | None = None
        self._is_introduced = False
        #: the socket of inproc that it is connected to
        self._inproc: int | None = None

    def has_something(self) -> bool:
        """Return whether there is something to read, or the connection changed."""
        return bool(zmq_poll(self._items, 0))

    @property
    def is_settled(self) -> bool:
        """Whether nothing is to be done before something is signalled; HOT."""
        return self.is_connected and self.events is not None and self.retry_at is None

    @property
    def needs_no_id(self) -> bool:
        """Whether a reply without an id can only be that to the next request; HOT.

        The first request through a connection has one, by which a replyer knows one of ours.
        """
        return self._is_introduced and not self.under_way

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
            return not self.is_connected or inproc.bound(self.endpoint.path) != self._inproc
        return self.has_news or (self.retry_at is not None and now >= self.retry_at)

    def longest_wait_s(self, now: float) -> float:
        """Return after which time there is something to do, in seconds."""
        if self.is_full:
            return RETRY_S
        if self.events is None and self.is_stopping:
            return INPROC_S
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
                self._is_introduced = False
                self._transport.reconnect(self.socket, self.endpoint)

    def _changes_of_inproc(self, now: float) -> Iterator[bool]:
        there = inproc.bound(self.endpoint.path)
        if there != self._inproc:
            if self._inproc is not None:
                self._inproc = None
                yield False
            if there is not None:
                self._transport.reconnect(self.socket, self.endpoint)
                self._is_introduced = False
                self._inproc = there
                yield True
        elif there is None and not self.is_away:
            yield False
        # nobody tells of another socket at the address
        self.retry_at = now + INPROC_S if there is None else None

    def send(self, attempt: bytes, frame: bytes) -> bool:
        """Send a request; HOT.

        :param attempt: its id, empty where `needs_no_id` says so
        :returns: False if there is no room
        """
        if not attempt:
            try:
                send_frame(self.socket, b"", NOBLOCK_SNDMORE)
            except zmq.Again:
                return False
            send_frame(self.socket, frame, NOBLOCK)
            return True
        try:
            send_frame(self.socket, attempt, NOBLOCK_SNDMORE)
        except zmq.Again:
            return False
        self._is_introduced = True
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
            # a REP socket may send several frames: the first one is the reply
            if 2 <= len(frames) <= MAX_FRAMES:
                if not frames[0]:
                    replies.append((b"", frames[1]))
                elif not frames[1] and len(frames) > 2:
                    replies.append((frames[0], frames[2]))
            if not int(get_option(self.socket, EVENTS)) & POLLIN:
                break
        return replies
