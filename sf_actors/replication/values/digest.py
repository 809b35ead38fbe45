"""A digest of a frozen value, which can be updated at the cost of the change alone.

The digest is the sum, modulo 2**128, of one BLAKE2b hash (RFC 7693) per mapping and per value in
it, each over its path and its content. A sum has no order, and replaced parts can be subtracted.
Values of different types differ: ``Decimal('1.0')``, ``Decimal('1.00')`` and ``1`` have three
hashes. Keys that are equal in Python are one key. The digest finds faults, not forgeries: an
attacker that chooses values can find two with the same digest.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from sf_actors.replication.values.frozen import FrozenList, FrozenSet
from sf_actors.replication.values.persistent_map import Map

if TYPE_CHECKING:
    from collections.abc import Callable

_SIZE = 16
_MASK = (1 << (8 * _SIZE)) - 1
_ABSENT = object()
_ROOT = b""
_LONGEST_PATH = 64


def digest_of(value: Map[Any, Any]) -> int:
    """Return the digest of a whole value, below 2**128, in time linear in its size."""
    return _sum(_ROOT, value) & _MASK


def digest_after(digest: int, old: Map[Any, Any], new: Map[Any, Any], patch: Any) -> int:
    """Return the digest of `new`, given that of `old`. HOT if digests are on.

    :param patch: the merge patch from `old` to `new`; nothing outside it is read
    """
    return (digest + _change(_ROOT, old, new, patch)) & _MASK


def packed(digest: int) -> bytes:
    """Return the digest as the 16 bytes that a heartbeat carries."""
    return digest.to_bytes(_SIZE, "big")


def _change(path: bytes, old: Map[Any, Any], new: Map[Any, Any], patch: Mapping[Any, Any]) -> int:
    total = 0
    for key, change in patch.items():
        before, after = old.get(key, _ABSENT), new.get(key, _ABSENT)
        if before is after:
            continue
        inner = _within(path, key)
        if type(before) is Map and type(after) is Map and isinstance(change, Mapping):
            total += _change(inner, before, after, change)
            continue
        if before is not _ABSENT:
            total -= _sum(inner, before)
        if after is not _ABSENT:
            total += _sum(inner, after)
    return total


def _sum(path: bytes, value: Any) -> int:
    if type(value) is not Map:
        return _hash(path, _content(value))
    total = _hash(path, b"{")
    for key, item in value.items():
        total += _sum(_within(path, key), item)
    return total


def _hash(path: bytes, content: bytes) -> int:
    framed = b"%d:%b%b" % (len(path), path, content)
    return int.from_bytes(blake2b(framed, digest_size=_SIZE).digest(), "big")


def _within(path: bytes, key: Any) -> bytes:
    """Return the path of a key; a long one is replaced by its hash.

    Every value below it hashes the path again, so it must stay short.
    """
    inner = path + _key(key)
    return inner if len(inner) <= _LONGEST_PATH else blake2b(inner, digest_size=_SIZE).digest()


def _framed(tag: bytes, text: bytes) -> bytes:
    return b"%b%d:%b" % (tag, len(text), text)


def _key(key: Any) -> bytes:
    # equal numbers of any type are one key, and their hash() is the same in every process
    if isinstance(key, int | float | Decimal):
        return _framed(b"#", b"%d" % hash(key))
    if isinstance(key, str):
        return _framed(b"s", str.__str__(key).encode("utf-8", "surrogatepass"))
    if isinstance(key, tuple):
        return _framed(b"(", b"".join(map(_key, key)))
    if isinstance(key, frozenset):
        return _framed(b"<", b"".join(sorted(map(_key, key))))
    return _content(key)


def _content(value: Any) -> bytes:
    encode = _ENCODERS.get(type(value))
    if encode is not None:
        return encode(value)
    if isinstance(value, Enum):
        return _framed(b"e", _content(value.value))
    return _framed(b"?", f"{type(value).__qualname__} {value!r}".encode("utf-8", "surrogatepass"))


def _moment(value: datetime) -> bytes:
    # one instant is one value: on the wire every zone becomes UTC
    known = value if value.tzinfo is None else value.astimezone(UTC)
    return _framed(b"d", known.isoformat().encode())


def _array(tag: bytes, items: list[bytes]) -> bytes:
    return _framed(tag, b"".join(items))


def _members(value: frozenset[Any]) -> bytes:
    return _array(b"<", sorted(_item(item) for item in value))


_ENCODERS: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda _: b"n",
    bool: lambda value: b"t" if value else b"f",
    int: lambda value: _framed(b"i", b"%d" % value),
    float: lambda value: _framed(b"r", struct.pack(">d", value) if value == value else b"nan"),  # noqa: PLR0124
    str: lambda value: _framed(b"s", value.encode("utf-8", "surrogatepass")),
    bytes: lambda value: _framed(b"b", value),
    Decimal: lambda value: _framed(b"m", str(value).encode()),
    datetime: _moment,
    date: lambda value: _framed(b"y", value.isoformat().encode()),
    time: lambda value: _framed(b"h", value.isoformat().encode()),
    timedelta: lambda value: _framed(b"p", str(value // timedelta(microseconds=1)).encode()),
    FrozenList: lambda value: _array(b"[", [_item(item) for item in value]),
    tuple: lambda value: _array(b"(", [_item(item) for item in value]),
    frozenset: _members,
    FrozenSet: _members,
}


def _item(value: Any) -> bytes:
    if type(value) is Map:
        pairs = sorted(_key(key) + _item(item) for key, item in value.items())
        return _array(b"{", pairs)
    return _content(value)
