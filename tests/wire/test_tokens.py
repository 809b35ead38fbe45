from __future__ import annotations

from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sf_actors.wire.tokens import FEW, has_many

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


@given(values)
@pytest.mark.slow
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


@pytest.mark.slow
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
