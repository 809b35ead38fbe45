"""A packed value is divided among messages."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sf_actors.replication.values.frozen import View
from sf_actors.replication.values.parts import Division
from sf_actors.replication.values.patch import snapshot, with_part
from sf_actors.replication.values.persistent_map import EMPTY
from sf_actors.replication.values.pieces import RUN, Packing
from sf_actors.schema.shape import Leaf, Open, Record, Table

SHAPE = Record(
    required={"open": Open(), "table": Table(Leaf()), "tables": Table(Table(Leaf()))},
    optional={"legs": Table(Record(required={"name": Leaf()}, optional={})), "note": Leaf()},
)


def divided(value: Any, room: int) -> tuple[Division, Packing]:
    packing = Packing(value, SHAPE)
    packing.finish()
    division = Division(packing.raw, packing.cuts, SHAPE, room)
    while not division.step():
        pass
    return division, packing


def put_together(division: Division) -> Any:
    value = EMPTY
    for place in range(len(division.parts)):
        for piece in division.pieces(place):
            value = with_part(value, msgpack.unpackb(piece, strict_map_key=False))
    return View(value)


_keys = st.text("abc", max_size=6) | st.integers(0, 300)
_leaves = st.integers(0, 2**60) | st.text("x", max_size=40) | st.lists(st.none(), max_size=5)
_open = st.recursive(_leaves, lambda inner: st.dictionaries(_keys, inner, max_size=9), max_leaves=9)
_tables = st.dictionaries(_keys, _leaves, max_size=20)
_values = st.fixed_dictionaries(
    {
        "open": st.dictionaries(_keys, _open, max_size=9),
        "table": _tables,
        "tables": st.dictionaries(_keys, _tables, max_size=5),
    },
    optional={
        "legs": st.dictionaries(_keys, st.fixed_dictionaries({"name": _leaves})),
        "note": _leaves,
    },
)


@settings(deadline=None)
@given(_values, st.integers(1, 400))
@pytest.mark.slow
def test_the_parts_make_up_the_value_and_each_fits(value: dict[str, Any], room: int) -> None:
    division, packing = divided(snapshot(value, SHAPE), room)
    assert put_together(division) == value
    # every item and its keys fit that
    assert division.largest is None or room < 300
    most = room if division.largest is None else division.size_at(division.largest)
    for place, part in enumerate(division.parts):
        pieces = division.pieces(place)
        size = len(msgpack.packb(pieces))
        # with the header of each as packed bytes
        assert size <= most + 5
        # what is larger than the room has one item
        assert size <= room + 5 or [cut.count for cut in part] == [1]
        assert sum(cut.count for cut in part) > 0
    assert packing.raw


@pytest.mark.parametrize("room", [100, 1_000, 9_000, 1_000_000])
def test_runs_are_divided_only_where_they_do_not_fit(room: int) -> None:
    table = {f"{n}": n for n in range(5 * RUN)}
    value = {"open": {"a": table, "b": {"c": table}}, "table": table, "tables": {"t": table}}
    division, packing = divided(snapshot(value, SHAPE), room)
    assert put_together(division) == value
    pieces = [piece for part in division.parts for piece in part]
    if room >= 9_000:
        assert pieces == packing.cuts
    else:
        assert len(pieces) > len(packing.cuts)
    sizes = [len(msgpack.packb(division.pieces(n))) for n in range(len(division.parts))]
    # on average messages are more than half full
    assert sum(sizes) > 0.5 * room * (len(sizes) - 1)


def test_an_item_that_is_too_large_has_a_message_of_its_own() -> None:
    table = {"a": "x" * 50, "b": "x" * 500, "c": "x" * 600, "d": "x" * 400, "e": "x" * 50}
    value = snapshot({"open": {}, "table": table, "tables": {}}, SHAPE)
    division, _ = divided(value, 300)
    assert put_together(division) == View(value)
    assert division.largest is not None
    (largest,) = division.pieces(division.largest)
    assert msgpack.unpackb(largest) == {"table": {"c": table["c"]}}
    assert len(largest) <= division.size_at(division.largest)


def test_the_fields_of_a_nested_record_stay_together() -> None:
    leg = {"name": "x" * 200}
    value = snapshot(
        {"open": {}, "table": {}, "tables": {}, "legs": dict.fromkeys("abc", leg)}, SHAPE
    )
    for room in (300, 150):
        assert put_together(divided(value, room)[0]) == View(value)
