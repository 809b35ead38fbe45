"""What an update may not hold: None that would be lost, and keys that nothing could delete."""

from __future__ import annotations

from decimal import Decimal
from math import nan
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sf_actors.errors import InvalidArguments
from sf_actors.replication.publisher_log import PublisherLog
from sf_actors.replication.values.fields import LARGE, OutgoingUpdate
from sf_actors.replication.values.frozen import View, freeze
from sf_actors.replication.values.patch import PatchRefused, merge, snapshot
from sf_actors.replication.values.persistent_map import EMPTY
from tests.replication.values.test_fields import fields, model_of, on_wire
from tests.support.effort import effort

DOCUMENT: dict[str, Any] = {"document": dict, "parts": {str: object}, "list": list}
EMPTY_DOCUMENT: dict[str, Any] = {"document": {}, "parts": {}, "list": []}

_scalars = st.none() | st.booleans() | st.integers(0, 3) | st.text("xy", max_size=1)
_json = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=8,
)
_objects = st.dictionaries(st.sampled_from("abc"), _json, max_size=3)
_optional = {"document": _objects, "parts": _objects, "list": st.lists(_json, max_size=2)}
_patches = st.fixed_dictionaries({}, optional=_optional)
_wholes = st.fixed_dictionaries(_optional).map(lambda whole: {**whole, "is_snapshot": True})


def intended(target: Any, patch: Any) -> Any:
    """Merge as its sender means it: None in what is new is a value, elsewhere it deletes."""
    if not isinstance(patch, dict):
        return patch
    if not isinstance(target, dict):
        return {key: intended(None, item) for key, item in patch.items()}
    merged = dict(target)
    for key, item in patch.items():
        if item is None:
            merged.pop(key, None)
        else:
            merged[key] = intended(merged.get(key), item)
    return merged


@settings(deadline=None, max_examples=effort(300, brief=80))
@given(st.lists(_patches | _wholes, max_size=8))
@example([{"document": {"a": {"b": None}}}])
@example([{"document": {"a": {"b": None}}, "parts": {}, "list": [], "is_snapshot": True}])
@example([{"document": {"a": [{"b": None}]}}, {"document": {"a": None}}])
@pytest.mark.slow
def test_both_sides_have_what_the_sender_means_or_he_is_told(updates: list[dict[str, Any]]) -> None:
    typed, shape = fields(DOCUMENT), model_of(DOCUMENT).arguments.shape
    log, there, model = PublisherLog(shape, epoch=5, digest=True), EMPTY, {}
    for update in ({**EMPTY_DOCUMENT, "is_snapshot": True}, *updates):
        try:
            sent = typed.checked(update)
            log.publish(sent.typed, is_snapshot=sent.is_snapshot)
        except (InvalidArguments, PatchRefused):
            assert has_none(update)
            continue
        given_ = {key: item for key, item in update.items() if key != "is_snapshot"}
        model = intended(None if sent.is_snapshot else model, given_)
        there = received(there, typed, sent, shape)
        assert View(log.value) == View(there) == model


def received(there: Any, typed: Any, sent: OutgoingUpdate, shape: Any) -> Any:
    decoded = typed.decoded(msgspec.Raw(on_wire(sent)), is_snapshot=sent.is_snapshot)
    return snapshot(decoded, shape) if sent.is_snapshot else merge(there, decoded, shape)


def has_none(item: Any) -> bool:
    """Return whether a dict holds None, lists apart."""
    return item is None or (isinstance(item, dict) and any(map(has_none, item.values())))


WITH_NONE: dict[str, Any] = {"a": {"b": 1, "c": None}}


@pytest.mark.parametrize(
    ("update", "path"),
    [
        ({"document": {"x": None}}, "document.x"),
        ({"document": WITH_NONE}, "document.a.c"),
        ({"parts": {"p": None}}, "parts.p"),
        ({"parts": {"p": WITH_NONE}}, "parts.p.a.c"),
        ({"document": {"many": {str(n): 0 for n in range(LARGE)} | {"x": None}}}, "many.x"),
    ],
)
def test_none_in_an_undeclared_place_of_a_whole_value_is_refused_by_name(
    update: dict[str, Any], path: str
) -> None:
    with pytest.raises(InvalidArguments, match=path.replace(".", r"\.")):
        fields(DOCUMENT).checked({**EMPTY_DOCUMENT, **update, "is_snapshot": True})


