"""A cache of replies, so that a repeated request is not handled twice."""

from __future__ import annotations

import os
from collections import OrderedDict
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from hashlib import blake2b

#: Most replies kept, and most bytes of all together.
MAX_REPLIES = 10_000
MAX_BYTES = 64 * 1024 * 1024

#: Most repeated requests of one peer that wait for one reply, and most peers.
MAX_WAITING = 16
MAX_PEERS = 10_000

_SECRET = os.urandom(16)


def key_of(request_id: str | int, args: bytes | memoryview) -> bytes:
    """Return the key of a request: a hash of its id and its packed arguments.

    The id alone does not suffice: two clients may number their requests alike, and neither must get
    the other's reply.
    """
    digest = _keyed().copy()
    digest.update(args)
    digest.update(repr(request_id).encode("utf-8", "surrogatepass"))
    return digest.digest()


@cache
def _keyed() -> blake2b:
    """Return the hash of nothing, to continue."""
    from hashlib import blake2b  # noqa: PLC0415 - loads OpenSSL, and few requests are repeated

    return blake2b(digest_size=16, key=_SECRET)


class Repetition(NamedTuple):
    """A repeated request: its sender's address, its current workflow id, and when it expires."""

    address: list[bytes]
    workflow_id: object
    expires_at: float | None = None


class Repeated(Protocol):
    """The first request of its key, which waits for its handler or is being handled."""

    key: bytes | None

    def lasts_until(self, expires_at: float | None) -> bool:
        """Let it expire no earlier than this; return False if it has been dropped already."""


class ReplyCache:
    """The replies to requests, by `key_of`; the oldest is dropped first. For one thread.

    It is kept in memory: after a restart of the process every request is new.
    """

    def __init__(self, *, max_replies: int = MAX_REPLIES, max_bytes: int = MAX_BYTES) -> None:
        self._max_replies = max_replies
        self._max_bytes = max_bytes
        self._bytes = 0
        self._replies: OrderedDict[bytes, bytes] = OrderedDict()
        #: by key: the request, and the repetitions by the id of their peer
        self._running: dict[bytes, tuple[Repeated | None, dict[bytes, list[Repetition]]]] = {}

    def reply_to(self, key: bytes) -> bytes | None:
        """Return the reply to an earlier attempt, or None."""
        return self._replies.get(key)

    def is_running(self, key: bytes, repetition: Repetition) -> bool:
        """Return True if the request is being handled; the repetition then gets the reply too.

        A request that is still queued then expires with its last repetition. One that has been
        dropped by now is forgotten: the repetition takes its place.
        """
        if key not in self._running:
            return False
        request, waiting = self._running[key]
        if request is not None and not request.lasts_until(repetition.expires_at):
            request.key = None
            self.give_up(key)
            return False
        of_peer = waiting.setdefault(repetition.address[0], [])
        of_peer.append(repetition)
        # a further repetition means that its peer has given up the oldest ones
        del of_peer[:-MAX_WAITING]
        if len(waiting) > MAX_PEERS:
            del waiting[next(iter(waiting))]
        return True

    def begin(self, key: bytes, request: Repeated | None = None) -> None:
        """Note that the handling of a request begins."""
        self._running[key] = request, {}

    def give_up(self, key: bytes) -> None:
        """Note that a request will not be handled, nor the repetitions that have come so far."""
        self._running.pop(key, None)

    def finish(self, key: bytes, reply: bytes) -> list[Repetition]:
        """Keep a reply.

        :returns: the repetitions that came meanwhile
        """
        _, by_peer = self._running.pop(key, (None, {}))
        waiting = [repetition for of_peer in by_peer.values() for repetition in of_peer]
        if len(reply) > self._max_bytes:
            return waiting
        self._bytes += len(reply) - len(self._replies.get(key, b""))
        self._replies[key] = reply
        while len(self._replies) > self._max_replies or self._bytes > self._max_bytes:
            self._bytes -= len(self._replies.popitem(last=False)[1])
        return waiting
