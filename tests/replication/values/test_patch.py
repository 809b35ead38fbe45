from __future__ import annotations

import copy
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sf_actors.replication.values.frozen import View, freeze, thaw
from sf_actors.replication.values.patch import (
    PatchRefused,
    merge,
    merge_open,
    require_within_bounds,
    snapshot,
)
from sf_actors.replication.values.persistent_map import EMPTY
from sf_actors.schema.shape import Either, Leaf, Open, Record, Table
from tests.replication.shapes import SHAPE, patches, plain_merge, wholes

# RFC 7396, appendix A: the original, the patch, the result.
APPENDIX_A = [
    ('{"a":"b"}', '{"a":"c"}', '{"a":"c"}'),
    ('{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'),
    ('{"a":"b"}', '{"a":null}', "{}"),
    ('{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'),
    ('{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'),
    ('{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'),
    ('{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'),
    ('{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'),
    ('["a","b"]', '["c","d"]', '["c","d"]'),
    ('{"a":"b"}', '["c"]', '["c"]'),
    ('{"a":"foo"}', "null", "null"),
    ('{"a":"foo"}', '"bar"', '"bar"'),
    ('{"e":null}', '{"a":1}', '{"e":null,"a":1}'),
    ("[1,2]", '{"a":"b","c":null}', '{"a":"b"}'),
    ("{}", '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'),
]

_json = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.text("xy", max_size=1),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=10,
)
WHOLE: dict[str, Any] = {"price": 1, "book": {"a": 1}}


@pytest.mark.parametrize(("original", "patch", "result"), APPENDIX_A)
def test_the_examples_of_the_rfc_hold(original: str, patch: str, result: str) -> None:
    merged = merge_open(freeze(json.loads(original)), json.loads(patch))
    assert thaw(merged) == json.loads(result)


@pytest.mark.slow
@settings(deadline=None)
@given(_json, _json)
def test_any_patch_merges_as_the_rfc_says(target: Any, patch: Any) -> None:
    before = copy.deepcopy(patch)
    assert thaw(merge_open(freeze(target), patch)) == plain_merge(target, patch)
    assert patch == before


@settings(deadline=None)
@given(wholes, st.lists(patches, max_size=8))
@pytest.mark.slow
def test_patches_within_a_shape_merge_as_the_rfc_says_or_change_nothing(
    whole: dict[str, Any], updates: list[dict[str, Any]]
) -> None:
    value, model = snapshot(whole, SHAPE), whole
    for update in updates:
        before = value
        try:
            value = merge(value, update, SHAPE)
        except PatchRefused:
            assert View(before) == model
            assert is_incomplete(plain_merge(model, update))
        else:
            model = plain_merge(model, update)
            assert View(value) == model
            assert not is_incomplete(model)
            assert View(snapshot(model, SHAPE)) == model


def is_incomplete(model: dict[str, Any]) -> bool:
    owners = [model["owner"]] if "owner" in model else []
    desks = model.get("desks", {}).values()
    return any("name" not in owner for owner in owners) or any("head" not in desk for desk in desks)


def test_deltas_build_a_value_up_from_nothing() -> None:
    value = merge(EMPTY, {"book": {"a": 1}}, SHAPE)
    assert View(merge(value, {"price": 2}, SHAPE)) == {"book": {"a": 1}, "price": 2}


def test_deleting_what_is_absent_is_fine() -> None:
    value = snapshot(WHOLE, SHAPE)
    assert View(merge(value, {"note": None, "book": {"z": None}}, SHAPE)) == WHOLE


def test_a_table_key_can_be_deleted_and_come_again() -> None:
    value = merge(snapshot(WHOLE, SHAPE), {"book": {"a": None}}, SHAPE)
    assert View(value) == {"price": 1, "book": {}}
    assert View(merge(value, {"book": {"a": 3}}, SHAPE))["book"] == {"a": 3}


def test_a_required_field_of_a_record_cannot_be_deleted() -> None:
    value = snapshot({**WHOLE, "owner": {"name": 1}}, SHAPE)
    with pytest.raises(
        PatchRefused, match=r"field 'owner\.name': is required and cannot be deleted"
    ):
        merge(value, {"owner": {"name": None}}, SHAPE)


def test_a_deleted_record_must_come_whole_again() -> None:
    value = snapshot({**WHOLE, "owner": {"name": 1, "age": 2}}, SHAPE)
    assert View(merge(value, {"owner": {"age": None}}, SHAPE))["owner"] == {"name": 1}
    value = merge(value, {"owner": None}, SHAPE)
    with pytest.raises(PatchRefused, match=r"field 'owner\.name': is required, and the record"):
        merge(value, {"owner": {"age": 3}}, SHAPE)


def test_a_view_of_another_state_merges_like_the_dict_it_stands_for() -> None:
    patch = View(freeze({"book": {"b": 2}}))
    assert View(merge(snapshot(WHOLE, SHAPE), patch, SHAPE))["book"] == {"a": 1, "b": 2}


def test_null_in_a_whole_value_stays_where_null_may_stand() -> None:
    assert View(snapshot({**WHOLE, "extra": {"a": None}}, SHAPE))["extra"] == {"a": None}


