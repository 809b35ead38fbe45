"""A large value as bytes, piece by piece, so that nothing stands still while it is packed or read.

The bytes are one MessagePack map like any other. Beside them stand cuts: where runs of items lie in
them, so that a reader can decode one run after the other. Each run, put behind its path and a
header, is a map of its own that holds a part of the value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sf_actors.replication.values.frozen import View, thaw
from sf_actors.replication.values.persistent_map import Map
from sf_actors.schema.shape import Open, Record, Table
from sf_actors.wire.envelope import encode
from sf_actors.wire.messages import Cut
from sf_actors.wire.msgpack import map_header

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sf_actors.schema.shape import Shape

RUN: Final = 1_000
"""Items of a run, however deep they lie: so few that nobody waits while they are packed or read."""

LARGE: Final = 10_000
"""Items of an update, however deep they lie, from which on it is packed and read in pieces."""

RUNS_AT_ONCE: Final = 10
"""Runs that are packed or read before somebody else has a turn."""

_MAPPINGS: Final = frozenset({dict, Map, View})


class Packing:
    """Packs one mapping, step by step.

    A table is cut wherever there are items enough; a record in it, whose fields belong together, is
    not, nor is what is in no mapping.

    :param content: a `Map`, `View` or dict
    :param shape: its shape
    :ivar raw: the bytes, when `step` has said that it is done
    :ivar cuts: the runs in them, in order; empty where one run is all there is
    """

    def __init__(self, content: Any, shape: Shape) -> None:
        self.raw = b""
        self.cuts: list[Cut] = []
        self._parts: list[bytes] = []
        self._at = 0
        self._steps = self._pack(content, (), shape)

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

    def _pack(self, content: Any, path: tuple[bytes, ...], shape: Shape) -> Iterator[None]:
        self._add(map_header(len(content)))
        run: dict[Any, Any] = {}
        weight = 0
        for key, item in content.items():
            its_weight = weight_of(item, RUN) if type(item) in _MAPPINGS else 1
            within = _shape_within(shape, key) if its_weight >= RUN else None
            if isinstance(within, Table | Open):
                if run:
                    self._add_run(run, path)
                    run, weight = {}, 0
                    yield
                packed_key = encode(thaw(key))
                self._add(packed_key)
                yield from self._pack(item, (*path, packed_key), within)
                continue
            run[key] = item
            weight += its_weight
            if weight >= RUN:
                self._add_run(run, path)
                run, weight = {}, 0
                yield
        if run:
            self._add_run(run, path)
            yield

    def _add_run(self, run: dict[Any, Any], path: tuple[bytes, ...]) -> None:
        packed = encode({key: thaw(item) for key, item in run.items()})
        start = self._at
        self._add(packed[len(map_header(len(run))) :])
        self.cuts.append(Cut(path, start, self._at, len(run)))

    def _add(self, packed: bytes) -> None:
        self._parts.append(packed)
        self._at += len(packed)


def weight_of(mapping: Any, limit: int) -> int:
    """Return how many items a mapping holds, however deep; as soon as it is clear, `limit`."""
    weight = 1
    for item in mapping.values():
        weight += weight_of(item, limit) if type(item) in _MAPPINGS else 1
        if weight >= limit:
            return limit
    return weight


def _shape_within(shape: Shape, key: Any) -> Shape | None:
    if isinstance(shape, Record):
        return shape.required.get(key) or shape.optional.get(key)
    return shape.value if isinstance(shape, Table) else shape


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
        parts += (map_header(1), key)
    return b"".join((*parts, map_header(cut.count), raw[cut.start : cut.end]))
