"""The function written for a message's fields, against the check field by field."""

from __future__ import annotations

import enum
import re
from collections import defaultdict
from decimal import Decimal
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sf_actors.errors import InvalidArguments
from sf_actors.replication.values.frozen import View
from sf_actors.replication.values.persistent_map import map_of
from sf_actors.replication.values.pieces import RUN
from sf_actors.schema.check import fields_checker
from sf_actors.schema.generated_check import COPIED, FEW, compiled
from sf_actors.schema.mismatch import Mismatch
from sf_actors.schema.schema import Schema
from sf_actors.schema.types import canonical


class Side(enum.Enum):
    BUY = "buy"


TYPES: list[Any] = [
    int,
    float,
    str,
    bool,
    Decimal,
    Side,
    object,
    int | None,
    float | str,
    Literal["a", "b"],
    [int],
    (int, str),
    {"x": int},
    {str: float},
    {Decimal: Decimal | None},
    {int: [int]},
]
VALUES: list[Any] = [
    0,
    -(2**63) - 1,
    2**63,
    2**64,
    2**53 + 1,
    1.5,
    True,
    None,
    "a",
    "ä",
    "\ud800",
    b"a",
    Decimal("1.50"),
    Side.BUY,
    [1],
    (1, "a"),
    {"x": 1},
    {"x": 1.5, "y": 2},
    {"ä": 1.5},
    {"\ud800": 1.5},
    {n: n for n in range(FEW + 1)},
    {str(n): float(n) for n in range(FEW + 1)},
    {Decimal(1): None, Decimal(2): Decimal(3)},
    {1: [2]},
    View(map_of({"x": 1})),
]
NAMES = ["a", "it's", 'a "b" {c}', "fields", "v"]


def message(check: Any, fields: Any) -> Any:
    """Return what came out: fields with their types, or the text of the refusal."""
    try:
        return repr(check(fields))
    except Mismatch as error:
        return error.message("t")


@given(
    st.lists(st.sampled_from(TYPES), min_size=len(NAMES), max_size=len(NAMES)),
    st.integers(0, len(NAMES)),
    st.dictionaries(st.sampled_from([*NAMES, "unknown"]), st.sampled_from(VALUES)),
)
def test_it_comes_to_what_the_check_field_by_field_comes_to(
    types: list[Any], required: int, fields: dict[str, Any]
) -> None:
    declared = [(n, canonical(type_, where="t")) for n, type_ in zip(NAMES, types, strict=True)]
    must, may = dict(declared[:required]), dict(declared[required:])
    in_full = fields_checker(must, may)
    assert message(compiled(must, may, in_full), fields) == message(in_full, fields)


@pytest.mark.parametrize("value", [*VALUES, [], "x"])
def test_what_is_no_dict_of_fields_comes_to_the_same_as_well(value: Any) -> None:
    in_full = fields_checker({"x": int}, {})
    assert message(compiled({"x": int}, {}, in_full), value) == message(in_full, value)


def test_what_is_no_dict_is_not_looked_into() -> None:
    """A `defaultdict` would grow by the question, and others raise what they like."""
    schema = Schema({"x": int}, {"y": int}, where="t")
    growing: defaultdict[str, int] = defaultdict(int)
    for args in (growing, re.match("a", "a")):
        with pytest.raises(InvalidArguments, match="t: expected a dict of x, y"):
            schema.checked(args)
    assert growing == {}


def test_it_does_without_the_check_in_full_where_all_fits() -> None:
    def in_full(fields: Any) -> Any:
        raise AssertionError(fields)

    check = compiled({"n": int, "levels": dict[str, float]}, {"side": Side}, in_full)
    fields = {"n": 1, "levels": {"a": 1, "b": 2.5}, "side": Side.BUY}
    assert repr(check(fields)) == repr({**fields, "levels": {"a": 1.0, "b": 2.5}})


@pytest.mark.parametrize("count", [1, FEW, FEW + 1, COPIED])
@pytest.mark.parametrize("key", ["", "ä"])
def test_tables_of_flat_fields_are_copies(count: int, key: str) -> None:
    schema = Schema({"n": int}, {"levels": {str: float}}, where="t")
    for one in (schema, schema.patch(), schema.partial()):
        assert one.is_flat
        levels = {key + str(n): float(n) for n in range(count)}
        checked = one.checked({"n": 1, "levels": levels})
        assert checked["levels"] == levels
        assert checked["levels"] is not levels


def test_whatever_a_state_does_not_pack_in_pieces_is_a_copy() -> None:
    assert RUN <= COPIED


def test_what_only_looks_like_a_dict_or_a_float_is_left_to_the_check_in_full() -> None:
    class Price(float):
        pass

    class Levels(dict[str, float]):
        pass

    def in_full(fields: Any) -> Any:
        raise Mismatch("in full")

    check = compiled({"levels": dict[str, float]}, {}, in_full)
    for levels in ({"b": Price(2)}, Levels(a=1.0)):
        with pytest.raises(Mismatch, match="in full"):
            check({"levels": levels})


def test_a_refusal_names_the_field_as_before() -> None:
    schema = Schema({"levels": {str: float}}, {}, where="svc.py: state")
    with pytest.raises(
        InvalidArguments, match=r"svc\.py: state: field 'levels\.b': expected float"
    ):
        schema.checked({"levels": {"a": 1.5, "b": "2"}})
