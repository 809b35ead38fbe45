"""Looks into packed bytes without decoding them, and without a Python step for each value.

MessagePack's values come one after the other, containers as a header before their items, so regular
expressions can walk over all short values. Only texts and bytes of more than 31 bytes, and the
values that are searched for, take a step each.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final

from sf_actors.wire.msgpack import TEXT_LENGTHS

if TYPE_CHECKING:
    import msgspec

#: A map with more keys than this has many: FEW if its keys may be dear, else MANY.
FEW: Final = 32
MANY: Final = 255


def _byte(byte: int) -> bytes:
    """Return the character class of one byte for a regular expression."""
    return b"[\\x%02x]" % byte


#: Values of one byte: small numbers, None, bools, the empty text; short maps and arrays.
ONE_BYTE: Final = rb"[\x00-\xa0\xc0\xc2\xc3\xe0-\xff]"
#: Longer values that are not containers: numbers, short texts, short extensions.
LONGER: Final = b"|".join(
    (
        rb"[\xcb\xcf\xd3].{8}",
        rb"[\xcc\xd0].",
        rb"[\xcd\xd1]..",
        rb"[\xca\xce\xd2].{4}",
        *(b"[" + bytes((0xA0 | size,)) + b"].{%d}" % size for size in range(1, 0x20)),
        rb"\xd4..",
        rb"\xd5...",
        rb"\xd6.{5}",
        rb"\xd7.{9}",
        rb"\xd8.{17}",
        *(rb"[\xc4\xd9]" + _byte(size) + b".{%d}" % size for size in range(0x20)),
        *(rb"\xc7" + _byte(size) + b".{%d}" % (size + 1) for size in range(0x10)),
        *(rb"[\xc5\xda]\x00" + _byte(size) + b".{%d}" % size for size in range(0x20)),
        *(rb"[\xc6\xdb]\x00\x00\x00" + _byte(size) + b".{%d}" % size for size in range(0x20)),
    )
)


def _short_headers(firsts: bytes, most: int) -> bytes:
    """Return a pattern for headers of `firsts`, of two and four bytes in turn, with few items."""
    medium, long = (b"[" + firsts[start::2] + b"]" for start in (0, 1))
    few = b"[\\x00-\\x%02x]" % most
    return medium + rb"\x00" + few + b"|" + long + rb"\x00\x00\x00" + few


def run_of(*parts: bytes) -> re.Pattern[bytes]:
    """Return a pattern for a run of values of these kinds."""
    return re.compile(b"(?:" + b"|".join(parts) + b")*+", re.DOTALL)


class _Patterns:
    """The patterns that walk over packed bytes; made on first use, since that takes long."""

    def __init__(self) -> None:
        one_byte = ONE_BYTE + b"++"
        maps, arrays = b"\xde\xdf", rb"\xdc..|\xdd.{4}"
        self.without_many = {
            (FEW, False): run_of(one_byte, LONGER, _short_headers(maps, FEW), arrays),
            (FEW, True): run_of(one_byte, LONGER, _short_headers(b"\xdc\xdd\xde\xdf", FEW)),
            (MANY, False): run_of(one_byte, LONGER, _short_headers(maps, MANY), arrays),
        }


@cache
def _patterns() -> _Patterns:
    return _Patterns()


#: Bytes of the length of a text, of bytes or of an extension, by the first byte; and the
#: extensions, which have one byte more.
SIZES: Final = TEXT_LENGTHS | {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xC7: 1, 0xC8: 2, 0xC9: 4}
_EXTENSIONS: Final = frozenset({0xC7, 0xC8, 0xC9})

#: Bytes that are searched in one go, during which no other thread runs.
_AT_ONCE: Final = 65_536


def has_many(
    packed: bytes | memoryview | msgspec.Raw, most: int = MANY, *, arrays: bool = False
) -> bool:
    """Return True if packed bytes hold a map of more than `most` items, or are malformed.

    :param most: FEW or MANY
    :param arrays: arrays count too
    """
    whole = bytes(packed)
    sought = (0xDC, 0xDD, 0xDE, 0xDF) if arrays else (0xDE, 0xDF)
    if not any(first in whole for first in sought):
        return False
    run = _patterns().without_many[most, arrays]
    at, end = 0, len(whole)
    while at < end:
        begin = at
        at = behind_run(run, whole, begin)
        if at < end and whole[at] in SIZES:
            at = behind_text(whole, at)
        if at == begin:
            return True
    return False


def behind_run(run: re.Pattern[bytes], whole: bytes, at: int) -> int:
    """Return the end of the values that a pattern walks over, at most `_AT_ONCE` bytes further."""
    found = run.match(whole, at, at + _AT_ONCE)
    return found.end() if found is not None else at


def behind_text(whole: bytes, at: int) -> int:
    """Return the beginning of the value after a text, bytes or an extension."""
    first = whole[at]
    begin = at + 1 + SIZES[first]
    return begin + int.from_bytes(whole[at + 1 : begin], "big") + (first in _EXTENSIONS)
