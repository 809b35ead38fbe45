from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sf_actors.replication.values.frozen import FrozenList, View, freeze, same, thaw, viewed
from sf_actors.replication.values.persistent_map import Map

_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=4)
    | st.binary(max_size=4)
    | st.decimals(allow_nan=False)
)
_keys = st.text(max_size=2) | st.integers(0, 9)
values = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.sets(st.integers(), max_size=3)
        | st.dictionaries(_keys, inner, max_size=3)
    ),
    max_leaves=12,
)
mappings = st.dictionaries(_keys, values, max_size=4)

PLAIN: dict[str, Any] = {"a": {"b": [1, {"c": 2}]}, "s": {1, 2}, "t": (1, [2]), "n": None}


def view(plain: dict[Any, Any]) -> View:
    return View(freeze(plain))


@pytest.mark.slow
@given(values)
def test_a_value_comes_back_equal_and_of_the_same_types(value: Any) -> None:
    assert repr_sorted(thaw(freeze(value))) == repr_sorted(value)


def repr_sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return sorted((repr(key), repr_sorted(item)) for key, item in value.items())
    if isinstance(value, list | tuple):
        return type(value), [repr_sorted(item) for item in value]
    return sorted(map(repr, value)) if isinstance(value, set) else repr(value)


@given(mappings)
@pytest.mark.slow
def test_a_view_equals_the_dict_it_stands_for_in_both_directions(plain: dict[Any, Any]) -> None:
    assert view(plain) == plain
    assert plain == view(plain)
    assert view(plain) == view(copy.deepcopy(plain))
    assert {"in": [view(plain)]} == {"in": [plain]}
    assert view({"in": plain}) == {"in": view(plain)}


@given(mappings, mappings)
@pytest.mark.slow
def test_views_differ_where_the_dicts_differ(one: dict[Any, Any], other: dict[Any, Any]) -> None:
    assert (view(one) == other) is (one == other)
    assert (other == view(one)) is (one == other)
    assert (view(one) == view(other)) is (one == other)


def test_a_list_is_no_tuple_and_no_set_within_a_view() -> None:
    assert view({"x": [1]}) != {"x": (1,)}
    assert view({"x": (1,)}) != {"x": [1]}
    assert view({"x": [1]}) != view({"x": (1,)})
    assert view({"x": {1}}) != {"x": [1]}
    assert view({"x": {1: 2}}) != {"x": [1]}
    assert view({}) != []


def test_a_view_reads_like_a_dict() -> None:
    seen = view(PLAIN)
    assert len(seen) == 4
    assert set(seen) == set(seen.keys()) == {"a", "s", "t", "n"}
    assert "a" in seen
    assert "z" not in seen
    assert seen["a"]["b"][1]["c"] == 2
    assert seen.get("a") == PLAIN["a"]
    assert seen.get("z") is None
    assert seen.get("z", 3) == 3
    assert seen.get("n", 3) is None
    assert dict(seen.items()) == PLAIN
    assert sorted(map(repr, seen.values())) == sorted(map(repr, PLAIN.values()))
    assert {**seen} == PLAIN
    with pytest.raises(KeyError):
        seen["z"]


def test_a_mapping_inside_is_a_view_and_lists_and_sets_are_plain() -> None:
    seen = view(PLAIN)
    assert type(seen["a"]) is View
    assert type(seen["a"]["b"]) is list
    assert type(seen["a"]["b"][1]) is dict
    assert type(seen["s"]) is set
    assert type(seen["t"]) is tuple
    assert type(seen["t"][1]) is list


def test_a_frozenset_stays_one_at_every_depth() -> None:
    plain = {"f": frozenset({1}), "in": [(frozenset({2}), {3})], "s": {4}}
    for seen in (view(plain), view({"x": plain})["x"], thaw(freeze(plain))):
        assert type(seen["f"]) is frozenset
        assert [type(inner) for inner in seen["in"][0]] == [frozenset, set]
        assert type(seen["s"]) is set
        assert seen == plain


def test_nothing_done_to_what_a_view_gives_changes_it() -> None:
    seen = view(PLAIN)
    seen["a"]["b"].append(3)
    seen["a"]["b"][1]["c"] = 9
    seen["s"].add(3)
    seen["t"][1].append(3)
    next(iter(seen.values()))
    seen.__plain__()["a"]["b"].clear()
    assert seen == PLAIN


def test_a_view_cannot_be_assigned_to() -> None:
    seen: Any = view(PLAIN)
    with pytest.raises(TypeError):
        seen["a"] = 1
    with pytest.raises(TypeError):
        del seen["a"]
    with pytest.raises(AttributeError):
        seen.other = 1


def test_a_view_has_no_hash() -> None:
    with pytest.raises(TypeError):
        hash(view(PLAIN))


def test_a_view_looks_like_its_dict() -> None:
    assert repr(view({"a": [1], "b": {2}})) in ("{'a': [1], 'b': {2}}", "{'b': {2}, 'a': [1]}")


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda seen: pickle.loads(pickle.dumps(seen)), View.__plain__],
)
def test_a_copy_of_a_view_is_a_plain_dict_at_every_depth(copied: Any) -> None:
    plain = copied(view(PLAIN))
    assert plain == PLAIN
    assert type(plain) is dict
    assert type(plain["a"]) is dict
    assert type(plain["a"]["b"]) is list


def test_changing_what_was_frozen_does_not_change_the_frozen_value() -> None:
    plain = copy.deepcopy(PLAIN)
    frozen = freeze(plain)
    plain["a"]["b"][1]["c"] = 9
    plain["s"].add(3)
    assert same(frozen, PLAIN)


def test_a_view_is_frozen_at_no_cost() -> None:
    frozen = freeze(PLAIN)
    assert freeze(View(frozen)) is frozen
    assert freeze({"in": View(frozen)})["in"] is frozen


def test_a_view_of_ten_thousand_keys_copies_none_of_them() -> None:
    frozen = freeze({"table": {key: key for key in range(10_000)}})
    assert viewed(frozen)._map is frozen
    assert viewed(frozen)["table"]._map is frozen["table"]


def test_subclasses_of_containers_are_frozen_like_them() -> None:
    class Strange(dict[str, Any]):
        pass

    class Odd(list[Any]):
        pass

    frozen = freeze({"x": Strange(y=Odd([1]))})
    assert type(frozen["x"]) is Map
    assert type(frozen["x"]["y"]) is FrozenList


def test_a_frozen_list_equals_only_its_like() -> None:
    assert FrozenList([1]) == FrozenList([1])
    assert FrozenList([1]) != (1,)
    plain_tuple = (1,)
    assert plain_tuple != FrozenList([1])
    assert len({FrozenList([1]), FrozenList([1])}) == 1


def test_scalars_are_what_they_were() -> None:
    for scalar in (None, 1.5, "x", b"x", Decimal("1.00"), datetime(2020, 1, 1, tzinfo=UTC)):
        assert freeze(scalar) is scalar
        assert thaw(scalar) is scalar
