from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sf_actors.replication.values import digest
from sf_actors.replication.values.digest import digest_after, digest_of, packed
from sf_actors.replication.values.frozen import freeze
from sf_actors.replication.values.patch import PatchRefused, merge, snapshot
from sf_actors.replication.values.persistent_map import EMPTY
from tests.replication.shapes import SHAPE, patches, wholes
from tests.replication.values.test_frozen import mappings


@settings(deadline=None)
@given(wholes, st.lists(patches, max_size=8))
@pytest.mark.slow
def test_a_digest_that_followed_equals_one_that_was_made_afresh(
    whole: dict[str, Any], updates: list[dict[str, Any]]
) -> None:
    value = snapshot(whole, SHAPE)
    followed = digest_of(value)
    for update in updates:
        old = value
        try:
            value = merge(old, update, SHAPE)
        except PatchRefused:
            continue
        followed = digest_after(followed, old, value, update)
    assert followed == digest_of(value)


@given(mappings)
@pytest.mark.slow
def test_the_order_of_keys_does_not_matter(plain: dict[Any, Any]) -> None:
    assert digest_of(freeze(plain)) == digest_of(freeze(dict(reversed(plain.items()))))


@pytest.mark.parametrize("size", [10, 10_000])
def test_a_digest_follows_at_the_cost_of_what_changes(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = snapshot({"price": 1, "book": {str(key): key for key in range(size)}}, SHAPE)
    update = {"book": {"1": 5, "2": None, "new": 1}}
    changed = merge(value, update, SHAPE)
    before, after = digest_of(value), digest_of(changed)
    hashes = 0
    hashed = digest._hash

    def counted(path: bytes, content: bytes) -> int:
        nonlocal hashes
        hashes += 1
        return hashed(path, content)

    monkeypatch.setattr(digest, "_hash", counted)
    assert digest_after(before, value, changed, update) == after
    assert hashes == 4  # one row replaced, one gone, one new


DISTINCT = [
    None,
    True,
    False,
    0,
    1,
    1.0,
    -0.0,
    0.0,
    "1",
    b"1",
    "",
    Decimal(1),
    Decimal("1.0"),
    Decimal("1.00"),
    [],
    [1],
    [[1]],
    (1,),
    {1},
    {},
    {1: 1},
    {1: None},
    [1, 2],
    [12],
    datetime(2020, 1, 1),
    datetime(2020, 1, 1, tzinfo=UTC),
    timedelta(0),
]


def test_values_of_different_type_or_form_have_different_digests() -> None:
    digests = [digest_of(freeze({"x": value})) for value in DISTINCT]
    for (one, first), (other, second) in combinations(zip(DISTINCT, digests, strict=True), 2):
        assert first != second, (one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": {"b": 1}}, {"ab": 1}),
        ({"a": {"b": 1}}, {"a": {}, "b": 1}),
        ({"a": 1, "b": 2}, {"a": 2, "b": 1}),
        ({"a": {}}, {}),
    ],
)
def test_a_value_is_told_by_where_it_stands(one: Any, other: Any) -> None:
    assert digest_of(freeze(one)) != digest_of(freeze(other))


def test_keys_that_are_equal_are_one_key() -> None:
    digests = {digest_of(freeze({key: 1})) for key in (1, 1.0, True, Decimal(1), Decimal("1.00"))}
    assert len(digests) == 1
    assert digest_of(freeze({Decimal("1.5"): 1})) != digest_of(freeze({Decimal("2.5"): 1}))


def test_a_set_and_an_equal_frozenset_have_one_digest() -> None:
    assert digest_of(freeze({"x": {1, 2}})) == digest_of(freeze({"x": frozenset({2, 1})}))


def test_one_instant_has_one_digest_in_whatever_zone() -> None:
    here = datetime(2020, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    there = datetime(2020, 1, 1, tzinfo=UTC)
    assert digest_of(freeze({"x": here})) == digest_of(freeze({"x": there}))


def test_a_digest_is_packed_into_16_bytes() -> None:
    assert len(packed(digest_of(EMPTY))) == 16
    assert len(packed(0)) == 16
