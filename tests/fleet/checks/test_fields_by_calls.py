"""E201 says what calls do: each row of what is taken, and of what is not, is tried."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import EnumMeta
from types import UnionType
from typing import Annotated, Any, Literal, get_args, get_origin
from uuid import UUID

from sf_actors import RemoteError
from sf_actors.testing import module_of
from tests.fleet.checks.test_fields import NOT_TAKEN, TAKEN, Dot, Pair2, Point, Spot
from tests.support.services import service_of

NOON = datetime(2026, 1, 31, 12)

#: What is sent of a type; of records also without the fields that may be left out.
SAMPLES: dict[Any, list[Any]] = {
    int: [1],
    float: [1.5],
    str: ["x"],
    bytes: [b"x"],
    bool: [True],
    Decimal: [Decimal("1.5")],
    datetime: [NOON, NOON.replace(tzinfo=UTC)],
    date: [NOON.date()],
    time: [NOON.time()],
    timedelta: [timedelta(seconds=1)],
    UUID: [UUID(int=1)],
    type(None): [None],
    Point: [Point(1), {"x": 1}],
    Pair2: [Pair2(1, 2)],
    Dot: [{"x": 1}, {"x": 1, "y": 2}],
    Spot: [Spot(1), {"x": 1}],
}
#: What check calls a mistake although a receiver would read it.
STRICTER = (int, Decimal)


def samples(type_: Any) -> list[Any]:
    """Return values of a type that a receiver might not take."""
    if isinstance(type_, list):
        return [[], samples(type_[0])]
    if isinstance(type_, set):
        return [set(samples(next(iter(type_))))]
    if isinstance(type_, tuple):
        return [tuple(samples(one)[0] for one in type_)]
    if isinstance(type_, dict):
        if all(isinstance(key, str) for key in type_):
            return [{key: samples(one)[0] for key, one in type_.items()}]
        ((key, one),) = type_.items()
        return [{}, {samples(key)[0]: samples(one)[0]}]
    if isinstance(type_, EnumMeta):
        return list(type_)
    if get_origin(type_) is Literal:
        return list(get_args(type_))
    if get_origin(type_) is Annotated:
        meta = type_.__metadata__[0]
        given = samples(get_args(type_)[0])
        return [one for one in given if meta.tz is None or meta.tz == (one.tzinfo is not None)]
    if isinstance(type_, UnionType):
        return [value for one in get_args(type_) for value in samples(one)]
    return SAMPLES[type_]


def test_a_call_is_answered_where_check_says_that_its_values_are_taken() -> None:
    taken = [(f"taken{number}", *row) for number, row in enumerate(TAKEN)]
    untaken = [
        (f"untaken{number}", *row) for number, row in enumerate(NOT_TAKEN) if row != STRICTER
    ]
    rows = [*taken, *untaken]
    asks = {
        name: {"connection_type": "requester", "required_arguments": {"v": sent}}
        for name, sent, _ in rows
    }
    answers = {
        name: {
            "connection_type": "replyer",
            "required_arguments": {"v": wanted},
            "required_creation_arguments": {"on": lambda args: {}},
        }
        for name, _, wanted in rows
    }
    answering = service_of(
        module_of(connection_models={"in": answers}),
        addresses={"connections": {"in": {name: f"inproc://by_calls/{name}" for name in answers}}},
    )
    asking = service_of(
        module_of(connection_models={"out": asks}),
        addresses={"connections": {"out": {name: f"inproc://by_calls/{name}" for name in asks}}},
    )
    with answering, asking:
        refused = {name: sent for name, sent, _ in rows if not all_answered(asking, name, sent)}

    assert sorted(refused) == sorted(name for name, _, _ in untaken)


def all_answered(asking: Any, name: str, sent: Any) -> bool:
    """Return whether all samples of a type are taken."""
    for value in samples(sent):
        try:
            asking.to_send(name, {"v": value})
        except RemoteError as error:
            assert error.type == "InvalidMessage"  # noqa: PT017 - each of many
            return False
    return True
