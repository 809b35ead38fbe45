"""The persistent map, against a plain dict."""

from __future__ import annotations

import gc
import sys
from decimal import Decimal
from sys import hash_info
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sf_actors.replication.values.persistent_map import (
    EMPTY,
    LARGEST_CROWD,
    WIDTH,
    Map,
    map_of,
)
from sf_actors.schema.collisions import ChosenKeys


class Clashing:
    """A key whose hash the test chooses."""

    def __init__(self, name: int, bits: int) -> None:
        self.name, self.bits = name, bits

    def __hash__(self) -> int:
        return self.bits

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Clashing) and other.name == self.name

    def __repr__(self) -> str:
        return f"Clashing({self.name}, {self.bits:#x})"


def nodes_of(node: Any) -> int:
    """Return how many nodes a tree has, the leaves among them."""
    return 1 + sum(map(nodes_of, node)) if type(node) is list else int(bool(node))


def test_a_map_that_has_shrunk_has_no_more_nodes_than_it_needs() -> None:
    large = map_of(dict.fromkeys(range(20_000), 0))
    for key in range(1, 20_000):
        large = large.without(key)
    assert dict(large.items()) == {0: 0}
    assert nodes_of(large.root) < 10


@pytest.mark.slow
def test_keys_of_one_hash_are_refused_when_they_are_a_crowd() -> None:
    # each of its keys is compared with all before it, which takes numbers the least
    plain = {hash_info.modulus * n: n for n in range(1, LARGEST_CROWD + 1)}
    crowd = map_of(plain)
    assert crowd.crowd == LARGEST_CROWD
    with pytest.raises(ChosenKeys, match=f"at most {LARGEST_CROWD} keys"):
        crowd.set(0, 0)
    assert len(crowd.set(1, 1)) == LARGEST_CROWD + 1
    with pytest.raises(ChosenKeys):
        EMPTY.set(1, 1).updated({**plain, 0: 0})


def clashing(name: int) -> Clashing:
    """Return a key of one of few hashes, which are equal, or differ in their highest bits alone."""
    return Clashing(name, (0, 0, 1 << 58, 1 << 4, -1, 1 << 35)[name % 6])


many = st.dictionaries(st.integers(0, 400), st.integers(), max_size=400)
keys = [
    lambda n: n,
    lambda n: n << 40,
    lambda n: f"key{n}",
    lambda n: Decimal(n) / 100,
    clashing,
]


def checked(frozen: Map[Any, Any], plain: dict[Any, Any]) -> None:
    assert len(frozen) == len(plain)
    assert dict(frozen.items()) == plain
    assert sorted(map(repr, frozen)) == sorted(map(repr, plain))
    for key, value in plain.items():
        assert key in frozen
        assert frozen[key] == frozen.get(key) == value
    assert all(leaf for leaf in frozen.leaves())
    assert frozen == map_of(dict(plain))


@pytest.mark.parametrize("key_of", keys)
@given(start=many, steps=st.lists(st.tuples(many, st.lists(st.integers(0, 400))), max_size=4))
@pytest.mark.slow
def test_it_holds_what_a_dict_would_hold_and_the_maps_before_stay_as_they_were(
    key_of: Any, start: dict[int, int], steps: list[tuple[dict[int, int], list[int]]]
) -> None:
    plain = {key_of(n): value for n, value in start.items()}
    history = [(map_of(dict(plain)), dict(plain))]
    for changes, gone in steps:
        change = {key_of(n): value for n, value in changes.items()}
        plain = {**plain, **change}
        for n in gone:
            plain.pop(key_of(n), None)
        frozen = history[-1][0].updated(change, [key_of(n) for n in gone])
        history.append((frozen, plain))
    for frozen, expected in history:
        checked(frozen, expected)


