from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

import msgspec
import pytest

from sf_actors.definition.config import conversion
from sf_actors.schema.mismatch import Mismatch
from sf_actors.schema.types import canonical


class Side(Enum):
    BUY = "buy"
    SELL = "sell"


class Level(Enum):
    LOW = 1
    HIGH = 2


def from_line(type_: object, text: str | bool) -> Any:
    return conversion.from_text(text, canonical(type_, where="key"))


def from_object(type_: object, value: object) -> Any:
    return conversion.from_json(value, canonical(type_, where="key"))


def confirmed(type_: object, value: object) -> Any:
    return conversion.confirm(value, canonical(type_, where="key"))


def same(value: object, expected: object) -> bool:
    return type(value) is type(expected) and value == expected


@pytest.mark.parametrize(
    ("type_", "value", "expected"),
    [
        (int, 5, 5),
        (float, 5, 5.0),
        (str, "5", "5"),
        (bool, True, True),
        (Decimal, "1.50", Decimal("1.50")),
        (Decimal, 0.1, Decimal("0.1")),
        (bytes, "é", "é".encode()),
        (datetime, "2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        (date, "2026-01-31", date(2026, 1, 31)),
        (time, "12:00:00", time(12)),
        (timedelta, "PT1.5S", timedelta(seconds=1.5)),
        (UUID, "4060e7fe-36e7-4dbe-b1bb-85c55a4bd0a0", UUID("4060e7fe36e74dbeb1bb85c55a4bd0a0")),
        (Side, "buy", Side.BUY),
        (Level, 2, Level.HIGH),
        (Literal["a", 1], 1, 1),
        ([int], [1, 2], [1, 2]),
        ([float], [1, 2.5], [1.0, 2.5]),
        ((int, str), [1, "a"], (1, "a")),
        ({str}, ["a", "b"], {"a", "b"}),
        ({int: float}, {"1": 2}, {1: 2.0}),
        ({Side: int}, {"buy": 2}, {Side.BUY: 2}),
        ({"host": str, "port": int}, {"host": "h", "port": 1}, {"host": "h", "port": 1}),
        (int | None, None, None),
        (int | str, "5", "5"),
        (Decimal | None, "1.0", Decimal("1.0")),
        (dict, {"a": [1]}, {"a": [1]}),
        (object, "5", "5"),
    ],
)
def test_a_given_value_becomes_the_declared_type(
    type_: object, value: object, expected: object
) -> None:
    assert same(from_object(type_, value), expected)


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        (int, "5"),
        (int, True),
        (int, None),
        (float, "1.5"),
        (float, True),
        (bool, 1),
        (bool, "true"),
        (str, 5),
        (Decimal, "1_0"),
        (Decimal, " 1"),
        (Decimal, "٣"),
        (Decimal, True),
        (datetime, "2026-01-31"),
        (datetime, 5),
        (date, datetime(2026, 1, 31, tzinfo=UTC)),
        (Side, "hold"),
        (Side, "BUY"),
        (Level, "1"),
        (Level, True),
        (Literal[1], True),
        ([int], "12"),
        ([int], ["1"]),
        ((int, int), [1]),
        ({int: int}, {"1": 1, "01": 2}),
        ({int: int}, {"one": 1}),
        ({int: int}, [1]),
        ({"port": int}, {"port": 1, "host": "h"}),
        ({"port": int}, {}),
        (int | None, "5"),
    ],
)
def test_a_given_value_of_another_type_is_refused(type_: object, value: object) -> None:
    with pytest.raises(Mismatch):
        from_object(type_, value)


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        (Decimal, Decimal("1.0")),
        (datetime, datetime(2026, 1, 31, tzinfo=UTC)),
        (Side, Side.SELL),
        (bytes, b"x"),
        ((int, int), (1, 2)),
        ({int}, {1}),
        ({int: Decimal}, {1: Decimal(2)}),
    ],
)
def test_a_python_value_of_the_declared_type_is_taken(type_: object, value: object) -> None:
    assert same(from_object(type_, value), value)


def test_the_message_shows_the_values_of_an_enum() -> None:
    with pytest.raises(Mismatch, match=r"expected Side \('buy' or 'sell'\), got str 'hold'"):
        from_object(Side, "hold")


@pytest.mark.parametrize(
    ("type_", "text", "expected"),
    [
        (int, "-5", -5),
        (float, "1e3", 1000.0),
        (float, "5", 5.0),
        (bool, "TRUE", True),
        (bool, "yes", True),
        (bool, "0", False),
        (bool, "off", False),
        (bool, True, True),
        (str, "5", "5"),
        (str, " 5 ", " 5 "),
        (bytes, "é", "é".encode()),
        (bytes, "\udcff", b"\xff"),
        (Decimal, "1.50", Decimal("1.50")),
        (datetime, "2026-01-31T12:00:00", datetime(2026, 1, 31, 12)),
        (UUID, "4060e7fe36e74dbeb1bb85c55a4bd0a0", UUID("4060e7fe36e74dbeb1bb85c55a4bd0a0")),
        (Side, "sell", Side.SELL),
        (Level, "2", Level.HIGH),
        (Literal["a", 1], "1", 1),
        ([int], "[1, 2]", [1, 2]),
        ([Decimal], "[1.50]", [Decimal("1.50")]),
        ((int, str), '[1, "a"]', (1, "a")),
        ({int}, "[1]", {1}),
        ({str: float}, '{"a": 1}', {"a": 1.0}),
        ({"port": int}, '{"port": 1}', {"port": 1}),
        (dict, '{"a": 1.5}', {"a": 1.5}),
        (list, "[1]", [1]),
        (int | None, "5", 5),
        (int | None, "null", None),
        (str | None, "null", "null"),
        (str | int, "5", 5),
        (bool | None, True, True),
        (list[int] | None, "[1]", [1]),
        (object, "5", "5"),
        (object, True, True),
    ],
)
def test_text_from_the_command_line_becomes_the_declared_type(
    type_: object, text: str | bool, expected: object
) -> None:
    assert same(from_line(type_, text), expected)


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        (int, "1e3"),
        (int, "5.0"),
        (int, " 5 "),
        (int, "1_000"),
        (int, "٣"),
        (int, "0x10"),
        (int, ""),
        (int, "true"),
        (int, "9" * 10_000),
        (float, "1_0"),
        (float, " 5"),
        (float, "1e999"),
        (float, "five"),
        (bool, "2"),
        (bool, ""),
        (Decimal, "1_0"),
        (Decimal, "1e9999999999999999999999"),
        (datetime, "5"),
        (date, "31.1.2026"),
        (timedelta, "5"),
        (Side, "BUY"),
        (Level, "low"),
        (Literal["a", 1], "b"),
        ([int], "1,2"),
        ([int], '["1"]'),
        ([int], "5"),
        ({"port": int}, "{}"),
        (int | None, "x"),
        (int, True),
        (str, True),
        ([int], True),
    ],
)
def test_text_that_cannot_be_the_declared_type_is_refused(type_: object, text: str | bool) -> None:
    with pytest.raises(Mismatch):
        from_line(type_, text)


