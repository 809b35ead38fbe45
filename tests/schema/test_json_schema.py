"""JSON Schema of declared types, and the exact type beside it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import jsonschema
import msgspec
import pytest

from sf_actors.schema.json_schema import node_of, schema_of_fields
from sf_actors.schema.types import canonical


class Kind(enum.Enum):
    BUY = "buy"
    SELL = "sell"


class Order(TypedDict):
    price: Decimal
    note: NotRequired[str]


@dataclass
class Trade:
    price: Decimal
    size: int = 1


def node(declared: Any) -> dict[str, Any]:
    return node_of(canonical(declared, where="here"))


@pytest.mark.parametrize(
    ("declared", "spelled"),
    [
        (int, "int"),
        (None, "None"),
        (object, "object"),
        (Kind, "Kind"),
        ([Decimal], "[Decimal]"),
        (list, "list"),
        ((int, str), "(int, str)"),
        ((int,), "(int,)"),
        (tuple[()], "tuple[()]"),
        (tuple[int, ...], "tuple[int, ...]"),
        (tuple, "tuple"),
        ({int}, "{int}"),
        (frozenset[int], "frozenset[int]"),
        ({Decimal: [int]}, "{Decimal: [int]}"),
        (Mapping[str, int], "{str: int}"),
        (dict, "dict"),
        ({"a": int, "b": {"c": str}}, "{'a': int, 'b': {'c': str}}"),
        (int | None, "int | None"),
        (Literal["a", 1], "Literal['a', 1]"),
        (Order, "{'price': Decimal, 'note': NotRequired[str]}"),
        (Trade, "{'price': Decimal, 'size': NotRequired[int]}"),
        (Annotated[int, msgspec.Meta(ge=0)], "Annotated[int, Meta(ge=0)]"),
    ],
)
def test_each_place_tells_its_exact_type_in_the_notation_of_models(
    declared: Any, spelled: str
) -> None:
    assert node(declared)["x-sf-type"] == spelled


@pytest.mark.parametrize(
    ("declared", "good", "bad"),
    [
        (int, 1, "1"),
        (float, 1.5, "1.5"),
        (Decimal, "1.50", 1.5),
        (datetime, "2024-01-01T00:00:00Z", 7),
        (Kind, "buy", "hold"),
        (Literal["a", 1], 1, 2),
        ([int], [1, 2], [1, "2"]),
        ((int, str), [1, "a"], [1]),
        ({int}, [1, 2], [1, 1]),
        ({str: int}, {"a": 1}, {"a": "1"}),
        (Order, {"price": "1"}, {"note": "no price"}),
        (int | None, None, "1"),
        (Annotated[int, msgspec.Meta(ge=0, lt=5)], 4, 5),
        (Annotated[str, msgspec.Meta(max_length=2, pattern="^a")], "ab", "abc"),
        (Annotated[list[int], msgspec.Meta(min_length=1)], [1], []),
        (object, {"any": [1, None]}, ...),
    ],
)
def test_a_validator_takes_what_the_type_takes_in_its_text_form(
    declared: Any, good: Any, bad: Any
) -> None:
    validator = jsonschema.Draft7Validator(node(declared))

    jsonschema.Draft7Validator.check_schema(validator.schema)
    assert validator.is_valid(good)
    assert bad is ... or not validator.is_valid(bad)


def test_keys_that_are_no_texts_are_described_beside_the_values() -> None:
    assert node({int: str})["x-sf-keys"]["x-sf-type"] == "int"


def test_the_length_of_bytes_is_no_length_of_their_text() -> None:
    assert "maxLength" not in node(Annotated[bytes, msgspec.Meta(max_length=3)])


def test_fields_are_required_or_optional_as_they_are_declared() -> None:
    schema = schema_of_fields({"a": int}, {"b": str})

    assert schema["required"] == ["a"]
    assert list(schema["properties"]) == ["a", "b"]
