"""Estimates how much memory packed bytes will take, before they are decoded.

A number of one byte takes up to 40 bytes in a list, a Decimal of one digit 120, an empty set 224.
So each value is priced by its bytes and by the type of its place. Successive values of one kind and
size are counted together; if kinds alternate, each value takes a step, which is why only large
messages are estimated.
"""

from __future__ import annotations

import re
from collections import Counter
from decimal import Decimal
from functools import cache
from operator import itemgetter
from sys import getsizeof
from typing import TYPE_CHECKING, Final, NamedTuple

from sf_actors.wire.msgpack import SHORT
from sf_actors.wire.tokens import LONGER, ONE_BYTE, SIZES, behind_run, behind_text, run_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import msgspec

FREE_MEMORY: Final = 48 * 2**20
"""Bytes of memory that even the smallest message may take."""

BYTES_PER_BYTE: Final = 20
"""Bytes of memory that a larger message may take for each of its own bytes."""

BYTES_PER_BYTE_IN_PIECES: Final = 34
"""The same for a state's value that is read in pieces, whose memory is estimated less exactly."""

FREE_BYTES: Final = 196_608
"""Bytes up to which a message takes no more than FREE_MEMORY, whatever it holds."""

#: Bytes of a list item; of objects and an empty list, as CPython's allocator rounds them; of small
#: maps.
_PLACE: Final = 8
_NUMBER: Final = 32
_TEXT: Final = 64
#: Bytes of a Decimal, which depend on the version of Python.
_DECIMAL: Final = -(-getsizeof(Decimal()) // 16) * 16
_LIST: Final = 64
_SMALL_MAPS: Final = {0: 64} | dict.fromkeys(range(1, 6), 224) | dict.fromkeys(range(6, 11), 352)


class Prices(NamedTuple):
    """The types that values may be decoded to, as far as they matter for memory.

    :ivar decimals: numbers and texts become Decimals
    :ivar floats: numbers become floats
    :ivar texts: there may be texts other than the known names of fields
    :ivar sets: arrays become sets
    :ivar instance: bytes of an instance that is made from a map, besides its fields
    """

    decimals: bool = False
    floats: bool = False
    texts: bool = True
    sets: bool = False
    instance: int = 0


def require_affordable(raw: bytes | memoryview | msgspec.Raw, prices: Prices) -> None:
    """Refuse bytes that would take far more memory than their own size.

    :raises ValueError: they would
    """
    size = len(raw)
    if size <= FREE_BYTES and size * prices.instance <= FREE_MEMORY:
        return
    allowed = max(FREE_MEMORY, BYTES_PER_BYTE * size)
    if at_most_of(raw, prices) > allowed and memory_of(raw, prices, allowed) > allowed:
        raise ValueError(
            f"expected values that take at most {allowed // 2**20} MiB of memory in {size} bytes, "
            "got more: they are many and very short; send fewer at once"
        )


def at_most_of(packed: bytes | memoryview | msgspec.Raw, prices: Prices) -> int:
    """Return an upper bound of the memory that packed bytes take, from one quick pass.

    The headers of maps and arrays tell how many values there are in all; values of more than one
    byte are priced as the dearest.
    """
    whole = bytes(packed)
    walk, price_list = _walk(), _price_list(prices)
    memory, left, at, end = 0, 1, 0, len(whole)
    while at < end:
        begin = at
        at = behind_run(walk.all, whole, begin)
        if at > begin:
            values = whole[begin:at]
            ones = walk.longer.sub(b"", values)
            memory += price_list.of_one_byte(ones)
            left += _announced(ones) - len(ones)
            if any(map(values.__contains__, _WASTEFUL_STARTS)):
                for first, count, times in _wasteful(walk.alike.findall(values)):
                    memory += times * price_list.container(first, count)
                    left += times * (_items(first, count) - 1)
        found = walk.header.match(whole, at)
        if found is not None:
            at = found.end()
            first, count = (
                whole[found.start()],
                int.from_bytes(whole[found.start() + 1 : at], "big"),
            )
            memory += price_list.container(first, count)
            left += _items(first, count) - 1
        while at < end and whole[at] in SIZES:
            at = behind_text(whole, at)
        if at == begin:
            # malformed: the decoder will say what is wrong
            break
    return memory + max(0, left) * price_list.dearest + end


def _announced(values: bytes) -> int:
    """Return the number of items that the short maps and arrays among one-byte values have."""
    counts = Counter(values.translate(None, _NO_SHORT_HEADERS))
    return sum(times * _items(first, first & SHORT) for first, times in counts.items())


def _items(first: int, count: int) -> int:
    """Return the number of values in a map or an array of `count` items."""
    return 2 * count if first in _MAPS else count


def _wasteful(runs: list[bytes]) -> Iterator[tuple[int, int, int]]:
    """Yield headers that are longer than necessary: first byte, item count, how often."""
    for first in _LONG_HEADERS:
        headers = b"".join([run for run in runs if run[0] == first])
        if first in (0xDC, 0xDE):
            for count, times in Counter(headers[2::3]).items():
                yield first, count, times
        else:
            counts = zip(headers[3::5], headers[4::5], strict=True)
            for (high, low), times in Counter(counts).items():
                yield first, 256 * high + low, times


def memory_of(packed: bytes | memoryview | msgspec.Raw, prices: Prices, at_most: int) -> int:
    """Return about how much memory packed bytes take, rather too much than too little.

    :param at_most: stop once the memory exceeds this
    """
    whole = bytes(packed)
    walk, price_list = _walk(), _price_list(prices)
    memory, headers, at, end = 0, 0, 0, len(whole)
    while at < end and memory <= at_most:
        begin = at
        at = behind_run(walk.all, whole, begin)
        if at > begin:
            values = whole[begin:at]
            memory += price_list.of_one_byte(walk.longer.sub(b"", values))
            memory += price_list.of_runs(walk.alike.findall(values))
        while at < end and whole[at] in SIZES:
            text = at
            at = behind_text(whole, text)
            memory += price_list.other(at - text)
        found = walk.header.match(whole, at)
        if found is not None:
            headers, at = headers + 1, found.end()
            count = int.from_bytes(whole[found.start() + 1 : at], "big")
            memory += price_list.container(whole[found.start()], count)
            if headers > 1_000 + end // _LEAST_LONG:
                # they lie about their items, each of which would take at least a byte
                return at_most + 1
        if at == begin:
            # malformed: the decoder will say what is wrong
            break
    return memory


#: Headers of maps and arrays that are longer than their few items need, and all long ones.
_WASTEFUL: Final = (rb"\xdc\x00.", rb"\xde\x00.", rb"\xdd\x00\x00..", rb"\xdf\x00\x00..")
_WASTEFUL_STARTS: Final = (b"\xdc\x00", b"\xde\x00", b"\xdd\x00\x00", b"\xdf\x00\x00")
_HEADERS: Final = rb"[\xdc\xde]..|[\xdd\xdf].{4}"
_NO_SHORT_HEADERS: Final = bytes((*range(0x80), *range(0xA0, 0x100)))
_LONG_HEADERS: Final = range(0xDC, 0xE0)
_MAPS: Final = frozenset({*range(0x80, 0x90), 0xDE, 0xDF})

#: Least bytes of a container whose long header is not wasteful: it has 256 items.
_LEAST_LONG: Final = 256


class _Kind(NamedTuple):
    """Values that are counted together.

    :ivar firsts: the bytes that they begin with
    :ivar sizes: how many bytes each has, one number for each of `firsts` or one for all
    :ivar is_text: whether they may be texts other than known names
    :ivar is_number: whether they may be numbers
    """

    firsts: bytes
    sizes: range
    is_text: bool = False
    is_number: bool = False


_KINDS: Final = (
    # texts of one character exist already
    _Kind(b"\xa1\xcc\xd0", range(2, 3), is_number=True),
    _Kind(b"\xa2\xcd\xd1", range(3, 4), is_text=True, is_number=True),
    _Kind(b"\xa3", range(4, 5), is_text=True),
    _Kind(b"\xa4\xca\xce\xd2", range(5, 6), is_text=True, is_number=True),
    _Kind(b"\xcb\xcf\xd3", range(9, 10), is_number=True),
    # timestamps
    _Kind(b"\xd6", range(6, 7)),
    _Kind(b"\xd7", range(10, 11)),
    _Kind(bytes(range(0xA5, 0xAA)), range(6, 11), is_text=True),
    _Kind(bytes(range(0xAA, 0xB4)), range(11, 21), is_text=True),
    _Kind(bytes(range(0xB4, 0xC0)), range(21, 33), is_text=True),
)


def _pattern(kind: _Kind) -> bytes:
    if len(kind.sizes) == 1:
        return b"(?:[%b].{%d})++" % (kind.firsts, kind.sizes[0] - 1)
    each = zip(kind.firsts, kind.sizes, strict=True)
    return b"(?:%b)++" % b"|".join(b"[%c].{%d}" % (first, size - 1) for first, size in each)


class _Walk:
    """The patterns that walk over packed bytes; made on first use, since that takes long."""

    def __init__(self) -> None:
        one_byte = ONE_BYTE + b"++"
        alike = (*map(_pattern, _KINDS), *(b"(?:%b)++" % header for header in _WASTEFUL), LONGER)
        self.all = run_of(one_byte, *_WASTEFUL, LONGER)
        # seeing at once that there is none is faster than trying each kind
        longer = b"(?:(?!" + ONE_BYTE + b")(?:" + b"|".join((*_WASTEFUL, LONGER)) + b"))++"
        self.longer = re.compile(longer, re.DOTALL)
        self.alike = re.compile(b"|".join((one_byte, *alike)), re.DOTALL)
        self.header = re.compile(_HEADERS, re.DOTALL)


@cache
def _walk() -> _Walk:
    return _Walk()


class _PriceList:
    """The memory that each kind of value takes."""

    def __init__(self, prices: Prices) -> None:
        #: the price of the dearest value that is not a container
        self.dearest = _PLACE + max(
            _DECIMAL if prices.decimals else 0, _TEXT if prices.texts else _NUMBER
        )
        self._has_sets = prices.sets
        self._instance = prices.instance
        self._number = _DECIMAL if prices.decimals else _NUMBER
        self._text = _DECIMAL if prices.decimals else _TEXT if prices.texts else 0
        self._of_kind = {
            first: (kind.sizes[0], self._price_of(kind)) for kind in _KINDS for first in kind.firsts
        }
        by_price: dict[int, list[int]] = {}
        for first in range(0x100):
            by_price.setdefault(self._price_of_byte(first, prices), []).append(first)
        everything = bytes(range(0x100))
        #: by price of one-byte values, the bytes that have another price
        self._of_one_byte = [
            (price, everything.translate(None, bytes(firsts))) for price, firsts in by_price.items()
        ]

    def of_one_byte(self, values: bytes) -> int:
        """Return the memory of one-byte values."""
        return sum(
            len(values.translate(None, others)) * price for price, others in self._of_one_byte
        )

    def of_runs(self, runs: list[bytes]) -> int:
        """Return the memory of the longer values among runs of one kind each."""
        memory, has_wasteful = 0, False
        # there may be millions, so none may take a Python step
        for (first, size), times in Counter(
            zip(map(itemgetter(0), runs), map(len, runs), strict=True)
        ).items():
            if first in self._of_kind:
                unit, price = self._of_kind[first]
                memory += times * size * price // unit
            elif 0xC4 <= first <= 0xDB:
                memory += times * self.other(size)
            elif first in _LONG_HEADERS:
                has_wasteful = True
        if has_wasteful:
            for first, count, times in _wasteful(runs):
                memory += times * self.container(first, count)
        return memory

    def other(self, size: int) -> int:
        """Return the memory of a longer text, of bytes or of an extension."""
        return _PLACE + max(_TEXT, self._text) + size

    def container(self, first: int, count: int) -> int:
        """Return the memory of a map or an array of `count` items, without the items."""
        if first in _MAPS:
            return _PLACE + self._instance + _SMALL_MAPS.get(count, 60 * count)
        if self._has_sets:
            return _PLACE + (224 if count < 5 else 736 if count < 20 else 115 * count)
        return _PLACE + _LIST

    def _price_of(self, kind: _Kind) -> int:
        number = self._number if kind.is_number else 0
        text = self._text if kind.is_text or self._text == _DECIMAL else 0
        return _PLACE + max(number, text, 0 if kind.is_text or kind.is_number else _TEXT)

    def _price_of_byte(self, first: int, prices: Prices) -> int:
        if 0x80 <= first <= 0x9F:
            return self.container(first, first & SHORT)
        if 0xA0 <= first <= 0xDF:
            return _PLACE
        is_there = first <= 0x7F or first >= 0xFB
        if is_there and not (prices.decimals or prices.floats):
            return _PLACE
        return _PLACE + self._number


@cache
def _price_list(prices: Prices) -> _PriceList:
    return _PriceList(prices)
