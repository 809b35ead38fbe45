from __future__ import annotations

import enum
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal, NotRequired, TypedDict
from uuid import UUID

import msgpack  # type: ignore[import-untyped]
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sf_actors.errors import InvalidArguments, InvalidMessage, ModelError
from sf_actors.schema.schema import Schema, require_no_null_fields
from sf_actors.wire.envelope import encode
from sf_actors.wire.limits import MAX_DEPTH
from tests.support.effort import effort

from .strategies import TYPED, same

WHERE = "svc.py: orders"


class Side(enum.Enum):
    BUY = "buy"
    SELL = "sell"


class Row(TypedDict):
    price: Decimal
    note: NotRequired[str]


def schema_of(required: Any = None, optional: Any = None) -> Schema:
    return Schema(required or {}, optional or {}, where=WHERE)


def packed(value: Any) -> bytes:
    """Pack as a foreign peer would."""
    raw: bytes = msgpack.packb(value, datetime=True)
    return raw


def refused(schema: Schema, value: Any) -> str:
    with pytest.raises(InvalidMessage) as caught:
        schema.decoded(value if isinstance(value, bytes) else packed(value))
    return str(caught.value)


@settings(max_examples=effort(200, brief=40), deadline=None)
@given(st.data())
@pytest.mark.slow
def test_what_may_be_sent_comes_back_equal_and_of_the_declared_types(data: st.DataObject) -> None:
    declared, values = data.draw(TYPED)
    schema = schema_of({"x": declared}, {"y": int})
    value = data.draw(values)
    sent = schema.checked({"x": value})
    received = schema.decoded(encode(sent))
    assert received == {"x": value}
    assert same(received, sent)
    assert same(schema.checked(received), received)


@pytest.mark.slow
@settings(max_examples=effort(100, brief=40), deadline=None)
@given(TYPED, st.data())
def test_a_whole_value_is_a_patch_too(typed: Any, data: st.DataObject) -> None:
    declared, values = typed
    patch = schema_of({"x": declared}).patch()
    sent = patch.checked({"x": data.draw(values)})
    assert same(patch.decoded(encode(sent)), sent)


@pytest.mark.slow
@settings(max_examples=effort(300, brief=40), deadline=None)
@given(TYPED, st.binary(max_size=60))
def test_no_bytes_raise_anything_but_our_error(typed: Any, raw: bytes) -> None:
    schema = schema_of({"x": typed[0]})
    for attempt in (raw, b"\x81\xa1x" + raw):
        try:
            schema.decoded(attempt)
        except InvalidMessage as error:
            assert str(error).isprintable()  # noqa: PT017 - that it may pass is the point


@pytest.mark.parametrize(
    ("declared", "foreign", "value"),
    [
        (Decimal, "1.50", Decimal("1.50")),
        (Decimal, 3, Decimal(3)),
        (float, 3, 3.0),
        (
            UUID,
            "12345678-1234-5678-1234-567812345678",
            UUID(int=0x12345678123456781234567812345678),
        ),
        (datetime, datetime(2020, 1, 2, 3, tzinfo=UTC), datetime(2020, 1, 2, 3, tzinfo=UTC)),
        (datetime, "2020-01-02T03:00:00Z", datetime(2020, 1, 2, 3, tzinfo=UTC)),
        (datetime, "2020-01-02T03:00:00", datetime(2020, 1, 2, 3)),
        (date, "2020-01-02", date(2020, 1, 2)),
        (time, "03:04:05", time(3, 4, 5)),
        (timedelta, "PT1.5S", timedelta(seconds=1.5)),
        (Side, "buy", Side.BUY),
        ({int}, [1, 2, 1], {1, 2}),
        ((int, str), [1, "a"], (1, "a")),
        (tuple[()], [], ()),
        ({Decimal: Decimal}, {"1.0": "2"}, {Decimal("1.0"): Decimal(2)}),
        ({int: Side}, {7: "sell"}, {7: Side.SELL}),
        ({"a": Decimal}, {"a": "1"}, {"a": Decimal(1)}),
        (object, {"a": [1, None, b"x", {2: 3.5}]}, {"a": [1, None, b"x", {2: 3.5}]}),
    ],
)
def test_a_foreign_peers_message_gets_the_declared_types(
    declared: Any, foreign: Any, value: Any
) -> None:
    received = schema_of({"x": declared}).decoded(packed({"x": foreign}))
    assert same(received, {"x": value})


