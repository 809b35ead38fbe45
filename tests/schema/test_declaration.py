"""Equal declarations share a schema; what could be told apart, or belongs to a user, does not."""

from __future__ import annotations

import collections.abc
import enum
import typing
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, TypedDict

import pytest

from sf_actors.errors import ModelError
from sf_actors.schema.declaration import MAX_SHARED, schema_of

if TYPE_CHECKING:
    from sf_actors.schema.schema import Schema

WHERE = "svc.py: model"


class Side(enum.Enum):
    """A class of a user."""

    BUY = 1


class Trade(TypedDict):
    """Another one."""

    price: float


def one(type_: object, *, where: str = WHERE) -> Schema:
    return schema_of({"x": type_}, {}, where=where)


def nested_in_itself() -> list[Any]:
    declared: list[Any] = []
    declared.append(declared)
    return declared


@pytest.mark.parametrize(
    "make",
    [
        lambda: int,
        lambda: [Decimal],
        lambda: (int, str),
        lambda: {str},
        lambda: {int: [float]},
        lambda: {"a": {"b": [int]}, "c": str},
        lambda: list[int],
        lambda: str | None,
        lambda: typing.Dict[str, typing.List[int]],  # noqa: UP006 - how users may write it
        lambda: Literal["a", "b"] | None,
        lambda: Any,
        lambda: None,
        lambda: dict,
        lambda: collections.abc.Sequence[int],
    ],
)
def test_equal_declarations_share_a_schema(make: collections.abc.Callable[[], object]) -> None:
    assert one(make()) is one(make())


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"a": int}, {"a": str}),
        ({"a": int, "b": int}, {"b": int, "a": int}),
        ({str: int}, {"str": int}),
        ([int], (int,)),
        ({int}, frozenset({int})),
        (int | str, str | int),
        (Literal["a", "b"], Literal["b", "a"]),
        (Literal[1], Literal["1"]),
        (int, [int]),
        (list, list[int]),
    ],
)
def test_what_can_be_told_apart_has_a_schema_of_its_own(first: object, second: object) -> None:
    assert one(first) is not one(second)


def test_a_field_that_must_be_there_is_not_one_that_may_be() -> None:
    assert schema_of({"x": int}, {}, where=WHERE) is not schema_of({}, {"x": int}, where=WHERE)


def test_another_place_has_a_schema_that_names_it() -> None:
    assert one(int, where="other.py: model").where == "other.py: model"
    assert one(int).where == WHERE


@pytest.mark.parametrize("type_", [Side, [Side], dict[str, Side], Trade])
def test_classes_of_a_user_are_not_kept(type_: Any) -> None:
    assert one(type_) is not one(type_)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        (typing.List, []),  # noqa: UP006 - how users may write it
        (Literal[1], Literal[True]),
        ([int], [5]),
    ],
)
def test_a_type_in_vain_stays_one_beside_its_likeness(right: object, wrong: object) -> None:
    one(right)

    with pytest.raises(ModelError):
        one(wrong)


@pytest.mark.parametrize("declared", [nested_in_itself(), "int", 5, lambda: None, {5: int}])
def test_what_is_no_type_is_refused_each_time(declared: object) -> None:
    for _ in range(2):
        with pytest.raises(ModelError):
            one(declared)


def test_a_declaration_that_changes_afterwards_is_another() -> None:
    declared: dict[str, object] = {"a": int}
    before = one(declared)

    declared["a"] = str

    assert one(declared) is not before
    assert before.decoded(b"\x81\xa1x\x81\xa1a\x01") == {"x": {"a": 1}}


def test_no_more_are_kept_than_there_is_room_for() -> None:
    first = one(int, where="0")
    for number in range(1, MAX_SHARED + 1):
        one(int, where=str(number))

    assert one(int, where="0") is not first
