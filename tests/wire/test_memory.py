from __future__ import annotations

import tracemalloc
from decimal import Decimal
from time import process_time
from typing import TYPE_CHECKING, Any

import msgpack
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sf_actors.wire import memory
from sf_actors.wire.memory import (
    BYTES_PER_BYTE,
    BYTES_PER_BYTE_IN_PIECES,
    FREE_BYTES,
    FREE_MEMORY,
    Prices,
    at_most_of,
    memory_of,
    require_affordable,
)
from tests.support.effort import effort

if TYPE_CHECKING:
    from collections.abc import Callable

#: More than anything takes: then all is looked at.
ALL = 10**12

#: Items of a flood, for which a list that grew to them has few places beside.
ITEMS = effort(100_000, brief=10_600)
#: Items of one that is walked over, and what part of the free memory a refused one is measured by.
WALKED = effort(1_000_000, brief=200_000)
SMALLER = effort(1, brief=16)

ANYTHING = Prices()
DECIMALS = Prices(decimals=True)
FLOATS = Prices(floats=True, texts=False)
INTS = Prices(texts=False)
SETS = Prices(sets=True, texts=False)

plain: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(),
    st.text(st.characters(max_codepoint=127)),
    st.binary(max_size=400),
)
values = st.recursive(
    plain,
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(0, 10**9), inner),
)


def taken_by(packed: bytes, type_: Any) -> int:
    decode = msgspec.msgpack.Decoder(type_).decode
    tracemalloc.start()
    try:
        value = decode(packed)
        taken, _ = tracemalloc.get_traced_memory()
        del value
    finally:
        tracemalloc.stop()
    return taken


def many(item: bytes, count: int = ITEMS) -> bytes:
    return b"\xdd" + count.to_bytes(4, "big") + item * count


#: an item of a list, the type of that list, what it costs
DEAR: dict[str, tuple[bytes, Any, Prices]] = {
    "negative numbers": (b"\xf0", list[int], INTS),
    "floats": (b"\x05", list[float], FLOATS),
    "numbers of two bytes": (b"\xd0\x80", list[int], INTS),
    "short texts": (b"\xa2ab", list[str], ANYTHING),
    "Decimals as texts": (b"\xa11", list[Decimal], DECIMALS),
    "Decimals as numbers": (b"\x01", list[Decimal], DECIMALS),
    "longer Decimals": (b"\xa6100.25", list[Decimal], DECIMALS),
    "Decimals with long headers": (b"\xd9\x011", list[Decimal], DECIMALS),
    "dicts": (b"\x81\xa1a\x01", object, ANYTHING),
    "dicts of numbers": (b"\x81\x05\x01", object, ANYTHING),
    "longer dicts": (b"\x86\x01\x01\x02\x02\x03\x03\x04\x04\x05\x05\x06\x06", object, ANYTHING),
    "empty dicts": (b"\x80", object, ANYTHING),
    "empty dicts with long headers": (b"\xde\x00\x00", object, ANYTHING),
    "dicts with long headers": (b"\xdf\x00\x00\x00\x01\x01\x01", object, ANYTHING),
    "empty lists": (b"\x90", object, ANYTHING),
    "lists with long headers": (b"\xdd\x00\x00\x00\x01\x01", object, ANYTHING),
    "empty sets": (b"\x90", list[set[int]], SETS),
    "sets": (b"\x95\x01\x02\x03\x04\x05", list[set[int]], SETS),
}


@pytest.mark.parametrize("name", DEAR)
@pytest.mark.slow
def test_a_flood_of_what_is_dear_is_estimated_at_no_less_than_it_takes(name: str) -> None:
    item, type_, prices = DEAR[name]
    flood = many(item)
    taken = taken_by(flood, type_)
    assert taken - 1_000 <= memory_of(flood, prices, ALL)
    assert taken - 1_000 <= at_most_of(flood, prices)
    assert memory_of(flood, prices, ALL) < 2.5 * taken + len(flood)


@pytest.mark.parametrize("name", DEAR)
@pytest.mark.slow
def test_a_flood_that_would_take_twenty_times_its_bytes_is_refused(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "FREE_MEMORY", FREE_MEMORY // SMALLER)
    monkeypatch.setattr(memory, "FREE_BYTES", FREE_BYTES // SMALLER)
    item, _type, prices = DEAR[name]
    each = memory_of(many(item, 1_000), prices, ALL) / 1_000
    flood = many(item, int(2 * memory.FREE_MEMORY / each))
    if memory_of(flood, prices, ALL) > BYTES_PER_BYTE * len(flood):
        with pytest.raises(ValueError, match=r"at most \d+ MiB of memory"):
            require_affordable(flood, prices)
    else:
        require_affordable(flood, prices)


@pytest.mark.slow
@pytest.mark.parametrize("name", DEAR)
def test_what_is_not_looked_at_takes_little(name: str) -> None:
    item, type_, _prices = DEAR[name]
    assert taken_by(many(item, FREE_BYTES // len(item)), type_) < FREE_MEMORY


@settings(deadline=None, max_examples=effort(60, brief=20))
@given(values)
@pytest.mark.slow
def test_no_value_is_estimated_at_less_than_its_objects(value: Any) -> None:
    packed = msgpack.packb([value] * 300)
    taken = taken_by(packed, object)
    assert memory_of(packed, ANYTHING, ALL) >= 0.6 * taken - 2_000
    assert at_most_of(packed, ANYTHING) >= 0.6 * taken - 2_000


@pytest.mark.parametrize(
    "made",
    [
        lambda: ["щ" * 20] * 50_000,
        lambda: [b"\x90" * 200] * 10_000,
        lambda: b"\xdc\x00" * 500_000,
        lambda: [n / 7 for n in range(200_000)],
        lambda: [[1.5, 2.5]] * 100_000,
        lambda: [
            {"id": n, "price": n + 0.5, "side": "buy", "symbol": "ABCDEF"} for n in range(70_000)
        ],
        lambda: [{"id": n, "ok": True} for n in range(100_000)],
        lambda: {f"k{n}": n for n in range(500_000)},
        lambda: ["a" * 36] * 100_000,
    ],
    ids=["texts", "bytes", "pixels", "floats", "pairs", "rows", "short rows", "table", "uuids"],
)
def test_what_services_send_is_let_pass(made: Callable[[], Any]) -> None:
    packed = msgpack.packb(made())
    assert len(packed) > FREE_BYTES
    require_affordable(packed, ANYTHING)


@pytest.mark.slow
def test_a_book_of_a_million_decimals_is_below_what_a_state_may_take() -> None:
    packed = msgpack.packb({str(n): "1.5" for n in range(WALKED)})
    assert at_most_of(packed, DECIMALS) < BYTES_PER_BYTE_IN_PIECES * len(packed)


@pytest.mark.parametrize("item", [b"\xde\x00\x00", b"\xdc\x00\x01\x01", b"\xd9\x01a", b"\xc4\x00"])
@pytest.mark.slow
def test_what_alternates_is_walked_over_quickly(item: bytes) -> None:
    flood = many(item + b"\xa2ab", WALKED)
    begun = process_time()
    at_most_of(flood, ANYTHING)
    assert process_time() - begun < 10 * WALKED / 1_000_000


@pytest.mark.parametrize("packed", [b"\xdf\x01", b"\xc1\xde\x01\x00", b"\xde", b"\xd9", b""])
def test_what_is_malformed_is_left_to_the_decoder(packed: bytes) -> None:
    assert memory_of(packed, ANYTHING, ALL) >= 0
    assert at_most_of(packed, ANYTHING) >= 0
