from __future__ import annotations

import collections
import enum
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest

from sf_actors.schema.check import checker
from sf_actors.schema.mismatch import Mismatch
from sf_actors.schema.types import canonical
from sf_actors.wire.limits import MAX_DEPTH

if TYPE_CHECKING:
    from collections.abc import Callable


class Level(enum.IntEnum):
    ONE = 1


class Name(enum.StrEnum):
    X = "x"


class FakeView:
    """What `wire` knows of a state's read-only mapping."""

    def __init__(self, value: dict[Any, Any]) -> None:
        self.value = value

    def __plain__(self) -> dict[Any, Any]:
        return dict(self.value)


class Row(tuple[int, ...]):
    __slots__ = ()


def check_for(declared: Any) -> Callable[[Any], Any]:
    return checker(canonical(declared, where="t"))


def same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)


def refused(declared: Any, value: Any) -> str:
    with pytest.raises(Mismatch) as caught:
        check_for(declared)(value)
    return caught.value.message("t")


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        (int, True),
        (int, 1.0),
        (int, Level.ONE),
        (int, np.int64(1)),
        (bool, 1),
        (float, True),
        (float, np.float64(1)),
        (float, Decimal(1)),
        (str, b"x"),
        (str, Name.X),
        (str, np.str_("x")),
        (bytes, "x"),
        (bytes, bytearray(b"x")),
        (Decimal, "1.5"),
        (Decimal, 1),
        (Decimal, 1.5),
        (date, datetime(2020, 1, 1)),
        (datetime, date(2020, 1, 1)),
        (datetime, "2020-01-01T00:00:00"),
        (Level, 1),
        (None, 0),
        (list, {1}),
        (list, Row((1,))),
        (dict, collections.OrderedDict()),
        ({int}, [1]),
        ([int], {1}),
        ([int], "12"),
        ((int, int), [1]),
        (Literal["a", 1], True),
        (Literal["a", 1], 1.0),
        (Literal["a", 1], "b"),
        (int | None, "x"),
    ],
)
def test_another_type_is_refused_however_alike(declared: Any, value: Any) -> None:
    assert "expected" in refused(declared, value)


@pytest.mark.parametrize("value", [-(2**63), 2**64 - 1])
def test_an_int_of_64_bits_is_taken(value: int) -> None:
    assert check_for(int)(value) == check_for(object)(value) == value
    assert check_for([int])([value]) == [value]


@pytest.mark.parametrize("value", [-(2**63) - 1, 2**64])
@pytest.mark.parametrize("declared", [int, object, int | None])
def test_an_int_beyond_64_bits_is_refused(declared: Any, value: int) -> None:
    assert "64 bits" in refused(declared, value)
    assert "64 bits" in refused([declared], [1, value])


def test_an_int_becomes_the_float_that_is_declared() -> None:
    assert same(check_for(float)(2**53), 2.0**53)
    assert same(check_for([float])([1, 2.5])[0], 1.0)
    assert same(check_for(float | None)(3), 3.0)
    assert "2**53" in refused(float, 2**53 + 1)


def test_a_union_with_int_and_float_keeps_each() -> None:
    check = check_for(int | float)
    assert same(check(1), 1)
    assert same(check(1.0), 1.0)


@pytest.mark.parametrize("declared", [str, object, str | None, Literal["a"] | None])
def test_lone_surrogates_are_refused(declared: Any) -> None:
    assert "got str" in refused(declared, "a\ud800")
    assert "got str" in refused([declared], ["\ud800"])


def test_lone_surrogates_are_refused_in_a_key() -> None:
    assert "as a key" in refused({str: int}, {"\ud800": 1})
    assert "surrogates" in refused(dict, {"\ud800": 1})


def test_list_and_tuple_become_what_is_declared() -> None:
    assert same(check_for([int])((1, 2)), [1, 2])
    assert same(check_for((int, str))([1, "a"]), (1, "a"))
    assert same(check_for(tuple[int, ...])([1, 2]), (1, 2))
    assert same(check_for(tuple[()])([]), ())
    assert same(check_for(list)((1, 2)), [1, 2])


def test_set_and_frozenset_become_what_is_declared() -> None:
    assert same(check_for({int})(frozenset({1})), {1})
    assert same(check_for(frozenset[int])({1}), frozenset({1}))


def test_a_datetime_with_a_zone_is_sent_in_utc() -> None:
    east = datetime(2020, 1, 1, 3, tzinfo=timezone(timedelta(hours=3)))
    sent = check_for(datetime)(east)
    assert sent == east
    assert sent.tzinfo is UTC


