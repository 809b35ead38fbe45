"""Replies kept for a while, so that a repeated request is not handled twice."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from hashlib import blake2b
from typing import NamedTuple

#: Replies kept, and the bytes that they may have together.
MAX_REPLIES = 10_000
MAX_BYTES = 64 * 1024 * 1024

#: Repeated requests that wait for one reply.
MAX_WAITING = 16

_SECRET = secrets.token_bytes(16)


def key_of(request_id: str | int, args: bytes | memoryview) -> bytes:
    """Return what a request is known by: its id and its packed arguments.

    Two clients may well count their requests alike, and neither is to get the other's reply.
    """
    told = blake2b(args, digest_size=16, key=_SECRET)
    told.update(repr(request_id).encode("utf-8", "surrogatepass"))
    return told.digest()


class Repetition(NamedTuple):
    """A request that came before: the way back to who repeats it, and the id that it has now."""

    address: list[bytes]
    workflow_id: object


class ReplyCache:
    """Requests, by what `key_of` returns, with their replies; the oldest is forgotten first.

    For one thread.

    It lives in memory: after a restart of the process every request is new.
    """

    def __init__(self, *, max_replies: int = MAX_REPLIES, max_bytes: int = MAX_BYTES) -> None:
        self._max_replies = max_replies
        self._max_bytes = max_bytes
        self._bytes = 0
        self._replies: OrderedDict[bytes, bytes] = OrderedDict()
        self._running: dict[bytes, list[Repetition]] = {}

    def reply_to(self, key: bytes) -> bytes | None:
        """Return the reply that this request got, or None."""
        return self._replies.get(key)

    def is_running(self, key: bytes, repetition: Repetition) -> bool:
        """Return whether the request is being handled; who repeats it then gets the reply too."""
        waiting = self._running.get(key)
        if waiting is None:
            return False
        waiting.append(repetition)
        # whoever asks once more has given up its earlier attempts
        del waiting[:-MAX_WAITING]
        return True

    def begin(self, key: bytes) -> None:
        """Note that a request is being handled from now on."""
        self._running[key] = []

    def finish(self, key: bytes, reply: bytes) -> list[Repetition]:
        """Keep a reply.

        :returns: who asked for it again meanwhile
        """
        waiting = self._running.pop(key, [])
        if len(reply) > self._max_bytes:
            return waiting
        self._bytes += len(reply) - len(self._replies.get(key, b""))
        self._replies[key] = reply
        while len(self._replies) > self._max_replies or self._bytes > self._max_bytes:
            self._bytes -= len(self._replies.popitem(last=False)[1])
        return waiting
