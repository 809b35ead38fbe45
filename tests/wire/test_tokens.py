from __future__ import annotations

import random
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sf_actors.wire.tokens import FEW, count_containers, has_many

#: More than there are: then all are counted.
ALL = 10**9

plain: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(),
    st.text(),
    st.binary(max_size=400),
    st.builds(msgpack.ExtType, st.integers(0, 127), st.binary()),
)
values = st.recursive(
    plain,
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(0, 10**9), inner),
)


def containers_of(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(map(containers_of, value.values()))
    return 1 + sum(map(containers_of, value)) if isinstance(value, list) else 0


@given(values)
def test_at_least_the_containers_of_a_value_are_counted(value: Any) -> None:
    packed, count = msgpack.packb(value), containers_of(value)
    assert count_containers(packed, ALL) >= count
    # with a low bound each value is told apart from what only looks like one
    if count:
        assert count_containers(packed, count - 1) > count - 1


@pytest.mark.parametrize(
    "value",
    [
        ["щ" * 20] * 10_000,
        [b"\x90" * 200] * 2_000,
        b"\xdc\x00" * 100_000,
        [random.Random(1).random() for _ in range(50_000)],
        [[1.5, 2.5]] * 20_000,
        [{"id": n, "at": [n, n]} for n in range(5_000)],
        [list(range(20))] * 3_000,
        {str(n): {"a": 1} for n in range(1_000)},
    ],
    ids=["texts", "bytes", "pixels", "floats", "pairs", "records", "long lists", "tables"],
)
def test_bytes_that_look_like_headers_are_not_counted(value: Any) -> None:
    count = containers_of(value)
    packed = msgpack.packb(value)
    assert count <= count_containers(packed, count + 50) <= count + 50


@pytest.mark.parametrize(
    "item",
    [b"\x80", b"\x90", b"\x90\xcc\x80", b"\xdc\x00\x00", b"\xdd\x00\x00\x00\x00", b"\xde\x01\x00"],
)
def test_a_flood_is_more_than_is_allowed(item: bytes) -> None:
    flood = item * 200_000
    assert count_containers(flood, 50_000) > 50_000


@given(values)
def test_a_value_without_a_large_map_has_none(value: Any) -> None:
    assert not has_many(msgpack.packb(value))


@pytest.mark.parametrize("count", [256, 1_000, 70_000])
@pytest.mark.parametrize(
    "before", [[], [1.5] * 1_000, "x" * 70_000, [{"a": 1}] * 100, b"\x81" * 40]
)
def test_a_large_map_is_found_wherever_it_is(count: int, before: Any) -> None:
    large = dict.fromkeys(range(count))
    assert has_many(msgpack.packb([before, [{"deep": large}], 1]))


@pytest.mark.parametrize(("count", "is_many"), [(32, False), (33, True), (70_000, True)])
def test_few_may_be_many_and_arrays_count_where_they_are_sets(count: int, is_many: bool) -> None:
    assert has_many(msgpack.packb([dict.fromkeys(range(count))]), FEW) is is_many
    assert has_many(msgpack.packb({"a": list(range(count))}), FEW, arrays=True) is is_many
    assert not has_many(msgpack.packb({"a": list(range(count))}), FEW)


@pytest.mark.parametrize(
    "value",
    [
        b"\xd9\x00",
        b"\xd9\x05abcde",
        b"\xc4\x00",
        b"\xc7\x00\x05",
        b"\xda\x00\x01x",
        b"\xdb\x00\x00\x00\x00",
    ],
)
def test_short_values_with_long_headers_take_no_step_each(value: bytes) -> None:
    flood = b"\xdd" + (200_000).to_bytes(4, "big") + value * 200_000
    assert not has_many(flood + msgpack.packb(dict.fromkeys(range(20))))
    assert has_many(flood + msgpack.packb(dict.fromkeys(range(300))))


@pytest.mark.parametrize("packed", [b"\xdf\x01", b"\xc1\xde\x01\x00", b"\xde"])
def test_what_is_malformed_may_have_one(packed: bytes) -> None:
    assert has_many(packed)
