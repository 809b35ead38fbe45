"""What other writers of MessagePack put into an envelope, and a typed decoder refuses or rounds."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from msgspec import Raw, Struct

from sf_actors.errors import Undecodable
from sf_actors.wire.limits import is_deep, may_be_deep
from sf_actors.wire.types import MAX_DEPTH

MAX_KEYS = 1_000
"""An envelope with more keys is not looked at a second time: it is a flood, not a dialect."""

MAX_ID_BYTES = 65_536
"""A workflow id that Python cannot read is not looked into if it has more bytes."""

_TIMESTAMPS = (b"\xd6\xff", b"\xd7\xff", b"\xc7\x0c\xff")
"""How a timestamp of 4, 8 and 12 bytes begins in MessagePack."""


class PackedId:
    """A workflow id as the bytes it came in, since what Python reads from them is less.

    MessagePack's timestamps count nanoseconds and reach beyond the years that `datetime` has.
    """

    __slots__ = ("raw",)

    def __init__(self, raw: Raw) -> None:
        self.raw = bytes(raw)

    def __packed__(self) -> Raw:
        """Return what is sent on."""
        return Raw(self.raw)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PackedId) and other.raw == self.raw

    def __hash__(self) -> int:
        return hash(self.raw)

    def __repr__(self) -> str:
        try:
            read = _ANYTHING.decode(self.raw)
        except (ValueError, msgspec.MsgspecError):
            return f"<packed {self.raw.hex()}>"
        return read.isoformat() if isinstance(read, datetime) else repr(read)


class _IdAlone(Struct):
    workflow_id: Raw


def extension(code: int, data: memoryview) -> msgspec.msgpack.Ext:
    """Return an extension type as what it is packed to again; only a workflow id may hold one."""
    return msgspec.msgpack.Ext(code, bytes(data))


def exact_id(read: object, frame: bytes | memoryview) -> object:
    """Return a workflow id that was read from a frame as what travels on unchanged.

    :param read: a container or a datetime
    :raises Undecodable: it nests too deep
    """
    _require_shallow(read, frame)
    return PackedId(_ID_ALONE.decode(frame).workflow_id) if _holds_timestamp(read) else read


def sorted_out(frame: bytes | memoryview) -> tuple[bytes, object]:
    """Return an envelope without the keys that are no text, and apart from it its workflow id.

    :raises Undecodable: the workflow id nests too deep
    :raises Exception: it is no envelope, or nothing that this could mend
    """
    if _keys_of(frame) > MAX_KEYS:
        raise ValueError("too many keys")
    parts = _PARTS.decode(frame)
    raw = parts.pop("workflow_id", None)
    rest = {key: part for key, part in parts.items() if type(key) is str}
    return msgspec.msgpack.encode(rest), None if raw is None else _id_of(raw)


def _keys_of(frame: bytes | memoryview) -> int:
    """Return how many keys the map claims to have, as its first bytes tell."""
    start = bytes(frame[:5])
    if start[:1] == b"\xde":
        return int.from_bytes(start[1:3], "big")
    if start[:1] == b"\xdf":
        return int.from_bytes(start[1:], "big")
    is_small = start[:1] != b"" and 0x80 <= start[0] <= 0x8F
    return start[0] & 0x0F if is_small else MAX_KEYS + 1


def _id_of(raw: Raw) -> object:
    packed = bytes(raw)
    try:
        read: object = _ANYTHING.decode(packed)
    except (ValueError, msgspec.MsgspecError):
        # the years of a timestamp in it, or something worse
        if len(packed) > MAX_ID_BYTES or not _is_sound(packed, MAX_DEPTH):
            raise
        return PackedId(raw)
    _require_shallow(read, packed)
    return PackedId(raw) if _holds_timestamp(read) else read


def _require_shallow(id_: object, packed: bytes | memoryview) -> None:
    if may_be_deep(packed) and is_deep(id_):
        raise Undecodable(f"expected a workflow id at most {MAX_DEPTH} deep, got a deeper one")


def _is_sound(packed: bytes, depth: int) -> bool:
    """Return whether others can read a value, be it with timestamps that Python cannot.

    :param depth: how many containers it may have in each other
    """
    if packed.startswith(_TIMESTAMPS):
        return True
    try:
        read = _ANYTHING.decode(packed)
    except (ValueError, msgspec.MsgspecError):
        items = _items_of(packed) if depth else []
        return bool(items) and all(_is_sound(bytes(item), depth - 1) for item in items)
    return not is_deep(read, depth)


def _items_of(packed: bytes) -> list[Raw]:
    """Return what is in an array, or the keys and values of a map in turn; nothing of others."""
    first = packed[0]
    if 0x80 <= first <= 0x8F:
        packed = b"\xdc" + (2 * (first & 0x0F)).to_bytes(2, "big") + packed[1:]
    elif first == 0xDE:
        packed = b"\xdd" + (2 * int.from_bytes(packed[1:3], "big")).to_bytes(4, "big") + packed[3:]
    elif not (0x90 <= first <= 0x9F or first in (0xDC, 0xDD)):
        return []
    return _ITEMS.decode(packed)


def _holds_timestamp(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_timestamp, value)) or any(map(_holds_timestamp, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_holds_timestamp, value))
    return isinstance(value, datetime)


_ANYTHING = msgspec.msgpack.Decoder(Any, ext_hook=extension)
_ID_ALONE = msgspec.msgpack.Decoder(_IdAlone)
_ITEMS = msgspec.msgpack.Decoder(list[Raw])
_PARTS = msgspec.msgpack.Decoder(dict[Any, Raw], ext_hook=extension)