def test_a_read_only_mapping_is_looked_into_as_well() -> None:
    update = {**EMPTY_DOCUMENT, "document": View(freeze({"x": None})), "is_snapshot": True}
    with pytest.raises(InvalidArguments, match="None"):
        fields(DOCUMENT).checked(update)


def test_none_within_a_list_is_a_value() -> None:
    update = {**EMPTY_DOCUMENT, "list": [None, {"a": None}], "document": {"l": [None]}}
    assert fields(DOCUMENT).checked({**update, "is_snapshot": True}).typed == update
    assert fields(DOCUMENT).checked(update).typed == update


def published(*updates: dict[str, Any]) -> PublisherLog:
    log = PublisherLog(model_of(DOCUMENT).arguments.shape, epoch=5)
    for update in updates:
        log.publish(update, is_snapshot=False)
    return log


@pytest.mark.parametrize(
    ("before", "patch", "path"),
    [
        ({}, {"document": {"a": None}}, "document.a"),
        ({"document": {}}, {"document": {"a": {"b": {"c": None}}}}, "document.a.b.c"),
        ({"document": {"a": 1}}, {"document": {"a": {"b": None}}}, "document.a.b"),
        ({"parts": {}}, {"parts": {"a": {"b": None}}}, "parts.a.b"),
    ],
)
def test_none_below_a_mapping_that_is_not_there_yet_is_refused_by_name(
    before: dict[str, Any], patch: dict[str, Any], path: str
) -> None:
    log = published(before)
    value = log.value
    with pytest.raises(PatchRefused, match=path.replace(".", r"\.")):
        log.publish(patch, is_snapshot=False)
    assert (log.value, log.number) == (value, 0)
    # what a publisher that knows no better sends is merged as RFC 7396 says
    merge(value, patch, model_of(DOCUMENT).arguments.shape)


def test_none_deletes_what_is_absent_from_a_mapping_that_is_there() -> None:
    log = published({"document": {"a": {}}}, {"document": {"a": {"b": None}, "c": None}})
    assert View(log.value) == {"document": {"a": {}}}


@pytest.mark.parametrize("key", [nan, -nan, Decimal("NaN"), Decimal("-NaN123")])
@pytest.mark.parametrize("is_snapshot", [False, True])
@pytest.mark.parametrize("many", [0, 2 * LARGE])
def test_nan_is_no_key(key: Any, is_snapshot: bool, many: int) -> None:
    kind = type(key)
    table = {kind(n): 1 for n in range(many)} | {key: 1}
    flat = fields({"table": {kind: int}})
    update = {"table": table, **({"is_snapshot": True} if is_snapshot else {})}
    with pytest.raises((InvalidArguments, PatchRefused), match="NaN"):
        assert flat.flat_patch(update) or flat.checked(update)


@pytest.mark.parametrize(
    ("declared", "table"),
    [
        (dict, {nan: 1}),
        (dict, {"a": {nan: 1}}),
        ({(str, float): int}, {("a", nan): 1}),
        ({frozenset[float]: int}, {frozenset({nan}): 1}),
        ({(str, frozenset[Decimal]): int}, {("a", frozenset({Decimal("NaN")})): 1}),
        ({str: {float: int}}, {"a": {nan: 1}}),
        ({str: {"levels": {float: int}}}, {"a": {"levels": {nan: 1}}}),
    ],
)
@pytest.mark.parametrize("is_snapshot", [{}, {"is_snapshot": True}])
def test_nan_is_no_key_wherever_it_stands(declared: Any, table: Any, is_snapshot: Any) -> None:
    with pytest.raises(InvalidArguments, match="NaN"):
        fields({"table": declared}).checked({"table": table, **is_snapshot})


def test_nan_is_a_value() -> None:
    for declared in ({str: float}, dict):
        typed = fields({"table": declared}).checked({"table": {"a": nan}}).typed
        assert typed["table"]["a"] != typed["table"]["a"]