@pytest.mark.parametrize("key_of", keys)
def test_it_grows_and_shrinks_one_by_one(key_of: Any) -> None:
    frozen, plain = EMPTY, {}
    for n in range(5 * WIDTH):
        frozen = frozen.set(key_of(n), n)
        plain[key_of(n)] = n
    checked(frozen, plain)
    for n in range(5 * WIDTH):
        frozen = frozen.without(key_of(n))
        del plain[key_of(n)]
        assert len(frozen) == len(plain)
        if n % WIDTH == 0:
            checked(frozen, plain)
    assert frozen == EMPTY
    assert list(frozen.leaves()) == []


def test_to_remove_what_is_not_there_is_the_same_map() -> None:
    for size in (0, 3, 1000):
        frozen = map_of({n: n for n in range(size)})
        assert frozen.without("absent") is frozen
        assert frozen.updated({}, ["absent"]) == frozen


def test_a_value_that_is_set_again_is_the_new_one() -> None:
    for size in (3, 1000):
        frozen = map_of({n: n for n in range(size)})
        assert frozen.set(2, "new")[2] == "new"
        assert len(frozen.set(2, "new")) == size
        assert frozen[2] == 2


def test_what_is_not_there_is_a_key_error() -> None:
    for size in (0, 3, 1000):
        frozen = map_of({n: n for n in range(size)})
        assert "absent" not in frozen
        assert frozen.get("absent") is None
        assert frozen.get("absent", 5) == 5
        with pytest.raises(KeyError):
            frozen["absent"]


def test_one_change_shares_all_the_rest() -> None:
    frozen = map_of({n: n for n in range(100_000)})
    changed = frozen.set(7, "seven")
    before, after = list(frozen.leaves()), list(changed.leaves())
    assert len(before) == len(after)
    assert sum(old is not new for old, new in zip(before, after, strict=True)) == 1


@given(many, many, st.sampled_from([lambda n: n, lambda n: n << 40, clashing]))
@pytest.mark.slow
def test_changes_made_at_once_are_like_one_by_one_and_leave_the_map_before_as_it_was(
    before: dict[int, int], changes: dict[int, int], key: Any
) -> None:
    held = {key(n): value for n, value in before.items()}
    frozen = map_of(dict(held))
    one_by_one = frozen
    for n, value in changes.items():
        one_by_one = one_by_one.set(key(n), value)
    at_once = frozen.updated({key(n): value for n, value in changes.items()})
    assert at_once == one_by_one
    assert dict(at_once.items()) == dict(one_by_one.items())
    assert len(at_once) == len(dict(at_once.items()))
    assert dict(frozen.items()) == held


def test_many_changes_are_like_one_by_one() -> None:
    frozen = map_of({n: n for n in range(10_000)})
    changes = {n: -n for n in range(0, 20_000, 7)}
    one_by_one = frozen
    for key, value in changes.items():
        one_by_one = one_by_one.set(key, value)
    assert frozen.updated(dict(changes)) == one_by_one
    few = dict(list(changes.items())[:8])
    assert frozen.updated(few)[7] == -7


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="each dict is tracked")
@pytest.mark.slow
def test_the_collector_has_a_thousand_lists_to_look_at_and_no_items() -> None:
    def tracked() -> int:
        gc.collect()
        return len(gc.get_objects())

    before = tracked()
    frozen = map_of({f"key{n}": n / 2 for n in range(200_000)})
    for n in range(0, 200_000, 100):
        frozen = frozen.set(f"key{n}", 0.0)
    records = map_of({n: map_of({"price": n, "size": 1.5}) for n in range(10_000)})
    assert len(frozen) + len(records) == 210_000
    assert tracked() - before < 1 + 32 + 32 * 32 + 200


def test_equal_maps_are_equal_whatever_their_history() -> None:
    small, large = {n: n for n in range(10)}, {n: n for n in range(1000)}
    grown = EMPTY
    for n in range(999, -1, -1):
        grown = grown.set(n, n)
    assert grown == map_of(large)
    for n in range(10, 1000):
        grown = grown.without(n)
    assert grown == map_of(small)
    assert grown != map_of({**small, 3: 4})
    assert grown != map_of({**small, 10: 10})
    assert grown != small
