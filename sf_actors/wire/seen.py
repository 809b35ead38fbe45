"""`seen` of requests and replies: how far their sender was with states, as a map.

Its keys are the epochs of the states' runs, its values the publishers' own counts. Whatever a peer
puts there is no error: what cannot be read says nothing.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

Seen = dict[int, int]

MAX_SEEN: Final = 256
"""Most runs in one message; who has more states leaves the others out."""

_MAX_BYTES: Final = 3 + MAX_SEEN * 2 * 9
"""Bytes of the longest map of so many integers."""

_decode = msgspec.msgpack.Decoder(Seen).decode
_UNREADABLE: Final = (msgspec.MsgspecError, ValueError, RecursionError)


class _Reply(Struct, gc=False):
    seen: Raw | UnsetType = UNSET


_decode_reply = msgspec.msgpack.Decoder(_Reply).decode


def decode_seen(packed: Raw | UnsetType | None) -> Seen:
    """Return what the sender of a message had seen; nothing if that is not there or unreadable."""
    if packed is None or isinstance(packed, UnsetType):
        return {}
    if memoryview(packed).nbytes > _MAX_BYTES:
        return {}
    try:
        seen = _decode(packed)
    except _UNREADABLE:
        return {}
    return seen if len(seen) <= MAX_SEEN else {}


def seen_of_reply(frame: bytes) -> Seen:
    """Return what the sender of a packed reply had seen, as `decode_seen` does."""
    if b"seen" not in frame:
        return {}
    try:
        return decode_seen(_decode_reply(frame).seen)
    except _UNREADABLE:
        return {}
