"""`seen` in requests and replies: how far the sender's states were, as a map.

Its keys are the epochs of the states' runs, its values the publishers' own counts. On the wire the
keys are texts: the maps of many languages have no other keys, and by default Python's `msgpack`
refuses them. Nothing that a peer puts there is an error: what cannot be read is ignored.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

Seen = dict[int, int]

MAX_SEEN: Final = 256
"""Most runs in one message; the others are left out."""

_MAX_DIGITS: Final = 20
"""Digits of the largest epoch, which has 64 bits."""

_TOO_MANY: Final = 2**63
_TOO_LATE: Final = 2**64
"""The first count and the first epoch that no publisher reaches: they are not sent."""

_MAX_BYTES: Final = 3 + MAX_SEEN * (1 + _MAX_DIGITS + 9)
"""Bytes of the longest map of `MAX_SEEN` runs."""

_decode = msgspec.msgpack.Decoder(dict[int | str, int]).decode
_UNREADABLE: Final = (msgspec.MsgspecError, ValueError, RecursionError)


class _Reply(Struct, gc=False):
    seen: Raw | UnsetType = UNSET


_decode_reply = msgspec.msgpack.Decoder(_Reply).decode


def on_the_wire(seen: Seen | UnsetType) -> dict[str, int] | UnsetType:
    """Return the map as it is sent, without values that only forged updates reach; HOT."""
    if isinstance(seen, UnsetType):
        return seen
    return {
        str(epoch): count
        for epoch, count in seen.items()
        if 0 <= count < _TOO_MANY and 0 <= epoch < _TOO_LATE
    } or UNSET


def decode_seen(packed: Raw | UnsetType | None) -> Seen:
    """Return how far the sender of a message had seen; empty if it is missing or unreadable."""
    if packed is None or isinstance(packed, UnsetType):
        return {}
    if memoryview(packed).nbytes > _MAX_BYTES:
        return {}
    try:
        seen = _decode(packed)
        return {_epoch(key): count for key, count in seen.items()} if len(seen) <= MAX_SEEN else {}
    except _UNREADABLE:
        return {}


def _epoch(key: int | str) -> int:
    """Return the epoch of a key.

    :raises ValueError: it is not an epoch
    """
    if type(key) is str and (len(key) > _MAX_DIGITS or not (key.isascii() and key.isdigit())):
        raise ValueError(f"expected an epoch, got {key!r}")
    return int(key)


def seen_of_reply(frame: bytes) -> Seen:
    """Return how far the sender of a packed reply had seen, as `decode_seen` does."""
    if b"seen" not in frame:
        return {}
    try:
        return decode_seen(_decode_reply(frame).seen)
    except _UNREADABLE:
        return {}
