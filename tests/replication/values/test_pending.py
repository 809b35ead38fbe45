"""A value whose changes are merged later is the one that they would make at once."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sf_actors.replication.values import pending as held
from sf_actors.replication.values.frozen import View
from sf_actors.replication.values.patch import PatchRefused, merge
from sf_actors.replication.values.pending import FEW, KEPT, PendingPatches
from sf_actors.replication.values.persistent_map import EMPTY
from sf_actors.schema.shape import Leaf, Record, Table

BOOK = Record(required={"bids": Table(Leaf()), "asks": Table(Leaf())}, optional={"note": Leaf()})

keys = st.integers(0, 5)
tables = st.dictionaries(keys, st.none() | st.integers(0, 9), max_size=3)
changes = st.dictionaries(st.sampled_from(["bids", "asks"]), tables, min_size=1, max_size=1)


@pytest.mark.slow
@given(st.lists(st.tuples(changes, st.booleans()), max_size=60), st.integers(1, 6))
def test_the_value_is_the_fold_of_all_changes_whenever_it_is_looked_at(
    updates: list[tuple[dict[str, Any], bool]], kept: int
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(held, "KEPT", kept)
        book, folded = PendingPatches(BOOK), EMPTY
        for patch, is_looked_at in updates:
            folded = merge(folded, patch, BOOK)
            if not book.keep(patch):
                assert book.merge(patch) == folded
            assert not is_looked_at or book.value == folded
    assert book.value == folded


def test_a_value_that_was_taken_does_not_change_with_later_changes() -> None:
    book = PendingPatches(BOOK)
    book.keep({"bids": {1: 1}})
    taken = book.value
    book.keep({"bids": {1: 2}})
    assert View(taken) == {"bids": {1: 1}}
    assert View(book.value) == {"bids": {1: 2}}


def test_no_patch_is_changed_by_later_ones() -> None:
    book, first = PendingPatches(BOOK), {"bids": {1: 1}}
    book.keep(first)
    book.keep({"bids": {2: 2}})
    assert View(book.value) == {"bids": {1: 1, 2: 2}}
    assert first == {"bids": {1: 1}}


@pytest.mark.parametrize(
    "patch",
    [
        {},
        {"note": "a"},
        {"bids": {1: 1}, "asks": {1: 1}},
        {"bids": None},
        {"bids": {}},
        {"other": {1: 1}},
        {"bids": dict.fromkeys(range(FEW + 1), 1)},
    ],
)
def test_what_might_be_refused_or_is_large_is_not_kept(patch: dict[str, Any]) -> None:
    book = PendingPatches(BOOK)
    assert not book.keep(patch)
    assert book.value is EMPTY


def test_a_patch_that_is_refused_changes_nothing() -> None:
    book = PendingPatches(BOOK)
    book.keep({"bids": {1: 1}})
    with pytest.raises(PatchRefused):
        book.merge({"bids": None})
    assert View(book.value) == {"bids": {1: 1}}


def test_another_value_has_nothing_of_the_changes_before_it() -> None:
    book = PendingPatches(BOOK)
    book.keep({"bids": {1: 1}})
    book.replace(EMPTY)
    assert book.value is EMPTY


@pytest.mark.parametrize("side", ["bids", "asks"])
def test_an_item_that_comes_back_has_the_spelling_that_it_came_back_with(side: str) -> None:
    book = PendingPatches(BOOK)
    for key, item in (("1.0", 1), ("1.0", None), ("1.00", 2), ("1.000", 3)):
        book.keep({side: {Decimal(key): item}})
    [(key, item)] = book.value[side].items()
    assert (str(key), item) == ("1.00", 3)


@pytest.mark.slow
def test_what_is_kept_is_bounded() -> None:
    book = PendingPatches(BOOK)
    for n in range(10 * KEPT):
        book.keep({"bids": {str(n): n}})
        assert sum(map(len, book._changes.values())) < KEPT
    assert len(book.value["bids"]) == 10 * KEPT
