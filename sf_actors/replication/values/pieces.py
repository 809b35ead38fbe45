"""Packs a large value in pieces, so that the process stays responsive meanwhile.

The bytes are one ordinary MessagePack map. Cuts beside them give the positions of runs of items, so
that a reader can decode one run after another. A run with its path and a header in front is a
complete map that holds a part of the value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sf_actors.replication.values.frozen import View, thaw
from sf_actors.replication.values.persistent_map import Map
from sf_actors.schema.shape import Open, Record, Table, as_mapping
from sf_actors.wire.envelope import encode
from sf_actors.wire.messages import Cut
from sf_actors.wire.msgpack import map_header

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sf_actors.schema.shape import Shape

RUN: Final = 1_000
"""Items of a run, at any depth: so few that packing or reading them delays nothing."""

LARGE: Final = 10_000
"""Items of an update, at any depth, from which on it is packed and read in pieces."""

RUNS_AT_ONCE: Final = 10
"""Runs that are packed or read before other work has a turn."""

_MAPPINGS: Final = frozenset({dict, Map, View})


class Packing:
    """Packs one mapping, step by step.

    A table is cut wherever a run is full. A record within it is never cut, since its fields belong
    together, nor is anything else that is not a mapping.

    :param content: a `Map`, `View` or dict
    :param shape: its shape
    :ivar shape: the shape of the content
    :ivar raw: the bytes, once `step` has returned True
    :ivar cuts: the runs in them, in order; empty if one run holds all
    """

    def __init__(self, content: Any, shape: Shape) -> None:
        self.shape = shape
        self.raw = b""
        self.cuts: list[Cut] = []
        self._parts: list[bytes] = []
        self._at = 0
        self._steps = self._pack(content, (), shape)

    def step(self) -> bool:
        """Pack some more runs; return True when all are packed."""
        for count, _ in enumerate(self._steps, 1):
            if count == RUNS_AT_ONCE:
                return False
        self.raw = b"".join(self._parts)
        self._parts.clear()
        if len(self.cuts) == 1:
            self.cuts.clear()
        return True

    def finish(self) -> None:
        """Pack the rest."""
        while not self.step():
            pass

    def _pack(self, content: Any, path: tuple[bytes, ...], shape: Shape) -> Iterator[None]:
        self._add(map_header(len(content)))
        run: dict[Any, Any] = {}
        weight = 0
        for key, item in content.items():
            its_weight = weight_of(item, RUN) if type(item) in _MAPPINGS else 1
            within = shape_within(shape, key) if its_weight >= RUN else None
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
    """Return how many items a mapping holds at any depth, counted up to `limit`."""
    weight = 1
    for item in mapping.values():
        weight += weight_of(item, limit) if type(item) in _MAPPINGS else 1
        if weight >= limit:
            return limit
    return weight


def shape_within(shape: Shape, key: Any) -> Shape | None:
    """Return the shape of a mapping under a key; None for an unknown field."""
    shape = as_mapping(shape)
    if isinstance(shape, Record):
        within = shape.required.get(key) or shape.optional.get(key)
        return None if within is None else as_mapping(within)
    return as_mapping(shape.value) if isinstance(shape, Table) else shape


def piece_of(raw: memoryview, cut: Cut, *, after: int = 0) -> bytes:
    """Return a run as a complete map.

    :param after: the end of the previous run; with overlapping runs a short message could make the
        reader decode the same bytes again and again
    :raises ValueError: the cut lies outside the bytes, begins before `after`, or has fewer bytes
        than items
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
