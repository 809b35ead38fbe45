"""Large values in pieces: the bytes are those of any map, and the pieces make the value again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sf_actors.replication.values import pieces
from sf_actors.replication.values.frozen import View, freeze, thaw
from sf_actors.replication.values.patch import with_part
from sf_actors.replication.values.persistent_map import EMPTY
from sf_actors.replication.values.pieces import Packing, piece_of, weight_of
from sf_actors.schema.shape import Leaf, Open, Record, Table
from sf_actors.wire.messages import Cut
from sf_actors.wire.msgpack import map_header

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sf_actors.schema.shape import Shape

leaves = (
    st.none()
    | st.integers(-100, 100)
    | st.text(max_size=3)
    | st.lists(st.integers(-9, 9), max_size=3)
)
values = st.recursive(
    st.dictionaries(st.text(max_size=3) | st.integers(-20, 20), leaves, max_size=12),
    lambda inner: st.dictionaries(st.text(max_size=3), inner | leaves, max_size=12),
    max_leaves=15,
)


@pytest.fixture(autouse=True, scope="module")
def _short_runs() -> Iterator[None]:
    """Make what is large small enough for a test."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pieces, "RUN", 4)
        patched.setattr(pieces, "RUNS_AT_ONCE", 2)
        yield


def packed(content: Any, shape: Shape = Open()) -> Packing:  # noqa: B008 - it does not change
    packing = Packing(content, shape)
    packing.finish()
    return packing


def read(raw: bytes) -> Any:
    return msgspec.msgpack.decode(raw)


@pytest.mark.parametrize("form", [lambda value: value, freeze, lambda value: View(freeze(value))])
@given(value=values)
@pytest.mark.slow
def test_the_bytes_are_those_of_the_map(form: Any, value: dict[Any, Any]) -> None:
    assert read(packed(form(value)).raw) == value


@given(value=values)
@pytest.mark.slow
def test_the_pieces_make_the_value_again(value: dict[Any, Any]) -> None:
    packing = packed(freeze(value))
    if not packing.cuts:
        return
    again = EMPTY
    for cut in packing.cuts:
        again = with_part(again, read(piece_of(memoryview(packing.raw), cut)))
    assert thaw(again) == value


def test_a_small_value_is_one_piece_and_has_no_cuts() -> None:
    assert packed(freeze({"a": 1, "b": {"c": 2}})).cuts == []
    assert packed(freeze({})).raw == b"\x80"


def test_a_large_one_is_cut_where_its_items_are() -> None:
    table = {f"{n}": n for n in range(10)}
    packing = packed({"title": "x", "table": table, "end": None})
    assert [(cut.path, cut.count) for cut in packing.cuts] == [
        ((), 1),
        ((b"\xa5table",), 4),
        ((b"\xa5table",), 4),
        ((b"\xa5table",), 2),
        ((), 1),
    ]
    parts = [read(piece_of(memoryview(packing.raw), cut)) for cut in packing.cuts]
    assert (parts[0], parts[-1]) == ({"title": "x"}, {"end": None})
    assert parts[3] == {"table": {"8": 8, "9": 9}}


def test_a_table_of_tables_is_cut_by_what_they_hold_together() -> None:
    books = {f"{n}": {"bids": {str(k): k for k in range(3)}} for n in range(8)}
    book = Record({"bids": Table(Leaf())}, {})
    packing = packed(freeze({"books": books}), Record({"books": Table(book)}, {}))
    assert {cut.path for cut in packing.cuts} == {(b"\xa5books",)}
    assert [cut.count for cut in packing.cuts] == [1] * 8
    assert read(packing.raw) == {"books": books}


def test_each_step_packs_a_few_runs() -> None:
    packing = Packing({str(n): n for n in range(40)}, Open())
    steps = 1
    while not packing.step():
        steps += 1
    assert steps == 6


@pytest.mark.parametrize(("start", "end"), [(-1, 2), (3, 2), (0, 99)])
def test_a_cut_that_lies_outside_is_refused(start: int, end: int) -> None:
    with pytest.raises(ValueError, match="expected a cut within 5 bytes"):
        piece_of(memoryview(b"12345"), Cut((), start, end, 1))


@pytest.mark.parametrize("count", [-1, 3, 2**40])
def test_a_cut_with_more_items_than_its_bytes_can_hold_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"expected {count} items in 2 bytes"):
        piece_of(memoryview(b"12345"), Cut((), 0, 2, count))


def test_a_cut_that_reaches_back_over_the_one_before_is_refused() -> None:
    with pytest.raises(ValueError, match="that begins at 3 or later, got 2:5"):
        piece_of(memoryview(b"12345"), Cut((), 2, 5, 1), after=3)


@pytest.mark.parametrize("count", [0, 15, 16, 65_535, 65_536, 100_000])
def test_a_header_is_that_of_messagepack(count: int) -> None:
    items = dict.fromkeys(range(count))
    assert msgspec.msgpack.encode(items).startswith(map_header(count))
    assert len(read(map_header(count) + b"".join(map(msgspec.msgpack.encode, _flat(items))))) == (
        count
    )


def _flat(items: dict[int, None]) -> list[Any]:
    return [part for item in items.items() for part in item]


def test_a_record_within_is_never_divided() -> None:
    record = {"a": {str(n): n for n in range(9)}, "b": 1}
    kind = Record({"a": Table(Leaf()), "b": Leaf()}, {})
    assert packed(freeze({"one": record}), Record({"one": kind}, {})).cuts == []
    assert len(packed(freeze({"one": record}), Open()).cuts) == 4


@pytest.mark.parametrize(("limit", "weight"), [(3, 3), (100, 7)])
def test_a_mapping_weighs_what_it_holds_however_deep(limit: int, weight: int) -> None:
    value = {"a": 1, "b": {"c": 2, "d": {"e": [1, 2, 3]}}, "f": "text"}
    for form in (value, freeze(value), View(freeze(value))):
        assert weight_of(form, limit) == weight
