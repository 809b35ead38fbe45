"""A large value as bytes, piece by piece, so that nothing stands still while it is packed or read.

The bytes are one MessagePack map like any other. Beside them stand cuts: where runs of items lie in
them, so that a reader can decode one run after the other. Each run, put behind its path and a
header, is a map of its own that holds a part of the value.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from sf_actors.replication.trie import Map
from sf_actors.replication.value import View, thaw
from sf_actors.wire.envelope import Cut, encode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

RUN: Final = 1_000
"""Items of a run; to pack or read so many takes about a millisecond."""


RUNS_AT_ONCE: Final = 10
"""Runs that are packed or read before somebody else has a turn."""


class Packing:
    """Packs one mapping, step by step.

    :param content: a `Map`, `View` or dict
    :ivar raw: the bytes, when `step` has said that it is done
    :ivar cuts: the runs in them, in order; empty where one run is all there is
    """

    def __init__(self, content: Any) -> None:
        self.raw = b""
        self.cuts: list[Cut] = []
        self._parts: list[bytes] = []
        self._at = 0
        self._steps = self._pack(content, ())

    def step(self) -> bool:
        """Pack some more runs; whether there is none left."""
        for count, _ in enumerate(self._steps, 1):
            if count == RUNS_AT_ONCE:
                return False
        self.raw = b"".join(self._parts)
        self._parts.clear()
        if len(self.cuts) == 1:
            self.cuts.clear()
        return True

    def finish(self) -> None:
        """Pack all that is left."""
        while not self.step():
            pass

    def _pack(self, content: Any, path: tuple[bytes, ...]) -> Iterator[None]:
        self._add(map_header(len(content)))
        for run in _runs(content):
            large = [key for key, item in run.items() if is_large(item)]
            small = {key: item for key, item in run.items() if key not in large} if large else run
            if small:
                packed = encode({key: thaw(item) for key, item in small.items()})
                start = self._at
                self._add(packed[len(map_header(len(small))) :])
                self.cuts.append(Cut(path, start, self._at, len(small)))
                yield
            for key in large:
                packed_key = encode(thaw(key))
                self._add(packed_key)
                yield from self._pack(run[key], (*path, packed_key))

    def _add(self, packed: bytes) -> None:
        self._parts.append(packed)
        self._at += len(packed)


def is_large(item: object) -> bool:
    """Return whether a value is a mapping of more than one run."""
    kind = type(item)
    is_mapping = kind is dict or kind is Map or kind is View
    return is_mapping and len(item) > RUN  # type: ignore[arg-type]


def piece_of(raw: memoryview, cut: Cut, *, after: int = 0) -> bytes:
    """Return a run as a map of its own.

    :param after: where the run before it ends: runs that overlap would have bytes read again and
        again, which few bytes suffice to ask for
    :raises ValueError: the cut lies outside the bytes or before that, or has not the bytes that so
        many items need
    """
    if not after <= cut.start <= cut.end <= len(raw):
        raise ValueError(
            f"expected a cut within {len(raw)} bytes that begins at {after} or later, "
            f"got {cut.start}:{cut.end}"
        )
    if not 0 <= cut.count <= cut.end - cut.start:
        raise ValueError(f"expected {cut.count} items in {cut.end - cut.start} bytes")
    parts: list[bytes | memoryview] = []
    for key in cut.path:
        parts += (b"\x81", key)
    return b"".join((*parts, map_header(cut.count), raw[cut.start : cut.end]))


def map_header(count: int) -> bytes:
    """Return how a map of so many items begins in MessagePack ("map format family")."""
    if count <= 0x0F:
        return bytes((0x80 | count,))
    if count <= 0xFFFF:
        return b"\xde" + count.to_bytes(2, "big")
    return b"\xdf" + count.to_bytes(4, "big")


def _runs(content: Any) -> Iterator[dict[Any, Any]]:
    """Give the items in dicts of about `RUN`, which are not to be changed."""
    if type(content) is not Map:
        items = iter(content.items())
        while run := dict(islice(items, RUN)):
            yield run
        return
    gathered: list[dict[Any, Any]] = []
    count = 0
    for leaf in content.leaves():
        gathered.append(leaf)
        count += len(leaf)
        if count >= RUN:
            yield _together(gathered)
            gathered, count = [], 0
    if gathered:
        yield _together(gathered)


def _together(leaves: Sequence[dict[Any, Any]]) -> dict[Any, Any]:
    if len(leaves) == 1:
        return leaves[0]
    run: dict[Any, Any] = {}
    for leaf in leaves:
        run.update(leaf)
    return run
