"""One address of a requester: its socket and its connection."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import zmq
from zmq import zmq_poll

from sf_actors.connections.call_rules import Peer
from sf_actors.errors import MessageError
from sf_actors.sockets import inproc, monitors, names
from sf_actors.sockets.frames import (
    ANSWERS_ONCE,
    MAX_FRAMES,
    NOBLOCK,
    NOBLOCK_SNDMORE,
    POLLIN,
    receive_frames,
    send_frame,
)
from sf_actors.sockets.names import HostsInTurn
from sf_actors.wire.envelope import decode_reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sf_actors.sockets.endpoint import Endpoint
    from sf_actors.sockets.frames import Socket
    from sf_actors.sockets.names import LookUp, Unresolved
    from sf_actors.sockets.transport import Transport

#: First and longest pause before the next try to connect, in seconds. There are tries only while
#: there are calls.
RETRY_S = 0.02
LONGEST_RETRY_S = 0.25

#: Time between two looks for an inproc address that is not bound yet, in seconds.
INPROC_S = 0.05

#: Longest single wait, in seconds; a longer one takes several, since poll(2) has 32 bits.
LONGEST_WAIT_S = 3_600.0

#: Most messages read at once.
MAX_READ = 1_000

_SUCCEEDED = int(zmq.EVENT_HANDSHAKE_SUCCEEDED)
#: the connection is taken, and its handshake begins
_TAKEN = int(zmq.EVENT_CONNECTED)
#: the event of a try to connect where nobody listens
_CLOSED = int(zmq.EVENT_CLOSED)


class Link(Peer):
    """A DEALER socket to one address; for one thread at a time.

    libzmq would reconnect by itself without telling us, so this does it instead: see `changes`.

    :ivar answers_once: whether a reply without an id could only answer the request that is alone
        under way. Replyers of ours say so when the first id shows them that a requester is one of
        ours; another server may answer a request twice
    :ivar retry_at: when to connect again, in seconds of `time.monotonic`; None: connected, or a try
        is under way
    :ivar fds: the descriptors to wait for, that of the replies first
    :ivar has_news: whether the connection may have changed
    :ivar wake: makes a caller look; called in another thread after a look-up of the host
    """

    __slots__ = (
        "_at",
        "_found",
        "_inproc",
        "_is_taken",
        "_is_to_itself",
        "_is_turned_away",
        "_items",
        "_look_up",
        "_pause_s",
        "_replies",
        "_transport",
        "_turns",
        "_unresolved",
        "answers_once",
        "endpoint",
        "events",
        "fds",
        "has_news",
        "retry_at",
        "socket",
        "wake",
    )

    def __init__(
        self,
        transport: Transport,
        endpoint: Endpoint,
        creation: Any,
        *,
        where: str,
        server: str,
        unresolved: Unresolved | None = None,
    ) -> None:
        super().__init__(endpoint.zmq_endpoint)
        self.endpoint = endpoint
        self._transport = transport
        self.socket: Socket
        self.socket, self.events = transport.asking(endpoint, creation, where=where, server=server)
        self._replies: list[tuple[Any, int]] = [(self.socket, POLLIN)]
        self._items = list(self._replies)
        if self.events is not None:
            self._items.append((self.events, POLLIN))
        self.fds = [int(item.getsockopt(zmq.FD)) for item, _ in self._items]
        self.has_news = True
        self._pause_s = RETRY_S
        self.retry_at: float | None = None
        self.answers_once = False
        #: somebody listens, but has not finished the handshake
        self._is_taken = False
        #: somebody listens, but the last try to connect ended during the handshake
        self._is_turned_away = False
        #: the last try to connect has connected the socket to itself: see `monitors.read`
        self._is_to_itself = False
        #: the socket of inproc that it is connected to
        self._inproc: int | None = None
        self.wake: Callable[[], None] = _nobody
        self._unresolved = unresolved
        #: which addresses of a name to try; None: the host is no name
        self._turns = HostsInTurn() if endpoint.is_name else None
        self._at: Endpoint | None = endpoint if self._turns is None else None
        self._look_up: LookUp | None = None
        self._found: tuple[tuple[str, ...], str] | None = None
        if self._turns is not None:
            self._ask_for_host()

    def has_something(self) -> bool:
        """Return whether there is something to read, or the connection changed."""
        return bool(zmq_poll(self._items, 0))

    def look(self) -> list[tuple[bytes, bytes]]:
        """Read replies, and note whether the connection may have changed; HOT.

        :returns: the id of each reply, and the reply
        """
        replies: list[tuple[bytes, bytes]] = []
        for item, _ in zmq_poll(self._items, 0):
            if item is self.socket:
                replies = self.replies()
            else:
                self.has_news = True
        return replies

    def replies(self) -> list[tuple[bytes, bytes]]:
        """Read the replies that have arrived; HOT.

        :returns: the id of each reply, and the reply
        """
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
                elif frames[0] == ANSWERS_ONCE:
                    self.answers_once = True
                elif not frames[1] and len(frames) > 2:
                    replies.append((frames[0], frames[2]))
            # libzmq signals the next message only after a poll has found none
            if not zmq_poll(self._replies, 0):
                break
        return replies

    def needs_care(self, now: float) -> bool:
        """Return whether `changes` has something to do; HOT."""
        if self.events is None:
            return not self.is_connected or inproc.bound(self.endpoint.path) != self._inproc
        return self.has_news or (self.retry_at is not None and now >= self.retry_at)

    def longest_wait_s(self, now: float) -> float:
        """Return the time until there is something to do, in seconds."""
        if self.is_full:
            return RETRY_S
        if self.events is None and self.is_stopping:
            return INPROC_S
        return LONGEST_WAIT_S if self.retry_at is None else max(0.0, self.retry_at - now)

    def changes(self, now: float) -> Iterator[bool]:
        """Yield each change, True if the connection is there now; connect again when it is time.

        To be called after `look`, since connecting again drops unread replies.
        """
        if self.events is None:
            yield from self._changes_of_inproc(now)
        else:
            self.has_news = False
            if self._found is not None:
                yield from self._take_host()
            while (event := self._next_event()) is not None:
                self._note_listener(event)
                if event == _SUCCEEDED:
                    self._pause_s = RETRY_S
                    self.retry_at = None
                    if self._turns is not None:
                        self._turns.succeeded()
                    yield True
                elif not self._is_taken and self.retry_at is None and self._look_up is None:
                    if self._turns is not None and not self.is_connected and self._turns.failed():
                        # try the next address of the name at once
                        self.retry_at = now
                        continue
                    self.retry_at = now if self.is_connected else now + self._pause_s
                    self._pause_s = min(2 * self._pause_s, LONGEST_RETRY_S)
                    yield False
            if self.retry_at is not None and now >= self.retry_at:
                self.retry_at = None
                if self._turns is None:
                    self._connect(self.endpoint)
                elif self._look_up is None:
                    self._ask_for_host()

    def _next_event(self) -> int | None:
        """Read an event of the connection; None: there is no more."""
        if self.events is None:
            return None
        while True:
            try:
                frames = self.events.recv_multipart(NOBLOCK)
            except zmq.Again:
                return None
            event, is_to_itself = monitors.read(frames[0])
            if is_to_itself and self._at is not None:
                # nobody listens: the try has failed, and its further events say nothing
                self._is_to_itself = True
                with suppress(zmq.ZMQError):
                    self.socket.disconnect(self._at.zmq_endpoint)
                return _CLOSED
            if not self._is_to_itself:
                return event

    def _note_listener(self, event: int) -> None:
        """Note what an event tells about who listens at the address."""
        self._is_taken = event == _TAKEN
        if not self._is_taken:
            self._is_turned_away = event not in {_SUCCEEDED, _CLOSED} and not self.is_connected

    def _connect(self, endpoint: Endpoint) -> None:
        self.answers_once = False
        self._is_to_itself = False
        self._transport.reconnect(self.socket, endpoint, self._at)
        self._at = endpoint

    def _ask_for_host(self) -> None:
        def on_found(hosts: tuple[str, ...], problem: str) -> None:
            self._found = hosts, problem
            self.has_news = True
            self.wake()

        self._look_up = names.NAMES.look_up(self.endpoint.host, on_found)

    def _take_host(self) -> Iterator[bool]:
        """Connect to an address of the name; `names` repeats a look-up that failed."""
        found, self._found = self._found, None
        if found is None or self._turns is None:
            return
        hosts, problem = found
        if self._unresolved is not None:
            self._unresolved.note(self.endpoint.host, problem)
        if hosts:
            self._look_up = None
            self._connect(self.endpoint.at(self._turns.choose(hosts)))
        elif not self.is_away:
            yield False

    def hurry(self) -> None:
        """Try to connect at the next look, without waiting for the pause to end."""
        if self.retry_at is not None and not self.is_connected:
            self.retry_at = 0.0
            self._pause_s = RETRY_S

    @property
    def problem(self) -> str:
        """The reason why it is not connected, for the text of an error."""
        host = self.endpoint.host
        if self._look_up is not None:
            reason = "" if self._unresolved is None else self._unresolved.problem(host)
            if reason:
                return f"cannot resolve the host {host!r}: {reason}"
            return f"the host {host!r} is still being looked up"
        if self._is_turned_away:
            return f"{self.endpoint} ends each connection before it is made: check the keys"
        if self._is_taken:
            return f"{self.endpoint} takes connections, but has not greeted yet"
        if not self.is_away:
            return f"{self.endpoint} has not taken a connection yet"
        return f"nobody listens at {self.endpoint}"

    def _changes_of_inproc(self, now: float) -> Iterator[bool]:
        there = inproc.bound(self.endpoint.path)
        if there != self._inproc:
            if self._inproc is not None:
                self._inproc = None
                yield False
            if there is not None:
                self._transport.reconnect(self.socket, self.endpoint)
                self.answers_once = False
                self._inproc = there
                yield True
        elif there is None and not self.is_away:
            yield False
        # nothing signals that another socket is bound to the address
        self.retry_at = now + INPROC_S if there is None else None

    def send(self, attempt: bytes, frame: bytes) -> bool:
        """Send a request; HOT.

        :param attempt: its id; empty only if the link `answers_once` and none is under way
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
        if self._look_up is not None:
            names.NAMES.cancel(self._look_up)
        if self.events is not None:
            monitors.stop(self.socket)
            self._transport.close(self.events, linger_ms=0)
        self._transport.close(self.socket, linger_ms=0)


def _nobody() -> None:
    """Wake nobody: the next caller that looks sees the result."""


def hurry_others(links: Iterable[Link], gone: Peer) -> None:
    """When one link stops or is lost, try at once to connect the others: one may be its successor.

    Without this, a call would wait up to `LONGEST_RETRY_S` for a successor that is already running.
    """
    for link in links:
        if link is not gone:
            link.hurry()


def is_unhandled(frame: bytes) -> bool:
    """Return True if a reply says that the request was not handled and may be sent again."""
    try:
        reply = decode_reply(frame)
    except MessageError:
        return False
    return reply.error is not None and reply.error.unhandled
