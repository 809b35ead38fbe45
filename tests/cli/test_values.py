"""`key=value` as the fields of a message, by the schema that a service tells."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
import pytest

from sf_actors import UsageError
from sf_actors.cli.values import read_fields
from sf_actors.inspection.messages import fields_of
from sf_actors.schema.schema import Schema


class Side(Enum):
    BUY = "buy"
    SELL = "sell"


def read(
    *pairs: str, given: str = "", optional: dict[str, Any] | None = None, **required: Any
) -> dict[str, Any]:
    schema = Schema(required, optional or {}, where="test")
    fields = read_fields(pairs, fields_of(schema), read_input=lambda: given)
    # what is read travels: the model takes it
    schema.decoded(msgspec.msgpack.encode(fields))
    return fields


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        (int, "5", 5),
        (int, "-5", -5),
        (float, "1.5", 1.5),
        (float, "1", 1.0),
        (float, "inf", float("inf")),
        (str, "a=b", "a=b"),
        (str, "5", "5"),
        (str, "", ""),
        (bool, "true", True),
        (bool, "0", False),
        (Decimal, "1.50", "1.50"),
        (bytes, "AAE=", b"\x00\x01"),
        (dt.date, "2026-01-31", "2026-01-31"),
        (dt.timedelta, "PT1.5S", "PT1.5S"),
        (
            Annotated[dt.datetime, msgspec.Meta(tz=True)],
            "2026-01-31T12:00:00Z",
            "2026-01-31T12:00:00Z",
        ),
        (UUID, "00000000-0000-4000-8000-000000000000", "00000000-0000-4000-8000-000000000000"),
        (Side, "buy", "buy"),
        (Literal[1, "one"], "1", 1),
        (Literal[1, "one"], "one", "one"),
        (int | None, "null", None),
        (int | str, "5", 5),
        (int | str, "five", "five"),
        (str | None, "null", None),
        ([int], "[1, 2]", [1, 2]),
        ((int, str), '[1, "a"]', [1, "a"]),
        ({int: Decimal}, '{"1": 2.50}', {1: "2.50"}),
        ({Decimal: Decimal}, '{"10.5": "2"}', {"10.5": "2"}),
        ({"price": Decimal, "n": int}, '{"price": 1.10, "n": 2}', {"price": "1.10", "n": 2}),
        (object, "5", "5"),
        (dict, '{"a": [1.5, null]}', {"a": [1.5, None]}),
    ],
)
def test_a_text_is_read_as_the_declared_type(type_: Any, text: str, value: Any) -> None:
    assert read(f"it={text}", it=type_) == {"it": value}


@pytest.mark.parametrize(
    ("type_", "text", "told"),
    [
        (int, "1_0", "it: expected int, got '1_0'"),
        (int, "1.5", "it: expected int"),
        (float, "one", "it: expected float"),
        (bool, "maybe", "it: expected bool"),
        (Decimal, "a", "it: expected Decimal"),
        (bytes, "%", "expected bytes as base64"),
        (dt.date, "yesterday", "it: expected date, got 'yesterday'"),
        (UUID, "1", "it: expected UUID"),
        (Side, "by", "it: expected Side"),
        ([int], "1", "it: expected [int]"),
        ([int], "[1", "expected JSON"),
        ([int], '["a"]', "expected int"),
        ((int, str), "[1]", "got 1 items"),
        ({"a": int}, '{"b": 1}', "unknown field 'b'"),
        ({"a": int}, "{}", "missing 'a'"),
        ({"a": int}, '{"a": 1, "a": 2}', "there twice"),
        (int | None, "none of them", "it: expected int or None"),
        (Annotated[int, msgspec.Meta(ge=1)], "0", "it: expected Annotated[int"),
        (Annotated[dt.time, msgspec.Meta(tz=True)], "12:00:00", "it: expected Annotated[time"),
    ],
)
def test_a_text_of_another_type_is_an_error_that_names_the_key(
    type_: Any, text: str, told: str
) -> None:
    with pytest.raises(UsageError) as raised:
        read(f"it={text}", it=type_)

    assert told in str(raised.value)


def test_a_key_with_a_dot_is_a_field_of_a_record() -> None:
    order = {"price": Decimal, "inner": {"n": int}}
    found = read("order.price=1", "order.inner.n=2", order=order)

    assert found == {"order": {"price": "1", "inner": {"n": 2}}}


def test_a_record_that_lacks_a_field_is_an_error_that_names_it() -> None:
    with pytest.raises(UsageError, match=r"expected order.inner.n=…, got none"):
        read(
            "order.price=1", "order.inner.m=2", order={"price": int, "inner": {"n": int, "m": int}}
        )


def test_a_key_with_a_dot_is_a_key_of_a_mapping_of_its_type() -> None:
    assert read("levels.5=1", levels={int: int}) == {"levels": {5: 1}}


def test_a_field_whose_own_name_has_a_dot_is_that_field() -> None:
    assert read("a.b=1", **{"a.b": int}) == {"a.b": 1}


def test_standard_input_gives_the_fields_that_no_key_gives() -> None:
    assert read("-", "a=3", given='{"a": 1, "b": 2}', a=int, b=int) == {"a": 3, "b": 2}
    assert read("-", "a=3", given='{"b": 2}', a=int, b=int) == {"a": 3, "b": 2}


@pytest.mark.parametrize(
    ("pairs", "told"),
    [
        (["n"], "expected key=value, got 'n'"),
        (["=1"], "expected key=value, got '=1'"),
        (["n=1", "n=2"], "n: expected once, got it twice"),
        (["m=1"], "unknown key 'm'; did you mean 'mm'?"),
        (["n=1"], "expected mm=…, got none"),
        (["n.sub=1", "mm=1"], "unknown key 'n.sub'"),
        (["-", "-"], "expected one '-'"),
        (["mm=1"], "expected n=…, got none"),
        ([], "expected n=…, mm=…, got none"),
        (["n..a=1"], "expected key=value or key.sub=value"),
    ],
)
def test_keys_that_are_unknown_missing_or_there_twice_are_errors(
    pairs: list[str], told: str
) -> None:
    with pytest.raises(UsageError) as raised:
        read(*pairs, n=int, mm=int)

    assert told in str(raised.value)


def test_a_record_is_given_whole_or_by_its_fields() -> None:
    with pytest.raises(UsageError, match="whole or by its fields"):
        read('order={"n": 1}', "order.n=2", order={"n": int})


@pytest.mark.parametrize("given", ["[1]", "{", '{"n": "a"}', '{"x": 1}'])
def test_standard_input_that_is_no_such_message_is_an_error(given: str) -> None:
    with pytest.raises(UsageError, match="standard input: "):
        read("-", given=given, n=int)


def test_an_optional_field_may_be_left_out() -> None:
    assert read("n=1", n=int, optional={"m": int}) == {"n": 1}
