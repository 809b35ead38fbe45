"""The key of a place: equal values have one, and it is that of the packed value where it can be."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from sf_actors.connections.peer_key import peer_key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Decimal("1.50"), Decimal("1.5")),
        (Decimal(100), Decimal("1E+2")),
        (Decimal("-0.0"), Decimal(0)),
        (-0.0, 0.0),
        ({"symbol": "X", "venue": "Y"}, {"venue": "Y", "symbol": "X"}),
        ({"in": {"a": 1, "b": 2}}, {"in": {"b": 2, "a": 1}}),
        ({1: "a", 2: "b"}, {2: "b", 1: "a"}),
        ({1: {2: 3, 4: 5}}, {1: {4: 5, 2: 3}}),
        ({8, 16}, {16, 8}),
        ({"a", 1}, {1, "a"}),
        ([Decimal("1.50"), 0.0], [Decimal("1.5"), -0.0]),
        (("X", Decimal(100)), ("X", Decimal("1E+2"))),
        ({"strike": Decimal("1.50")}, {"strike": Decimal("1.5")}),
        ({Decimal("1.50"): 1}, {Decimal("1.5"): 1}),
        ({("X", Decimal("1.50"))}, {("X", Decimal("1.5"))}),
    ],
)
def test_equal_values_have_one_key(one: Any, other: Any) -> None:
    assert one == other
    assert peer_key(one) == peer_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Decimal("1.5"), Decimal("1.51")),
        (Decimal("1." + "1" * 40), Decimal("1." + "1" * 39)),
        (Decimal(1), Decimal(10)),
        ({1: 2}, {2: 1}),
        ([1, 2], [2, 1]),
        ({"a": 1}, {"a": 2}),
    ],
)
def test_others_have_another(one: Any, other: Any) -> None:
    assert peer_key(one) != peer_key(other)


@pytest.mark.parametrize("value", [1, "text", b"bytes", 1.5, None, [1, 2], {"a": 1}])
def test_services_that_hash_what_is_packed_agree(value: Any) -> None:
    assert peer_key(value) == msgspec.msgpack.encode(value)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1E+999999", "1E-999999"])
def test_any_decimal_has_a_key(text: str) -> None:
    assert peer_key(Decimal(text)) == peer_key(Decimal(text))
