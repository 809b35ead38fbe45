# ruff: noqa: UP006, UP007, UP045 - the older spellings of types are what is tested
from __future__ import annotations

import enum
import subprocess
import sys
import typing
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, NewType, NotRequired, Optional, TypedDict, Union
from uuid import UUID

import msgspec
import pytest

from sf_actors.errors import ModelError
from sf_actors.schema.shape import Either, Leaf, Open, Record, Table, shape_of
from sf_actors.schema.types import canonical, describe, fields_of

WHERE = "svc.py: orders"


FEW = msgspec.Meta(max_length=3)


class Side(enum.Enum):
    BUY = "buy"
    SELL = "sell"


class Mixed(enum.Enum):
    ONE = 1
    TWO = "two"


class Empty(enum.Enum):
    pass


class Row(TypedDict):
    price: Decimal
    note: NotRequired[str]


class Loop(TypedDict):
    next: Loop


Price = NewType("Price", Decimal)


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        (int, int),
        (None, type(None)),
        (object, Any),
        (Any, Any),
        (Side, Side),
        (Price, Decimal),
        (list, list[Any]),
        (dict, dict[Any, Any]),
        (set, set[Any]),
        (tuple, tuple[Any, ...]),
        ([int], list[int]),
        ([[int]], list[list[int]]),
        ((int, str), tuple[int, str]),
        ((int,), tuple[int]),
        (tuple[()], tuple[()]),
        ({int}, set[int]),
        ({Decimal: [int]}, dict[Decimal, list[int]]),
        ({(int, str): float}, dict[tuple[int, str], float]),
        (int | None, Union[int, None]),
        (Optional[int], Union[int, None]),
        ([int | None], list[Union[int, None]]),
        (Union[int, object], Any),
        (Literal["buy", 1], Literal["buy", 1]),
        (tuple[int, ...], tuple[int, ...]),
        (typing.List[int], list[int]),
        (typing.Dict, dict[Any, Any]),
        (Sequence[int], list[int]),
        (Mapping[str, int], dict[str, int]),
        (frozenset[int], frozenset[int]),
        (dict.__class_getitem__((str, [int])), dict[str, list[int]]),
    ],
)
def test_a_declared_type_becomes_one_typing_expression(declared: Any, expected: Any) -> None:
    assert canonical(declared, where=WHERE) == expected


@pytest.mark.parametrize(
    "scalar", [int, float, str, bytes, bool, Decimal, datetime, date, time, timedelta, UUID]
)
def test_each_documented_class_is_a_type(scalar: type) -> None:
    assert canonical(scalar, where=WHERE) is scalar


def test_text_keys_make_a_record_with_all_fields_required() -> None:
    type_ = canonical({"price": Decimal, "of a kind": [int]}, where=WHERE)
    assert fields_of(type_) == ({"price": Decimal, "of a kind": list[int]}, {})


def test_a_typeddict_keeps_its_optional_fields() -> None:
    assert fields_of(canonical(Row, where=WHERE)) == ({"price": Decimal}, {"note": str})


def test_a_canonical_type_may_be_read_again() -> None:
    once = canonical({"a": {str: (int, [Side])}, "b": Row}, where=WHERE)
    again = canonical(once, where=WHERE)
    assert describe(again) == describe(once)
    assert shape_of(again) == shape_of(once)


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ([], "[T]"),
        ([int, str], "[T]"),
        ((), "(T, U)"),
        ({}, "or dict for a mapping of anything"),
        ({int, str}, "{T}"),
        ({"a": int, str: int}, "with text keys alone"),
        ({int: str, float: str}, "one type of key"),
        ("int", "without quotes"),
        ([3], "got int 3"),
        (..., "got ellipsis"),
        (complex, "got class complex"),
        (bytearray, "got class bytearray"),
        (Mixed, "Mixed"),
        (Empty, "Empty"),
        (Union[str, Decimal], "more than one str-like type"),
        (Union[list[int], set[int]], "more than one array-like"),
        (Literal[True], "got bool True"),
        (typing.Callable[[int], int], "expected a type"),
        (dict[int], "expected 2 types in the brackets, got 1"),  # type: ignore[misc]
        (list[int, str], "expected 1 type in the brackets, got 2"),  # type: ignore[misc]
        (set[int, str], "expected 1 type in the brackets, got 2"),  # type: ignore[misc]
        (set[list[int]], "hashable"),
        ({dict: int}, "hashable"),
        ({(int, list): int}, "hashable"),
        (Loop, "Loop within itself"),
    ],
)
def test_what_is_no_type_is_refused_in_one_line(declared: Any, said: str) -> None:
    with pytest.raises(ModelError) as caught:
        canonical(declared, where=WHERE)
    message = str(caught.value)
    assert message.startswith(WHERE)
    assert said in message
    assert "\n" not in message


