"""Reads and writes MessagePack's headers without decoding values ("formats" of its spec)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Raw

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The first byte of an empty map and array; a count of up to `SHORT` is added to it.
FIXMAP: Final = 0x80
FIXARRAY: Final = 0x90
SHORT: Final = 0x0F

#: The first byte of the empty text; a length of up to `SHORT_TEXT` bytes is added to it.
FIXTEXT: Final = 0xA0
SHORT_TEXT: Final = 0x1F

#: Bytes of the length of a text, by its first byte, if that does not contain it.
TEXT_LENGTHS: Final = {0xD9: 1, 0xDA: 2, 0xDB: 4}

#: Bytes of an integer, by its first byte, if there are more.
INT_SIZES: Final = {0xCC: 2, 0xCD: 3, 0xCE: 5, 0xCF: 9, 0xD0: 2, 0xD1: 3, 0xD2: 5, 0xD3: 9}

_MAP16, _MAP32, _ARRAY16, _ARRAY32 = 0xDE, 0xDF, 0xDC, 0xDD

#: The first bytes of texts, of short maps, and of maps and arrays.
TEXTS: Final = frozenset((*range(FIXTEXT, FIXTEXT + SHORT_TEXT + 1), *TEXT_LENGTHS))
SHORT_MAPS: Final = frozenset(range(FIXMAP, FIXMAP + SHORT + 1))
CONTAINERS: Final = bytes((*range(0x80, 0xA0), _ARRAY16, _ARRAY32, _MAP16, _MAP32))

EMPTY_MAP: Final = bytes((FIXMAP,))


def is_map(first: int) -> bool:
    """Return True if a value with this first byte is a map."""
    return FIXMAP <= first <= FIXMAP + SHORT or first in (_MAP16, _MAP32)


def is_array(first: int) -> bool:
    """Return True if a value with this first byte is an array."""
    return FIXARRAY <= first <= FIXARRAY + SHORT or first in (_ARRAY16, _ARRAY32)


def count_of(packed: bytes | memoryview | Raw) -> int:
    """Return the item count in the header of a map or array.

    :raises ValueError: it has another header, or a truncated one
    """
    start = bytes(memoryview(packed)[:5])
    first = start[0] if start else 0
    if FIXMAP <= first <= FIXARRAY + SHORT:
        return first & SHORT
    if first in (_MAP16, _ARRAY16) and len(start) >= 3:
        return int.from_bytes(start[1:3], "big")
    if first in (_MAP32, _ARRAY32) and len(start) == 5:
        return int.from_bytes(start[1:5], "big")
    raise ValueError(f"expected a map or an array, got {start.hex()}")


def map_header(count: int) -> bytes:
    """Return the header of a map of `count` items."""
    return _header(count, FIXMAP, _MAP16, _MAP32)


def array_header(count: int) -> bytes:
    """Return the header of an array of `count` items."""
    return _header(count, FIXARRAY, _ARRAY16, _ARRAY32)


def items_of(packed: bytes | memoryview | Raw) -> list[Raw]:
    """Return the packed items of an array, or the packed keys and values of a map in turn.

    Keys are not hashed, and repeated ones are kept.

    :raises ValueError: it is neither, or malformed
    """
    view = memoryview(packed)
    count, first = count_of(view), view[0]
    if is_array(first):
        return _ITEMS.decode(view)
    behind = view[1 if first <= FIXMAP + SHORT else 3 if first == _MAP16 else 5 :]
    if 2 * count > len(behind):
        raise ValueError(f"expected a map of {count} items, got {len(behind)} bytes of them")
    return _ITEMS.decode(b"".join((array_header(2 * count), behind)))


def texts_of(packed: Sequence[Raw]) -> list[str]:
    """Return packed texts, unpacked.

    :raises msgspec.MsgspecError: one is not a text
    """
    return _TEXTS.decode(b"".join((array_header(len(packed)), *packed)))


def _header(count: int, short: int, medium: int, long: int) -> bytes:
    if count <= SHORT:
        return bytes((short | count,))
    if count <= 0xFFFF:
        return bytes((medium,)) + count.to_bytes(2, "big")
    return bytes((long,)) + count.to_bytes(4, "big")


_TEXTS = msgspec.msgpack.Decoder(list[str])
_ITEMS = msgspec.msgpack.Decoder(list[Raw])