@pytest.mark.parametrize(
    ("declared", "value", "travels_as"),
    [
        (Decimal, Decimal("1.50"), "1.50"),
        (UUID, UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        (date, date(2020, 1, 2), "2020-01-02"),
        (time, time(3, 4, 5, 6), "03:04:05.000006"),
        (timedelta, timedelta(days=1, seconds=2.5), "P1DT2.5S"),
        (datetime, datetime(2020, 1, 2, 3, 4, 5), "2020-01-02T03:04:05"),
        (datetime, datetime(2020, 1, 2, 3, tzinfo=UTC), msgpack.Timestamp(1577934000)),
        (Side, Side.BUY, "buy"),
        ({int}, {1}, [1]),
        ((int, str), (1, "a"), [1, "a"]),
        ({Decimal: date}, {Decimal("1.0"): date(2020, 1, 2)}, {"1.0": "2020-01-02"}),
        (bytes, b"x", b"x"),
    ],
)
def test_a_type_that_messagepack_lacks_travels_as_what_any_language_reads(
    declared: Any, value: Any, travels_as: Any
) -> None:
    sent = encode(schema_of({"x": declared}).checked({"x": value}))
    assert msgpack.unpackb(sent) == {"x": travels_as}


@pytest.mark.parametrize(
    ("declared", "foreign", "said"),
    [
        (int, 1.0, "field 'x': expected int, got float 1.0"),
        (int, True, "field 'x': expected int, got bool True"),
        (str, b"a", "field 'x': expected str, got bytes b'a'"),
        (Decimal, "abc", "field 'x': expected Decimal, got str 'abc'"),
        (Side, "hold", "field 'x': expected Side, got str 'hold'"),
        (Literal["a"], "b", "expected 'a', got str 'b'"),
        ({Decimal: int}, {"10.5": "x"}, "field 'x.10.5': expected int, got str 'x'"),
        ({Decimal: int}, {"ten": 1}, "field 'x': expected Decimal, got str 'ten' as a key"),
        ([{"price": int}], [{"price": 1}, {"price": None}], "'x[1].price': expected int, got None"),
        ((int, int), [1, 2, 3], "field 'x': expected (int, int), got list [1, 2, 3]"),
        ((int, int), [1, "a"], "field 'x[1]': expected int, got str 'a'"),
        (
            {"price": int},
            {"price": 1, "prize": 2},
            "field 'x': unknown field 'prize'; did you mean",
        ),
        ([{"a": int}], [{}], "field 'x[0]': missing field 'a'"),
        (object, msgpack.ExtType(5, b"a"), "field 'x': expected anything, got extension type 5"),
    ],
)
def test_a_message_that_does_not_fit_is_told_with_its_path(
    declared: Any, foreign: Any, said: str
) -> None:
    message = refused(schema_of({"x": declared}), {"x": foreign})
    assert message.startswith(WHERE)
    assert said in message


def test_an_unknown_field_is_refused_at_every_declared_depth() -> None:
    for declared, value in [
        ([{"a": int}], [{"a": 1, "b": 2}]),
        ({str: {"a": int}}, {"k": {"a": 1, "b": 2}}),
        ((int, {"a": {"a": int}}), [1, {"a": {"a": 1, "b": 2}}]),
        (Row | None, {"price": "1", "b": 2}),
    ]:
        assert "unknown field 'b'" in refused(schema_of({"x": declared}), {"x": value})


def test_an_unknown_missing_or_repeated_field_is_refused_outside() -> None:
    schema = schema_of({"price": int}, {"size": int})
    assert "unknown field 'prize'; did you mean 'price'" in refused(
        schema, {"price": 1, "prize": 2}
    )
    assert "missing field 'price'" in refused(schema, {"size": 1})
    assert "there twice" in refused(schema, b"\x82\xa5price\x01\xa5price\x02")
    assert "unknown field '1'" in refused(schema, {1: 2})
    assert "got list" in refused(schema, [1])


@pytest.mark.parametrize("count", [94, 95])
@pytest.mark.parametrize("header", [b"\xde", b"\xdf\x00\x00"])
def test_an_unknown_field_is_refused_however_many_there_are(count: int, header: bytes) -> None:
    """A long header minus the short one, 0xde - 0x80 or 0xdf - 0x80, is a number of fields too."""
    names = [f"n{number}" for number in range(count)]
    fields = b"".join(packed(name) + b"\x01" for name in [*names, "x"])
    raw = header + (count + 1).to_bytes(2, "big") + fields
    assert "unknown field 'x'" in refused(schema_of(dict.fromkeys(names, int)), raw)


def test_optional_fields_may_be_absent_and_nested_ones_too() -> None:
    schema = schema_of({"row": Row}, {"size": int})
    for value in ({"row": {"price": Decimal(1)}}, {"row": {"price": Decimal(1), "note": "n"}}):
        assert schema.decoded(encode(schema.checked(value))) == value


@pytest.mark.parametrize("header", [b"\x81", b"\xde\x00\x01", b"\xdf\x00\x00\x00\x01"])
def test_a_map_may_come_with_any_header(header: bytes) -> None:
    assert schema_of({"x": int}).decoded(header + b"\xa1x\x01") == {"x": 1}


@pytest.mark.parametrize("kind", [bytes, memoryview, msgspec.Raw])
def test_bytes_views_and_raw_parts_are_decoded(kind: Any) -> None:
    assert schema_of({"x": int}).decoded(kind(packed({"x": 1}))) == {"x": 1}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xc1",
        b"\xdf\xff\xff\xff\xff",
        b"\x81\xa1x\xdd\xff\xff\xff\xff",
        b"\x81\xa1x\xdb\xff\xff\xff\xff",
        b"\x81\xa1x\xa2\xff\xfe",
        b"\x81\xa1x" + b"\x91" * 100_000 + b"\xc0",
        b"\x81\xa1x" + b"\x91" * 500 + b"\xc0",
        b"\x81\xa1x" + b"\x81\xa1a" * 100 + b"\xc0",
        b"\x81\xa1x\x81\x80\x01",
        b"\x81\xa1x\x01\x01",
    ],
)
def test_hostile_bytes_are_refused(raw: bytes) -> None:
    assert refused(schema_of({"x": object}), raw).isprintable()