@pytest.mark.parametrize(
    ("patch", "text"),
    [
        ({"price": None}, "field 'price': is required and cannot be deleted"),
        ({"desks": {"y": {"head": None}}}, "field 'desks.y.head': is required and cannot be"),
        ({"owner": {"age": 1}}, "field 'owner.name': is required, and the record is not there yet"),
        ({"desks": {"x": {"size": 1}}}, "field 'desks.x.head': is required, and the record is not"),
        ({"prize": 1}, "field 'prize': is unknown; did you mean 'price'?"),
        ({"desks": {"x": {"haed": 1}}}, "field 'desks.x.haed': is unknown; did you mean 'head'?"),
        ({"book": 3}, "field 'book': expected a mapping, got int 3"),
        ({"owner": [1]}, "field 'owner': expected a mapping, got list [1]"),
    ],
)
def test_a_patch_that_does_not_fit_is_refused_by_its_path(patch: Any, text: str) -> None:
    value = snapshot(WHOLE, SHAPE)
    before = thaw(value)
    with pytest.raises(PatchRefused) as refusal:
        merge(value, patch, SHAPE)
    assert str(refusal.value).startswith(text)
    assert thaw(value) == before


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"price": 1}, "field 'book': is required"),
        ({**WHOLE, "owner": {"age": 1}}, "field 'owner.name': is required"),
        ({**WHOLE, "desks": {"x": {}}}, "field 'desks.x.head': is required"),
        ({**WHOLE, "bok": {}}, "field 'bok': is unknown; did you mean 'book'?"),
        ({**WHOLE, "desks": {"x": 1}}, "field 'desks.x': expected a mapping, got int 1"),
    ],
)
def test_a_whole_value_that_does_not_fit_is_refused_by_its_path(value: Any, text: str) -> None:
    with pytest.raises(PatchRefused) as refusal:
        snapshot(value, SHAPE)
    assert str(refusal.value).startswith(text)


def test_a_partial_whole_value_may_lack_fields_but_no_record_may() -> None:
    assert View(snapshot({"note": 1}, SHAPE, partial=True)) == {"note": 1}
    with pytest.raises(PatchRefused):
        snapshot({"owner": {}}, SHAPE, partial=True)


def test_a_merge_leaves_what_it_does_not_touch_the_same_object() -> None:
    shape = Record(required={"one": Table(Leaf()), "two": Table(Leaf())}, optional={"x": Open()})
    value = snapshot({"one": {1: 1}, "two": {2: 2}}, shape)
    assert merge(value, {"one": {1: 2}}, shape)["two"] is value["two"]


PAIR = (msgspec.Meta(min_length=1, max_length=2),)
BOUNDED = Record(
    required={"table": Table(Leaf(), PAIR), "open": Open(PAIR)},
    optional={"rows": Table(Record(required={"marks": Table(Leaf(), PAIR)}, optional={}))},
)
PAIRS = {"table": {"a": 1, "b": 2}, "open": {"a": 1}, "rows": {"x": {"marks": {"a": 1}}}}


@pytest.mark.parametrize(
    ("patch", "path"),
    [
        ({"table": {"c": 3}}, "table"),
        ({"table": {"a": None, "b": None}}, "table"),
        ({"open": {"b": 1, "c": 1}}, "open"),
        ({"open": {"a": None}}, "open"),
        ({"rows": {"x": {"marks": {"a": None}}}}, "rows.x.marks"),
        ({"rows": {"y": {"marks": {}}}}, "rows.y.marks"),
    ],
)
def test_a_patch_that_leaves_a_mapping_out_of_its_bounds_is_refused(patch: Any, path: str) -> None:
    with pytest.raises(PatchRefused, match=f"'{path}': expected a mapping of min_length=1, max_"):
        merge(snapshot(PAIRS, BOUNDED), patch, BOUNDED)
    with pytest.raises(PatchRefused, match=f"'{path}': expected a mapping"):
        require_within_bounds(freeze(plain_merge(PAIRS, patch)), BOUNDED)


def test_a_patch_may_take_a_mapping_from_bound_to_bound() -> None:
    patch = {"table": {"a": None}, "open": {"b": 1}, "rows": {"x": None}}
    merged = merge(snapshot(PAIRS, BOUNDED), patch, BOUNDED)
    assert View(merged) == {"table": {"b": 2}, "open": {"a": 1, "b": 1}, "rows": {}}
    require_within_bounds(merged, BOUNDED)


LOT = Record(required={"size": Leaf()}, optional={"marks": Table(Leaf())})
UNION = Record(required={"lots": Table(Either(LOT))}, optional={"lot": Either(LOT)})


def test_a_record_in_a_union_merges_as_a_record_does() -> None:
    value = snapshot({"lots": {"a": {"size": 1, "marks": {"x": 1}}, "b": 7}}, UNION)
    patch = {"lots": {"a": {"marks": {"x": None, "y": 2}}, "b": {"size": 2}}, "lot": 3}
    merged = merge(value, patch, UNION)
    lots = {"a": {"size": 1, "marks": {"y": 2}}, "b": {"size": 2}}
    assert View(merged) == {"lots": lots, "lot": 3}
    assert View(merge(merged, {"lots": {"a": 5}, "lot": None}, UNION)) == {"lots": {**lots, "a": 5}}


@pytest.mark.parametrize(
    ("patch", "path"),
    [
        ({"lots": {"new": {"marks": {}}}}, "lots.new.size"),
        ({"lots": {"b": {"marks": {}}}}, "lots.b.size"),
        ({"lot": {}}, "lot.size"),
    ],
)
def test_a_record_that_takes_the_place_of_another_member_must_come_whole(
    patch: Any, path: str
) -> None:
    with pytest.raises(PatchRefused, match=f"'{path}': is required, and the record is not there"):
        merge(snapshot({"lots": {"b": 7}}, UNION), patch, UNION)
