"""The fields of a delta state, between users and the wire."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, TypedDict

import msgpack
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sf_actors import InvalidArguments
from sf_actors.definition.models import Model, build_models
from sf_actors.errors import InvalidMessage
from sf_actors.replication.values import pieces
from sf_actors.replication.values.digest import digest_of
from sf_actors.replication.values.fields import OutgoingUpdate, StateFields
from sf_actors.replication.values.frozen import View, freeze
from sf_actors.replication.values.patch import merge, snapshot
from sf_actors.replication.values.persistent_map import EMPTY
from sf_actors.replication.values.pieces import LARGE, RUN
from sf_actors.wire.envelope import encode
from sf_actors.wire.messages import Cut
from tests.replication.shapes import plain_merge


def model_of(declared: dict[str, Any], *, numbered: bool = False) -> Model:
    model: dict[str, Any] = {"state_type": "delta_update", "required_arguments": declared}
    if numbered:
        model["required_state_arguments"] = {"current_num": int, "is_snapshot": bool}
    (built,) = build_models("states", {"out": {"book": model}}, names={}, where="svc.py")
    return built


def fields(declared: dict[str, Any], *, numbered: bool = False) -> StateFields:
    model = model_of(declared, numbered=numbered)
    return StateFields(
        model.arguments,
        where=model.where,
        is_single=model.single_state,
        is_numbered_by_caller=model.numbered_by_caller,
    )


class Named(TypedDict):
    rows: dict[int, int]
    name: str


def raw(content: object) -> msgspec.Raw:
    return msgspec.Raw(msgpack.packb(content))


def packed(of: StateFields, value: Any) -> bytes:
    packing = of.packing(freeze(value))
    packing.finish()
    return packing.raw


def on_wire(update: OutgoingUpdate) -> bytes:
    """What stands under `state` of the message."""
    content = update.content
    return content if isinstance(content, bytes) else encode(content)


BOOK = {"title": str, "bids": {Decimal: Decimal}}


def test_what_is_kept_is_what_a_replica_decodes_and_shares_nothing_with_the_sender() -> None:
    book = fields(BOOK)
    sent = {"bids": {Decimal("1.0"): Decimal("2.00")}}
    update = book.checked(sent)
    assert (update.is_snapshot, update.number) == (False, None)
    assert update.typed == sent
    assert update.typed["bids"] is not sent["bids"]
    assert book.decoded(msgspec.Raw(on_wire(update)), is_snapshot=False) == sent
    assert msgpack.unpackb(on_wire(update)) == {"bids": {"1.0": "2.00"}}


TYPED = {
    "levels": {Decimal: Decimal},
    "days": {date: [int]},
    "legs": {int: {"price": Decimal, "tags": {str}}},
}
_numbers = st.decimals(min_value=-9, max_value=9, places=1)
_leg = st.fixed_dictionaries({"price": _numbers, "tags": st.sets(st.sampled_from("xy"))})


def _tables(is_patch: bool) -> dict[str, st.SearchStrategy[Any]]:
    absent: list[Any] = [st.none()] if is_patch else []
    days = st.dates(date(2020, 1, 1), date(2020, 1, 5))
    return {
        "levels": st.dictionaries(_numbers, st.one_of(*absent, _numbers), max_size=4),
        "days": st.dictionaries(days, st.one_of(*absent, st.lists(st.integers(0, 3), max_size=2))),
        "legs": st.dictionaries(st.integers(0, 4), st.one_of(*absent, _leg), max_size=3),
    }


@settings(deadline=None)
@given(
    st.fixed_dictionaries(_tables(is_patch=False)),
    st.lists(st.fixed_dictionaries({}, optional=_tables(is_patch=True)), max_size=6),
)
@pytest.mark.slow
def test_typed_patches_merge_on_both_sides_as_plain_dicts_do(
    whole: dict[str, Any], patches: list[dict[str, Any]]
) -> None:
    typed, shape = fields(TYPED), model_of(TYPED).arguments.shape
    model: Any = whole
    here = snapshot(typed.checked({**whole, "is_snapshot": True}).typed, shape)
    there = snapshot(typed.decoded_value(msgspec.Raw(packed(typed, here))), shape)
    for patch in patches:
        model = plain_merge(model, patch)
        update = typed.checked(patch)
        here = merge(here, update.typed, shape)
        there = merge(there, typed.decoded(msgspec.Raw(on_wire(update)), is_snapshot=False), shape)
        assert View(here) == View(there) == model
        assert digest_of(here) == digest_of(there)


def test_the_numbering_is_taken_out_of_the_fields() -> None:
    update = fields(BOOK, numbered=True).checked(
        {"current_num": 7, "is_snapshot": True, "title": "x", "bids": {}}
    )
    assert (update.number, update.is_snapshot, update.typed) == (
        7,
        True,
        {"title": "x", "bids": {}},
    )


def test_the_dict_of_the_caller_is_not_changed() -> None:
    sent = {"is_snapshot": True, "title": "x", "bids": {}}
    fields(BOOK).checked(sent)
    assert sent == {"is_snapshot": True, "title": "x", "bids": {}}


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ({"title": "x"}, "'is_snapshot': expected bool, got nothing"),
        ({"is_snapshot": False}, "'current_num': expected int, got nothing"),
        ({"is_snapshot": False, "current_num": "1"}, "'current_num': expected int, got str '1'"),
        ({"is_snapshot": None, "current_num": 1}, "'is_snapshot': expected bool, got None"),
        (None, "'is_snapshot': expected bool, got nothing"),
    ],
)
def test_a_numbering_that_is_wrong_is_named(sent: Any, text: str) -> None:
    with pytest.raises(InvalidArguments, match=text) as raised:
        fields(BOOK, numbered=True).checked(sent)
    assert "svc.py" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_snapshot_that_comes_in_may_lack_fields_but_an_update_that_is_whole_may_not() -> None:
    book = fields(BOOK)
    assert book.decoded_value(raw({"title": "x"})) == {"title": "x"}
    with pytest.raises(InvalidMessage):
        book.decoded(raw({"title": "x"}), is_snapshot=True)
    with pytest.raises(InvalidMessage):
        book.decoded_value(raw({"title": None}))


def test_the_content_of_a_single_state_travels_without_its_name() -> None:
    single = fields({"state": {str: int}})
    assert msgpack.unpackb(on_wire(single.checked({"state": {"a": 1}}))) == {"a": 1}
    assert single.decoded(raw({"a": None}), is_snapshot=False) == {"state": {"a": None}}
    assert single.decoded_value(raw({"a": 1})) == {"state": {"a": 1}}
    assert single.content(freeze({"state": {"a": 1}})) == EMPTY.set("a", 1)
    assert msgpack.unpackb(packed(single, {"state": {"a": 1}})) == {"a": 1}
    assert single.content(single.initial) == EMPTY
    assert View(single.content(EMPTY)) == {}


def test_an_update_without_fields_of_a_single_state_changes_nothing() -> None:
    single = fields({"state": {str: int}})
    update = single.checked({})
    assert (update.typed, msgpack.unpackb(on_wire(update))) == ({}, {})


def test_an_empty_content_of_a_single_record_stands_for_none() -> None:
    single = fields({"state": {"low": int, "high": int}})
    assert single.decoded_value(raw({})) == {}
    assert single.decoded(raw({}), is_snapshot=False) == {}
    assert single.decoded_value(raw({"low": 1, "high": 2})) == {"state": {"low": 1, "high": 2}}
    assert single.initial == EMPTY


class Marks(TypedDict, total=False):
    low: int


def test_a_single_record_without_required_fields_may_be_empty() -> None:
    single = fields({"state": Marks})
    update = single.checked({"state": {}, "is_snapshot": True})
    assert single.decoded(raw({}), is_snapshot=True) == update.typed == {"state": {}}
    assert single.decoded_value(raw({})) == {"state": {}}
    assert single.initial == EMPTY.set("state", EMPTY)


def cut_of(content: dict[str, Any]) -> tuple[msgspec.Raw, list[Cut]]:
    """Return a mapping of few items as it comes in, with one cut around all of them."""
    whole = raw(content)
    return whole, [Cut((), 1, len(bytes(whole)), len(content))]


@pytest.mark.parametrize(
    ("declared", "content"),
    [
        (BOOK, {"title": "x", "bids": {"1": None}}),
        (BOOK, {"title": "x"}),
        ({"legs": {int: {"low": int, "high": int}}}, {"legs": {1: {"low": 1}}}),
        ({"state": {"low": int, "high": int}}, {"low": 1}),
        ({"state": {str: int}}, {"a": None}),
    ],
)
def test_what_no_whole_value_may_hold_is_refused_in_pieces_as_well(
    declared: dict[str, Any], content: dict[str, Any]
) -> None:
    refused = fields(declared)
    with pytest.raises(InvalidMessage):
        refused.decoded(raw(content), is_snapshot=True)
    whole, cuts = cut_of(content)
    with pytest.raises(InvalidMessage):
        refused.decoded(whole, is_snapshot=True, cuts=cuts)


def test_a_record_that_is_the_whole_state_may_come_in_pieces_but_not_in_part() -> None:
    single = fields({"state": {"low": int, "high": int}})
    whole, [cut] = cut_of({"low": 1, "high": 2})
    low = cut.start + len(msgpack.packb("low")) + 1
    halves = [Cut((), cut.start, low, 1), Cut((), low, cut.end, 1)]
    assert View(single.decoded(whole, is_snapshot=True, cuts=halves)) == {
        "state": {"low": 1, "high": 2}
    }
    with pytest.raises(InvalidMessage, match=r"missing field 'state\.high'"):
        single.decoded(whole, is_snapshot=True, cuts=halves[:1])


@pytest.mark.slow
def test_a_record_is_one_piece_however_many_fields_it_has() -> None:
    wide = {f"f{n}": int for n in range(2 * RUN)}
    book = fields({"wide": wide})
    update = book.checked({"wide": dict.fromkeys(wide, 1), "is_snapshot": True})
    assert update.cuts is None
    assert update.typed == {"wide": dict.fromkeys(wide, 1)}


def test_a_large_update_that_changes_while_it_is_packed_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    levels = {Decimal(n): Decimal(n) for n in range(2 * RUN)}

    def encode_and_change(message: object) -> bytes:
        levels[Decimal(len(levels))] = Decimal(0)
        return encode(message)

    monkeypatch.setattr(pieces, "encode", encode_and_change)
    with pytest.raises(InvalidArguments, match=r"svc\.py.*stay as they are while they are packed"):
        fields(BOOK).checked({"bids": levels})


def test_a_delta_in_pieces_may_delete() -> None:
    whole, cuts = cut_of({"bids": {"1": None}})
    assert fields(BOOK).decoded(whole, is_snapshot=False, cuts=cuts) == {"bids": {Decimal(1): None}}


@pytest.mark.parametrize(
    ("bound", "count", "text"),
    [
        (msgspec.Meta(min_length=2 * LARGE), 2 * LARGE + 1, None),
        (msgspec.Meta(min_length=2 * LARGE), 2 * LARGE - 1, "min_length"),
        (msgspec.Meta(max_length=2 * LARGE), 2 * LARGE + 1, "max_length"),
    ],
)
def test_a_value_in_pieces_is_held_to_the_bounds_of_the_whole(
    bound: msgspec.Meta, count: int, text: str | None
) -> None:
    of = fields({"book": Annotated[dict[int, int], bound]})
    value = {"book": dict(enumerate(range(count)))}
    packing = of.packing(freeze(value))
    packing.finish()
    assert len(packing.cuts) > 1
    raw = msgspec.Raw(packing.raw)

    if text is None:
        assert of.checked({**value, "is_snapshot": True}).is_snapshot
        assert View(of.decoded(raw, is_snapshot=True, cuts=packing.cuts)) == value
        return
    with pytest.raises(InvalidArguments, match=text):
        of.checked({**value, "is_snapshot": True})
    with pytest.raises(InvalidMessage, match=text):
        of.decoded(raw, is_snapshot=True, cuts=packing.cuts)


def test_a_record_in_a_union_is_one_piece_and_a_table_there_is_cut() -> None:
    of = fields({"rec": {"rows": {int: int}, "name": str}, "either": dict[int, int] | int})
    united = fields(
        {"rec": Named | int, "either": dict[int, int] | int},
    )
    rows = dict(enumerate(range(LARGE)))
    value = {"rec": {"rows": rows, "name": "a"}, "either": rows}
    for one in (of, united):
        packing = one.packing(freeze(value))
        packing.finish()
        assert [run.count for run in packing.cuts] == [1] + [RUN] * (LARGE // RUN)
        decoded = one.decoded(msgspec.Raw(packing.raw), is_snapshot=True, cuts=packing.cuts)
        assert View(decoded) == value
