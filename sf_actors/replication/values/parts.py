"""Divides a packed value among messages of a given size.

The runs of a `Packing` are used as they are if they fit, else divided at their items. An item that
is itself a mapping is divided likewise, unless it is a record, whose fields belong together. One
that cannot be divided and does not fit has a larger message of its own. Each piece is a complete
map that holds a part of the value.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

import msgspec

from sf_actors.replication.values.pieces import RUNS_AT_ONCE, piece_of, shape_within
from sf_actors.schema.shape import Open, Record, Table
from sf_actors.wire.messages import Cut
from sf_actors.wire.msgpack import EMPTY_MAP, count_of, is_map, items_of, map_header

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sf_actors.schema.shape import Shape

_LONGEST_HEADER: Final = 5
"""Bytes of the header of a large map, and of one around packed bytes."""


class Division:
    """Divides one packed mapping, step by step.

    :param raw: the packed mapping
    :param cuts: the runs in it, in order; none if it is one run
    :param room: most bytes of the pieces of one message, unless one item is larger
    :ivar parts: the pieces of each message, once `step` has returned True
    :ivar largest: the place among them of the largest item that is larger than `room`, or None
    """

    def __init__(self, raw: bytes, cuts: list[Cut], shape: Shape, room: int) -> None:
        self.parts: list[list[Cut]] = []
        self._raw = memoryview(raw)
        self._shape = shape
        self._room = room
        self._left = 0
        self.largest: int | None = None
        self._steps = self._divide(cuts or _whole(raw))

    def step(self) -> bool:
        """Divide some more runs; return True when all are divided."""
        return sum(1 for _ in islice(self._steps, RUNS_AT_ONCE)) < RUNS_AT_ONCE

    def size_at(self, place: int) -> int:
        """Return the most bytes that the pieces of one message can have."""
        return sum(map(_size, self.parts[place]))

    def pieces(self, place: int) -> list[bytes]:
        """Return the pieces of one message, each a map with a part of the value."""
        return [piece_of(self._raw, cut) for cut in self.parts[place]]

    def _divide(self, cuts: list[Cut]) -> Iterator[None]:
        for cut in cuts:
            if _size(cut) <= self._room:
                self._add(cut)
            else:
                for piece in self._divided(cut, self._shape_at(cut.path)):
                    self._add(piece)
            yield

    def _add(self, piece: Cut) -> None:
        size = _size(piece)
        if size > self._left:
            self.parts.append([])
            self._left = self._room
        self.parts[-1].append(piece)
        self._left -= size
        is_large = size > self._room
        if is_large and (self.largest is None or size > self.size_at(self.largest)):
            self.largest = len(self.parts) - 1

    def _divided(self, cut: Cut, shape: Shape) -> Iterator[Cut]:
        room = self._room - _around(cut.path)
        begin, at, count = cut.start, cut.start, 0
        items = items_of(map_header(cut.count) + self._raw[cut.start : cut.end])
        for key, item in zip(items[::2], items[1::2], strict=True):
            packed_key = bytes(key)
            end = at + len(packed_key) + memoryview(item).nbytes
            is_large = end - at > room
            if count and (is_large or end - begin > room):
                yield Cut(cut.path, begin, at, count)
                begin, count = at, 0
            if is_large:
                yield from self._within(Cut((*cut.path, packed_key), at, end, 1), shape)
                begin = end
            else:
                count += 1
            at = end
        if count:
            yield Cut(cut.path, begin, at, count)

    def _within(self, item: Cut, shape: Shape) -> Iterator[Cut]:
        """Divide an item that is itself a mapping; others are yielded whole."""
        key, start = item.path[-1], item.start + len(item.path[-1])
        packed, within = self._raw[start : item.end], _shape_of(shape, key)
        is_mapping = isinstance(within, Table | Open) and is_map(packed[0])
        count = count_of(packed) if is_mapping else 0
        if within is None or not count or _around(item.path) >= self._room:
            yield Cut(item.path[:-1], item.start, item.end, 1)
            return
        begin = start + len(_header_of(packed))
        yield from self._divided(Cut(item.path, begin, item.end, count), within)

    def _shape_at(self, path: tuple[bytes, ...]) -> Shape:
        shape = self._shape
        for key in path:
            shape = _shape_of(shape, key) or Open()
        return shape


def _whole(raw: bytes) -> list[Cut]:
    return [Cut((), len(_header_of(memoryview(raw))), len(raw), count_of(raw))]


def _header_of(packed: memoryview) -> bytes:
    """Return the header of a map, which another encoder may have made longer than necessary."""
    first = packed[0]
    return bytes(packed[: 3 if first == 0xDE else 5 if first == 0xDF else len(EMPTY_MAP)])


def _shape_of(shape: Shape, key: bytes) -> Shape | None:
    # only the fields of a record are known by name
    name = msgspec.msgpack.decode(key) if isinstance(shape, Record) else None
    return shape_within(shape, name)


def _size(piece: Cut) -> int:
    return _around(piece.path) + piece.end - piece.start


def _around(path: tuple[bytes, ...]) -> int:
    """Return the most bytes that can be around the items of a piece."""
    return 2 * _LONGEST_HEADER + sum(1 + len(key) for key in path)
