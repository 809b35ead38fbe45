"""What packed bytes hold, told without decoding them and without a Python step for each value.

MessagePack's values come one after the other, containers as a header before their items, so that
regular expressions can walk over all that is short. Only texts and bytes of more than 31 bytes take
a step each.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from sf_actors.wire.msgpack import CONTAINERS

if TYPE_CHECKING:
    import msgspec

#: Values of one byte: small numbers, None, bools, the empty text; short maps and arrays.
_ONE_BYTE: Final = rb"[\x00-\xa0\xc0\xc2\xc3\xe0-\xff]"
#: Values of more bytes that are no containers: numbers, short texts, short extensions.
_LONGER: Final = b"|".join(
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
    )
)
#: Longer headers than their few items need: at most 255, at most 65,535.
_WASTEFUL: Final = rb"[\xdc\xde]\x00.|[\xdd\xdf]\x00\x00.."
_WASTEFUL_STARTS: Final = (b"\xdc\x00", b"\xde\x00", b"\xdd\x00\x00", b"\xdf\x00\x00")
_HEADERS: Final = rb"[\xdc\xde]..|[\xdd\xdf].{4}"


def _run(*parts: bytes) -> re.Pattern[bytes]:
    return re.compile(b"(?:" + b"|".join(parts) + b")*+", re.DOTALL)


_without_headers = _run(_ONE_BYTE + b"++", _LONGER, _WASTEFUL)
_without_large_maps = _run(
    _ONE_BYTE + b"++", _LONGER, rb"\xde\x00.|\xdf\x00\x00\x00.", rb"\xdc..|\xdd.{4}"
)
# to see at once that there is none takes a tenth of the time that trying each kind takes
_longer = re.compile(
    b"(?:(?!" + _ONE_BYTE + b")(?:" + _LONGER + b"|" + _WASTEFUL + b"))++", re.DOTALL
)
_header = re.compile(_HEADERS, re.DOTALL)

#: Bytes of texts, bytes and extensions that say how long they are, by the first byte; and what an
#: extension has besides.
_SIZES: Final = {0xD9: 1, 0xDA: 2, 0xDB: 4, 0xC4: 1, 0xC5: 2, 0xC6: 4, 0xC7: 1, 0xC8: 2, 0xC9: 4}
_EXTENSIONS: Final = frozenset({0xC7, 0xC8, 0xC9})

#: Bytes that a container has at least whose header is not wasteful: it has 256 items.
LARGE_BYTES: Final = 256

#: Bytes that are looked at in one go: some milliseconds at most.
_AT_ONCE: Final = 65_536


def has_large_map(packed: bytes | memoryview | msgspec.Raw) -> bool:
    """Return whether a map in packed bytes announces more than 255 items, or they are malformed."""
    whole = bytes(packed)
    if b"\xde" not in whole and b"\xdf" not in whole:
        return False
    at, end = 0, len(whole)
    while at < end:
        begin = at
        at = _behind_run(_without_large_maps, whole, begin)
        if at < end and whole[at] in _SIZES:
            at = _behind_text(whole, at)
        if at == begin:
            return True
    return False


def count_containers(packed: bytes | memoryview | msgspec.Raw, at_most: int) -> int:
    """Return how many maps and arrays packed bytes hold; where there are more, some of them.

    :param at_most: with more than so many the rest is not looked at
    """
    whole = bytes(packed)
    count = len(whole) - len(whole.translate(None, CONTAINERS))
    if count <= at_most:
        # as many bytes could be headers, most of them in texts and numbers
        return count
    # a wasteful header is rare where nobody means harm, and so are bytes that look like one
    count = sum(map(whole.count, _WASTEFUL_STARTS))
    headers, at, end = 0, 0, len(whole)
    while at < end and count <= at_most:
        begin = at
        at = _behind_run(_without_headers, whole, begin)
        short = _longer.sub(b"", whole[begin:at])
        count += len(short) - len(short.translate(None, CONTAINERS))
        found = _header.match(whole, at)
        if found is not None:
            headers, at = headers + 1, found.end()
            if headers > 1_000 + end // LARGE_BYTES:
                # they lie about their items, of which each would take a byte at least
                return at_most + 1
        elif at < end and whole[at] in _SIZES:
            at = _behind_text(whole, at)
        if at == begin:
            # malformed: the decoder says what is wrong
            break
    return count + headers


def _behind_run(run: re.Pattern[bytes], whole: bytes, at: int) -> int:
    found = run.match(whole, at, at + _AT_ONCE)
    return found.end() if found is not None else at


def _behind_text(whole: bytes, at: int) -> int:
    """Return where the value behind a text, bytes or an extension begins."""
    first = whole[at]
    begin = at + 1 + _SIZES[first]
    return begin + int.from_bytes(whole[at + 1 : begin], "big") + (first in _EXTENSIONS)
