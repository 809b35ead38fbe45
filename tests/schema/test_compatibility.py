"""What a receiver takes of what a sender may send."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, NotRequired, TypedDict
from uuid import UUID

import pytest
from msgspec import Meta

from sf_actors.schema.compatibility import Incompatibility, incompatibilities
from sf_actors.schema.json_schema import node_of, schema_of_fields
from sf_actors.schema.types import canonical


class Kind(enum.Enum):
    BUY = "buy"
    SELL = "sell"


class Number(enum.IntEnum):
    ONE = 1


class Order(TypedDict):
    price: Decimal
    note: NotRequired[str]


@dataclass
class Trade:
    price: Decimal


def problems(receiver: Any, sender: Any) -> list[Incompatibility]:
    return list(
        incompatibilities(
            node_of(canonical(receiver, where="receiver")),
            node_of(canonical(sender, where="sender")),
        )
    )


@pytest.mark.parametrize(
    ("receiver", "sender"),
    [
        (int, int),
        (float, int),
        (str, Decimal),
        (str, UUID),
        (str, datetime),
        (str, Kind),
        (int, Number),
        (Literal["buy", "sell", "hold"], Kind),
        (Kind, Literal["buy"]),
        (str, Literal["a"]),
        (Literal["a", "b"], Literal["a"]),
        (int | None, int),
        (int | str | None, int | None),
        ([int], (int, int)),
        ([int], {int}),
        ({int}, [int]),
        (tuple[int, ...], [int]),
        (Order, {"price": Decimal, "extra": int}),
        ({str: Decimal}, {"price": Decimal}),
        (dict, Order),
        (dict, {int: str}),
        (list, [Decimal]),
        (object, {int: [str]}),
        (Order, Trade),
        (Annotated[int, Meta(ge=0)], Annotated[int, Meta(ge=1, le=5)]),
        (int, Annotated[int, Meta(ge=1)]),
    ],
)
def test_taken_is(receiver: Any, sender: Any) -> None:
    assert problems(receiver, sender) == []


@pytest.mark.parametrize(
    ("receiver", "sender"),
    [
        (int, bool),
        (bool, int),
        (int, float),
        (Decimal, str),
        (Decimal, int),
        (datetime, str),
        (Kind, str),
        (Literal["a"], str),
        (Literal["a"], Literal["a", "b"]),
        (Literal[1], Literal["1"]),
        (Kind, Literal["buy", "hold"]),
        (int, int | None),
        ((int, int), [int]),
        ((int, int), (int, int, int)),
        ([int], [str]),
        ({str: int}, {int: int}),
        ({str: int}, {str: str}),
        (Order, {str: Decimal}),
        (Order, {"note": str}),
        ({"note": str}, Order),
        (int, [int]),
        ([int], int),
    ],
)
def test_never_taken_is(receiver: Any, sender: Any) -> None:
    assert [one.is_certain for one in problems(receiver, sender)] == [True]


@pytest.mark.parametrize(
    ("receiver", "sender"),
    [
        (int, object),
        ({str: int}, dict),
        ([int], list),
        (Order, dict),
        (int | None, object),
        (Annotated[int, Meta(ge=0)], int),
        (Annotated[int, Meta(gt=0)], Annotated[int, Meta(ge=0)]),
        (Annotated[str, Meta(max_length=3)], Annotated[str, Meta(max_length=4)]),
        (Annotated[str, Meta(pattern="a")], str),
        (Annotated[int, Meta(multiple_of=4)], Annotated[int, Meta(multiple_of=2)]),
        (Annotated[datetime, Meta(tz=True)], datetime),
    ],
)
def test_perhaps_not_taken_is(receiver: Any, sender: Any) -> None:
    assert [one.is_certain for one in problems(receiver, sender)][:1] == [False]


def test_a_problem_deep_inside_is_told_with_its_path() -> None:
    found = problems({"bids": {str: [{"price": Decimal}]}}, {"bids": {str: [{"price": str}]}})

    assert [str(one) for one in found] == ["bids{}[].price: Decimal is expected, str comes"]


def test_a_receiver_that_refuses_unknown_fields_takes_no_more_than_it_knows() -> None:
    receiver = schema_of_fields({"a": int}, {}) | {"additionalProperties": False}
    sender = schema_of_fields({"a": int}, {"b": int})

    assert [one.path for one in incompatibilities(receiver, sender)] == ["b"]


def test_a_field_that_the_sender_may_leave_out_is_not_enough_for_who_requires_it() -> None:
    receiver, sender = schema_of_fields({"a": int}, {}), schema_of_fields({}, {"a": int})

    assert [one.got for one in incompatibilities(receiver, sender)] == ["an optional one"]