def test_a_declaration_that_holds_itself_is_refused() -> None:
    declared: list[Any] = []
    declared.append(declared)
    with pytest.raises(ModelError, match="at most 64 types"):
        canonical(declared, where=WHERE)


def test_a_bad_type_in_a_record_is_named_with_its_path() -> None:
    with pytest.raises(ModelError, match=r"orders\.levels\.price: expected a type"):
        canonical({"levels": {"price": "Decimal"}}, where=WHERE)


@pytest.mark.parametrize(
    ("declared", "text"),
    [
        (int, "int"),
        ([int], "[int]"),
        ((int, str), "(int, str)"),
        ({Decimal}, "{Decimal}"),
        ({str: int | None}, "{str: int | None}"),
        (dict, "dict"),
        (list, "list"),
        (object, "anything"),
        (Literal["buy", 1], "'buy' or 1"),
        (Side, "Side"),
        ({"a": int}, "{'a': int}"),
    ],
)
def test_a_type_is_described_as_a_model_writes_it(declared: Any, text: str) -> None:
    assert describe(canonical(declared, where=WHERE)) == text


@pytest.mark.parametrize(
    ("declared", "shape"),
    [
        (int, Leaf()),
        ([dict], Leaf()),
        ((int, {str: int}), Leaf()),
        ({int}, Leaf()),
        (int | None, Leaf()),
        (object, Open()),
        (dict, Open()),
        (dict[str, int] | None, Either(Table(Leaf()))),
        (dict | None, Open()),
        (Row | int | str, Either(Record({"price": Leaf()}, {"note": Leaf()}))),
        ({str: Row | int}, Table(Either(Record({"price": Leaf()}, {"note": Leaf()})))),
        (int | Annotated[dict[int, int], FEW], Either(Table(Leaf(), (FEW,)))),
        ({Decimal: int}, Table(Leaf())),
        (dict[str, object], Table(Open())),
        ({str: {int: int}}, Table(Table(Leaf()))),
        ({"a": int, "b": {int: int}}, Record({"a": Leaf(), "b": Table(Leaf())}, {})),
        (Row, Record({"price": Leaf()}, {"note": Leaf()})),
        (Annotated[list[int], FEW], Leaf()),
        (Annotated[dict, FEW], Open((FEW,))),
        (Annotated[dict, FEW] | int, Open((FEW,))),
        ({str: Annotated[dict[int, int], FEW]}, Table(Table(Leaf(), (FEW,)))),
    ],
)
def test_the_shape_says_what_merges(declared: Any, shape: Any) -> None:
    assert shape_of(canonical(declared, where=WHERE)) == shape


@pytest.mark.parametrize("name", ["größe", "цена", "価格"])
@pytest.mark.slow
def test_a_field_may_have_a_name_in_any_language_in_a_fresh_process(name: str) -> None:
    """Fresh: a text keeps its UTF-8 once something has asked for it."""
    code = (
        "from sf_actors.schema.types import record\n"
        "import msgspec, json, sys\n"
        "name = ''.join(map(chr, json.loads(sys.argv[1])))\n"
        "packed = msgspec.msgpack.encode({name: {name: 1}})\n"
        "name = ''.join(map(chr, json.loads(sys.argv[1])))\n"
        "inner = record({name: int}, {})\n"
        "decoded = msgspec.msgpack.decode(packed, type=record({name: inner}, {}))\n"
        "assert decoded == {name: {name: 1}}\n"
    )
    points = str(list(map(ord, name)))
    subprocess.run([sys.executable, "-c", code, points], check=True, timeout=30)
