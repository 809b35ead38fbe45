"""Replies kept for a while, so that a repeated request is not handled twice."""

from __future__ import annotations

from collections import OrderedDict

#: Replies kept, and the bytes that they may have together.
MAX_REPLIES = 10_000
MAX_BYTES = 64 * 1024 * 1024

#: Repeated requests that wait for one reply.
MAX_WAITING = 16


class ReplyCache:
    """Request ids with their replies, the oldest forgotten first; for one thread.

    It lives in memory: after a restart of the process every id is new.
    """

    def __init__(self, *, max_replies: int = MAX_REPLIES, max_bytes: int = MAX_BYTES) -> None:
        self._max_replies = max_replies
        self._max_bytes = max_bytes
        self._bytes = 0
        self._replies: OrderedDict[object, bytes] = OrderedDict()
        self._running: dict[object, list[list[bytes]]] = {}

    def reply_to(self, request_id: object) -> bytes | None:
        """Return the reply that this id got, or None."""
        return self._replies.get(_key(request_id))

    def is_running(self, request_id: object, address: list[bytes]) -> bool:
        """Return whether the id is being handled; the address then gets the reply as well."""
        waiting = self._running.get(_key(request_id))
        if waiting is None:
            return False
        waiting.append(address)
        # whoever asks once more has given up its earlier attempts
        del waiting[:-MAX_WAITING]
        return True

    def begin(self, request_id: object) -> None:
        """Note that an id is being handled from now on."""
        self._running[_key(request_id)] = []

    def finish(self, request_id: object, reply: bytes) -> list[list[bytes]]:
        """Keep a reply.

        :returns: the addresses that asked for it again meanwhile
        """
        key = _key(request_id)
        waiting = self._running.pop(key, [])
        if len(reply) > self._max_bytes:
            return waiting
        self._bytes += len(reply) - len(self._replies.get(key, b""))
        self._replies[key] = reply
        while len(self._replies) > self._max_replies or self._bytes > self._max_bytes:
            self._bytes -= len(self._replies.popitem(last=False)[1])
        return waiting


def _key(request_id: object) -> object:
    """Return what a request id is kept by, since a peer may send one that has no hash."""
    try:
        hash(request_id)
    except TypeError:
        return repr(request_id)
    return request_id