def test_text_may_be_a_float_without_a_number() -> None:
    assert math.isnan(from_line(float, "nan"))


def test_text_for_a_list_that_is_no_json_says_why() -> None:
    with pytest.raises(Mismatch, match=r"expected \[int\] as JSON, got str '\[1': line 1"):
        from_line([int], "[1")


# What has its type already


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        (int, 5),
        (Side, Side.BUY),
        ([Decimal], [Decimal("1.0")]),
        ((int, str), (1, "a")),
        ({int: {str}}, {1: {"a"}}),
        (int | None, None),
        (object, {"a": (1, Decimal(2))}),
    ],
)
def test_a_value_of_its_type_is_confirmed_as_it_is(type_: object, value: object) -> None:
    assert same(confirmed(type_, value), value)


def test_an_int_is_confirmed_as_the_float_that_is_declared() -> None:
    assert same(confirmed([float], [1])[0], 1.0)


def test_an_int_stays_one_where_both_are_declared() -> None:
    assert same(confirmed(float | int, 1), 1)


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        (int, True),
        (int, 1.0),
        (Decimal, "1.0"),
        (Side, "buy"),
        ((int, int), [1, 2]),
        ([int], (1, 2)),
        ({int}, frozenset({1})),
        ({int: int}, {"1": 1}),
        (date, datetime(2026, 1, 31, tzinfo=UTC)),
    ],
)
def test_what_only_looks_like_its_type_is_not_confirmed(type_: object, value: object) -> None:
    with pytest.raises(Mismatch):
        confirmed(type_, value)


def test_a_mismatch_says_where_inside_the_value_it_is() -> None:
    with pytest.raises(Mismatch) as caught:
        confirmed({str: [int]}, {"a": [1, "x"]})
    assert (caught.value.path, str(caught.value)) == (".a.1", "expected int, got str 'x'")


def test_an_unknown_field_of_a_record_names_the_nearest() -> None:
    with pytest.raises(Mismatch, match="unknown field 'prot'; did you mean 'port'"):
        from_object({"port": int}, {"prot": 1})


@dataclass(frozen=True)
class Limits:
    most: Decimal
    count: Annotated[int, msgspec.Meta(ge=1)] = 1


LIMITS = canonical(Limits, where="it")


def test_a_class_is_read_as_a_record_and_becomes_an_instance() -> None:
    meant = Limits(Decimal("1.50"), 2)

    assert conversion.from_text('{"most": 1.50, "count": 2}', LIMITS) == meant
    assert conversion.from_json({"most": "1.50", "count": 2}, LIMITS) == meant
    assert conversion.confirm(meant, LIMITS) == meant
    assert conversion.confirm({"most": Decimal(1)}, LIMITS) == Limits(Decimal(1))


def test_bounds_are_held_to() -> None:
    with pytest.raises(Mismatch, match=r"expected int \(ge=1\), got int 0"):
        conversion.from_json({"most": "1", "count": 0}, LIMITS)
    with pytest.raises(Mismatch, match="expected int"):
        conversion.from_text("0", canonical(Annotated[int, msgspec.Meta(ge=1)], where="it"))


@dataclass(frozen=True)
class Cents:
    """Given in units, kept in cents."""

    amount: int
    marks: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        object.__setattr__(self, "amount", self.amount * 100)


class CentsStruct(msgspec.Struct, frozen=True):
    amount: int
    marks: list[float] = []

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "amount", self.amount * 100)


class Pair(NamedTuple):
    amount: int
    marks: list[float]


@pytest.mark.parametrize("kind", [Cents, CentsStruct])
def test_a_constructor_is_called_once_however_often_its_instance_is_looked_at(kind: Any) -> None:
    read = from_object(kind, {"amount": 1})
    assert read == confirmed(kind, read) == confirmed(kind | int, read)
    assert read.amount == 100


@pytest.mark.parametrize("kind", [Cents, CentsStruct, Pair])
def test_an_instance_is_copied_and_held_to_its_types(kind: Any) -> None:
    given = kind(1, [2])
    read = from_object(kind, given)
    assert type(read) is kind
    assert (read.amount, repr(read.marks)) == (given.amount, "[2.0]")
    assert read.marks is not given.marks
    assert given.marks == [2]
    with pytest.raises(Mismatch, match="expected float, got str 'x'"):
        from_object(kind, kind(1, ["x"]))
