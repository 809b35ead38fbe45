"""Bounds the topics that peers subscribe to at a publishing socket.

libzmq stores every topic of a subscription, at some 60 bytes for each of its bytes, and refuses
none. Prefixes of the model's own topic are few and always allowed. Other topics are counted on
arrival; a peer with too many is disconnected, which makes libzmq drop its topics. Subscriptions are
read when the socket is used anyway. Until then at most SUBSCRIPTIONS_QUEUED wait per peer.
"""

from __future__ import annotations

import os
import socket as sockets
from time import monotonic
from typing import TYPE_CHECKING, Final

import zmq

from sf_actors.log.throttle import Throttle
from sf_actors.sockets.frames import BATCH, NOBLOCK, POLLIN

if TYPE_CHECKING:
    from sf_actors.counters import Counters
    from sf_actors.log import PackageLogger
    from sf_actors.sockets.frames import Socket
    from sf_actors.sockets.topic_limits import TopicLimits

#: Added to the bytes of each topic.
TOPIC_BYTES = 16

#: How long to wait for the next subscription, in milliseconds, and how long to read at most, in
#: seconds: the topics of a bus arrive one after another.
NEXT_MS = 1
LONGEST_READ_S = 0.05

# A plain integer: pyzmq's enums cost more than its calls.
_EVENTS: Final = int(zmq.EVENTS)

_SUBSCRIBE: Final = 1
_CANCEL: Final = 0


class _Peer:
    """A connection that was the first to subscribe to some topics.

    :param connection: its descriptor and inode: the next connection may get its descriptor
    """

    __slots__ = ("connection", "is_cut_off", "size")

    def __init__(self, connection: tuple[int, int]) -> None:
        self.connection = connection
        self.size = 0
        self.is_cut_off = False


class Subscriptions:
    """The topics that are subscribed to at one XPUB socket, by the first peer that did so.

    :param topic: the model's own, packed
    :param where: the model, for messages
    :param limits: limits of other topics
    """

    def __init__(
        self,
        socket: Socket,
        topic: bytes,
        counters: Counters,
        log: PackageLogger,
        *,
        where: str,
        limits: TopicLimits,
    ) -> None:
        self._log = log
        self._where = where
        self._socket = socket
        self._topic = topic
        self._counters = counters
        self._limits = limits
        #: the connection that each topic came from first; None: from within the process
        self._topics: dict[bytes, _Peer | None] = {}
        self._peers: dict[tuple[int, int], _Peer] = {}
        #: bytes of all peers that are not cut off
        self._bytes = 0
        self._throttle = Throttle()

    def read(self, at_most: int) -> tuple[int, bool]:
        """Read subscriptions; in the thread that may use the socket.

        :returns: how many subscribed, and True if nothing is left to read
        """
        joined = 0
        for _ in range(at_most):
            try:
                frame = self._socket.recv(NOBLOCK, copy=False)
            except zmq.Again:
                return joined, True
            said = frame.bytes
            if not said:
                continue
            topic = said[1:]
            if said[0] == _SUBSCRIBE:
                joined += 1
                if topic not in self._topics and not self._topic.startswith(topic):
                    self._take(topic, _connection_of(frame))
            elif said[0] == _CANCEL and topic in self._topics:
                self._forget(topic)
        return joined, False

    def read_all(self) -> None:
        """Read subscriptions until no more arrive; in the thread that may use the socket."""
        if not self.is_readable():
            return
        until = monotonic() + LONGEST_READ_S
        while self._socket.poll(NEXT_MS) and monotonic() < until:
            self.read(BATCH)

    def is_readable(self) -> bool:
        """Return True if subscriptions wait to be read; in the thread that may use the socket."""
        return bool(int(self._socket.getsockopt(_EVENTS)) & POLLIN)

    def _take(self, topic: bytes, connection: tuple[int, int] | None) -> None:
        size = len(topic) + TOPIC_BYTES
        if connection is None:
            self._topics[topic] = None
            return
        peer = self._peers.get(connection)
        if peer is None:
            peer = self._peers[connection] = _Peer(connection)
        self._topics[topic] = peer
        peer.size += size
        self._bytes += size
        if peer.size > self._limits.peer_bytes:
            self._cut_off(peer)
        elif self._bytes > self._limits.all_bytes:
            self._cut_off(max(self._peers.values(), key=lambda peer: peer.size))

    def _forget(self, topic: bytes) -> None:
        """Drop a topic that no peer subscribes to any longer."""
        peer = self._topics.pop(topic)
        if peer is None or peer.is_cut_off:
            return
        size = len(topic) + TOPIC_BYTES
        self._bytes -= size
        peer.size -= size
        if not peer.size:
            del self._peers[peer.connection]

    def _cut_off(self, peer: _Peer) -> None:
        """End a connection; libzmq then cancels its topics one by one."""
        peer.is_cut_off = True
        del self._peers[peer.connection]
        self._bytes -= peer.size
        endpoint = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)
        address = _disconnect(peer.connection, endpoint)
        if not address:
            return
        self._counters.drop("too_many_topics")
        left_out = self._throttle.admit("too_many_topics", monotonic())
        if left_out is not None:
            self._log.warning(
                "subscriber disconnected: it asked for too many topics",
                model=self._where,
                peer=address,
                left_out=left_out,
            )


def _connection_of(frame: zmq.Frame) -> tuple[int, int] | None:
    """Return the descriptor and inode of the connection that a frame came from.

    :returns: None for inproc, and if the connection has ended: its topics are about to be cancelled
    """
    try:
        descriptor = int(frame.get(zmq.SRCFD))
        return descriptor, os.fstat(descriptor).st_ino
    except (zmq.ZMQError, OSError):
        return None


def _disconnect(connection: tuple[int, int], endpoint: str) -> str:
    """End a connection of our endpoint.

    libzmq may have closed the descriptor and the kernel reused it. A duplicate cannot change while
    we inspect it; another connection, of our endpoint or not, is left alone.

    :returns: the peer's host, or the endpoint if it has none; '' if it was left alone
    """
    copy = -1
    try:
        descriptor, inode = connection
        copy = os.dup(descriptor)
        if os.fstat(copy).st_ino != inode:
            return ""
        with sockets.socket(fileno=copy) as open_connection:
            copy = -1
            near, far = open_connection.getsockname(), open_connection.getpeername()
            if _wanted(endpoint) not in {_place_of(near), _place_of(far)}:
                return ""
            open_connection.shutdown(sockets.SHUT_RDWR)
    except OSError:
        return ""
    finally:
        if copy >= 0:
            os.close(copy)
    return str(far[0]) if isinstance(far, tuple) else endpoint


def _place_of(name: object) -> str:
    """Return the port, or the path, of one side of a connection."""
    if isinstance(name, tuple):
        return str(name[1])
    text = name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else str(name)
    return f"@{text[1:]}" if text.startswith("\0") else text


def _wanted(endpoint: str) -> str:
    scheme, _, rest = endpoint.partition("://")
    return rest.rpartition(":")[2] if scheme == "tcp" else rest