def test_a_datetime_that_utc_cannot_hold_is_refused() -> None:
    first = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1)))
    assert "years 1 to 9999" in refused(datetime, first)
    assert "years 1 to 9999" in refused(object, first)


def test_a_time_with_seconds_in_its_offset_is_refused() -> None:
    odd = time(1, tzinfo=timezone(timedelta(seconds=90)))
    assert "whole minutes" in refused(time, odd)


@pytest.mark.parametrize(
    "value",
    [
        Decimal(1),
        (1, 2),
        {1},
        date(2020, 1, 1),
        datetime(2020, 1, 1),
        timedelta(1),
        object(),
        Level.ONE,
        np.float64(1),
        collections.OrderedDict(),
        {(1, 2): 3},
        {Decimal(1): 3},
        [[Decimal(1)]],
    ],
)
def test_an_undeclared_place_takes_nothing_that_would_come_back_changed(value: Any) -> None:
    assert "declared in the model" in refused(object, value)
    assert "declared in the model" in refused(dict, {"a": [value]})


def test_undeclared_values_nest_to_the_limit_and_no_further() -> None:
    value: Any = 1
    for _ in range(MAX_DEPTH):
        value = [value]
    assert check_for(object)(value) == value
    assert "at most 64" in refused(object, {"a": value})


def test_a_value_that_holds_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append([loop, loop])
    assert "at most 64" in refused(object, loop)


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        (dict, {"a": 1}),
        (object, {"a": 1}),
        ({str: int}, {"a": 1}),
        ({"a": int}, {"a": 1}),
        (dict[str, int] | None, {"a": 1}),
    ],
)
def test_a_states_mapping_is_taken_as_its_dict(declared: Any, value: Any) -> None:
    assert same(check_for(declared)(FakeView(value)), value)
    assert check_for([declared])([FakeView(value)]) == [value]


@pytest.mark.parametrize(
    ("declared", "value", "said"),
    [
        ({Decimal: Decimal}, {Decimal("10.5"): 1}, "'10.5': expected Decimal, got int 1"),
        (
            [{"price": float}],
            [{"price": 1.0}, {"price": "x"}],
            "'[1].price': expected float, got str 'x'",
        ),
        ([(int, str)], [(1, "a"), (1, 2)], "'[1][1]': expected str, got int 2"),
        ({str: int}, {"a": 1, 2: 3}, "expected str, got int 2 as a key"),
        (object, {"a": [1, {"b": {1}}]}, "'a[1].b': expected None, bool"),
        ([int], [1, "x"], "'[1]': expected int, got str 'x'"),
        ({"price": int}, {"pric": 1}, "unknown field 'pric'; did you mean 'price'?"),
        ({"price": int}, {}, "missing field 'price'"),
        ({"a": {"b": int}}, {"a": {}}, "'a': missing field 'b'"),
    ],
)
def test_the_message_names_the_path_what_was_expected_and_what_came(
    declared: Any, value: Any, said: str
) -> None:
    assert said in refused(declared, value)


class Rude:
    def __repr__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    "value",
    [Rude(), "x" * 10**6, b"x" * 10**6, 10**5000, "a\nb\x1b[31m"],
    ids=["rude", "text", "bytes", "int", "escape"],
)
def test_the_message_is_one_short_line_whatever_the_value(value: Any) -> None:
    message = refused([date], [value])
    assert len(message) < 200
    assert message.isprintable()


def test_scalars_of_one_type_are_passed_through() -> None:
    levels = {Decimal(1): Decimal(2)}
    assert check_for({Decimal: Decimal})(levels) is levels


def test_texts_beyond_ascii_are_taken_in_bulk() -> None:
    assert check_for([str])(["é", "a"]) == ["é", "a"]
    assert check_for({str: int})({"é": 1}) == {"é": 1}


def test_a_table_of_very_many_items_is_given_back_as_it_is_and_one_wrong_item_is_found() -> None:
    levels = {Decimal(n): Decimal(n) for n in range(25_000)}
    assert check_for({Decimal: Decimal})(levels) is levels
    assert refused({Decimal: Decimal}, {**levels, Decimal(-1): 5}) == (
        "t: field '-1': expected Decimal, got int 5"
    )
    assert "as a key" in refused({Decimal: Decimal}, {**levels, "x": Decimal(5)})