def test_the_deepest_value_that_may_be_sent_arrives() -> None:
    value: Any = "x" * 100
    for _ in range(MAX_DEPTH):
        value = [value]
    for declared, sent in ((object, value), ([{str: object}], [{"a": value}])):
        schema = schema_of({"x": declared})
        assert schema.decoded(encode(schema.checked({"x": sent}))) == {"x": sent}


def test_a_signalling_nan_in_a_set_is_refused_not_raised() -> None:
    assert "expected {Decimal}" in refused(schema_of({"x": {Decimal}}), {"x": ["sNaN"]})


def test_what_is_decoded_is_fresh_each_time() -> None:
    schema = schema_of({"x": [dict]})
    raw = packed({"x": [{}]})
    schema.decoded(raw)["x"][0]["changed"] = True
    assert schema.decoded(raw) == {"x": [{}]}


def test_no_arguments_count_as_no_fields() -> None:
    assert schema_of({}, {"a": int}).checked(None) == {}
    with pytest.raises(InvalidArguments, match=r"svc\.py: orders: missing field 'a', 'b'"):
        schema_of({"a": int, "b": int}).checked(None)


def test_arguments_that_do_not_fit_are_told_with_where_and_path() -> None:
    schema = schema_of({"bids": {Decimal: Decimal}})
    with pytest.raises(
        InvalidArguments,
        match=r"svc\.py: orders: field 'bids\.1': expected Decimal, got str 'x'",
    ):
        schema.checked({"bids": {Decimal(1): "x"}})
    with pytest.raises(InvalidArguments, match="unknown field 'bid'; did you mean 'bids'"):
        schema.checked({"bid": {}})
    with pytest.raises(InvalidArguments, match="expected a dict of bids, got list"):
        schema.checked([1])


def test_a_fields_name_is_sent_as_plain_text() -> None:
    class Name(enum.StrEnum):
        X = "x"

    sent = schema_of({"x": int}).checked({Name.X: 1})
    assert [type(name) for name in sent] == [str]


@pytest.mark.parametrize(
    ("required", "optional", "said"),
    [
        ({"a": int}, {"a": int}, "field 'a' to be either required or optional"),
        ({1: int}, {}, "text as a field's name"),
        ({"a": "int"}, {}, "field 'a': expected a type"),
        ([("a", int)], {}, "expected {'field': type"),
        ({"a": {'"': int}}, {}, "must not contain"),
    ],
)
def test_a_bad_model_is_refused(required: Any, optional: Any, said: str) -> None:
    with pytest.raises(ModelError) as caught:
        Schema(required, optional, where=WHERE)
    assert str(caught.value).startswith(WHERE)
    assert said in str(caught.value)


BOOK = schema_of(
    {"bids": {Decimal: Decimal}, "best": {"bid": Decimal, "ask": Decimal}, "rows": [Row]},
    {"note": str, "by_name": {str: {"a": int, "b": Row}}, "free": dict},
)


@pytest.mark.parametrize(
    "patch",
    [
        {},
        {"bids": {Decimal("10.5"): None}},
        {"best": {"bid": Decimal(1)}},
        {"best": {}},
        {"note": None, "free": None, "by_name": None},
        {"by_name": {"x": None, "y": {"b": {"note": None}}}},
        {"free": {"a": None, "b": {"c": None}}},
        {"rows": [{"price": Decimal(1)}]},
    ],
)
def test_a_patch_is_partial_and_deletes_with_none(patch: Any) -> None:
    schema = BOOK.patch()
    assert same(schema.decoded(encode(schema.checked(patch))), patch)


@pytest.mark.parametrize(
    "patch",
    [
        {"bids": None},
        {"best": {"bid": None}},
        {"best": None},
        {"rows": [None]},
        {"rows": [{"note": "n"}]},
        {"rows": [{"price": Decimal(1), "note": None}]},
        {"by_name": {"x": {"a": None}}},
        {"by_name": {"x": {"c": 1}}},
        {"other": None},
    ],
)
def test_a_patch_deletes_nothing_that_is_required(patch: Any) -> None:
    with pytest.raises(InvalidArguments):
        BOOK.patch().checked(patch)
    with pytest.raises(InvalidMessage):
        BOOK.patch().decoded(encode(patch))


def test_a_patch_has_the_shape_of_the_whole() -> None:
    assert BOOK.patch().shape == BOOK.shape
    assert BOOK.partial().shape == BOOK.shape


def test_a_partial_value_lacks_fields_but_holds_whole_ones() -> None:
    partial = BOOK.partial()
    assert partial.decoded(packed({"bids": {}})) == {"bids": {}}
    assert "missing field 'ask'" in refused(partial, {"best": {"bid": "1"}})
    assert "expected str, got None" in refused(partial, {"note": None})


@pytest.mark.parametrize(
    "declared",
    [
        int | None,
        None,
        Literal["a", None],  # noqa: PYI061 - this spelling too
        {str: int | None},
        {"a": {"b": int | None}},
        dict[str, int | None] | str,
    ],
)
def test_a_delta_has_no_field_that_may_be_none(declared: Any) -> None:
    with pytest.raises(ModelError, match="None deletes in a delta"):
        require_no_null_fields(schema_of({}, {"x": declared}))


@pytest.mark.parametrize("declared", [int, object, dict, [int | None], (int | None, int), {None}])
def test_none_may_stand_in_a_delta_where_it_deletes_nothing(declared: Any) -> None:
    require_no_null_fields(schema_of({"x": declared}))
