"""E201 and W201: each row of what is taken, and what nearly is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, TypedDict
from uuid import UUID

import msgspec
import pytest

from sf_actors.definition.models import build_models
from sf_actors.fleet.checks.fields import mismatches
from sf_actors.fleet.matching import Pair
from sf_actors.fleet.outlines import ModelOutline
from sf_actors.inspection.messages import messages_of


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Shade(Enum):
    RED = "red"
    BLUE = "blue"
    DARK = "dark"


class Level(Enum):
    LOW = 1


@dataclass
class Point:
    x: int
    y: int = 0


class Pair2(NamedTuple):
    x: int
    y: int


class Dot(TypedDict):
    x: int
    y: NotRequired[int]


class Spot(msgspec.Struct):
    x: int
    y: int = 0


def outline_of(kind: str, side: str, raw: dict[str, Any], service: str) -> ModelOutline:
    """Return the outline of one model as a service file declares it."""
    (model,) = build_models(
        kind,  # type: ignore[arg-type]
        {side: {"x": raw}},
        names={},
        where=f"{service}.py",
    )
    return ModelOutline(
        *(service, *model.key, model.type),
        dict(model.binds),
        dict(model.creation),
        messages_of(model),
        at=f"{service}.py:1",
    )


def codes(sent: dict[str, Any], taken: dict[str, Any]) -> list[str]:
    """Return the findings of a publisher and a subscriber with these keys."""
    sender = outline_of("connections", "out", {"connection_type": "publisher", **sent}, "a")
    handler = {"required_creation_arguments": {"on": lambda args: None}}
    receiver = outline_of(
        "connections", "in", {"connection_type": "subscriber", **handler, **taken}, "b"
    )
    return [one.code for one in mismatches([Pair(sender, receiver)])]


def of_types(sent: Any, taken: Any) -> list[str]:
    return codes({"required_arguments": {"v": sent}}, {"required_arguments": {"v": taken}})


TAKEN = [
    *((one, one) for one in (int, float, str, bytes, bool, Decimal, datetime, UUID, Colour)),
    (int, float),
    *((one, str) for one in (Decimal, UUID, date, time, timedelta)),
    (Annotated[datetime, msgspec.Meta(tz=False)], str),
    (Colour, str),
    (Level, int),
    (Colour, Shade),
    (Colour, Literal["red", "blue", "green"]),
    (Literal["red"], Literal["red", "blue"]),
    (Literal["red"], str),
    (Literal[1], int),
    (Literal["red"], Colour),
    (Literal[1, "red"], int | str),
    (Literal[1, "red"], Level | Literal["red"] | None),
    (Literal[1, 2], Annotated[int, msgspec.Meta(gt=0, lt=3)]),
    (Colour, Annotated[str, msgspec.Meta(max_length=4)]),
    (int, int | None),
    (int | None, int | str | None),
    (int | str, float | str),
    ((int, int), [int]),
    ({int}, [int]),
    ([int], {int}),
    ([int], [float]),
    ({str: int}, {str: float}),
    ({"x": int}, {"x": int}),
    (Point, {"x": int}),
    (Point, Dot),
    (Dot, Point),
    (Spot, Point),
    (Pair2, Point),
    (Point, {str: int}),
    *((one, object) for one in (int, [int], Point, {str: int})),
    (Point, dict),
    ({str: int}, dict),
    ([int], list),
    ((int, str), list),
]

NOT_TAKEN = [
    (bool, int),
    (int, bool),
    (float, int),
    (str, Decimal),
    (int, Decimal),
    (str, int),
    (str, Colour),
    (str, Literal["red"]),
    (Shade, Colour),
    (Colour, Literal["red"]),
    (Literal["red", "green"], Colour),
    (Literal[1, "red"], int | None),
    (Literal[1, 2, "red"], Level | str),
    (Annotated[datetime, msgspec.Meta(tz=True)], str),
    (Level, str),
    (int | None, int),
    (int | str, int),
    ([int], (int, int)),
    ((int, int, int), (int, int)),
    ([float], [int]),
    ({str: float}, {str: int}),
    ({int: int}, {str: int}),
    ({str: int}, {"x": int}),
    ({str: int}, Point),
    ({"x": int}, {"x": int, "y": int}),
    (Point, Pair2),
    ({"x": float}, Point),
    (int, [int]),
]


@pytest.mark.parametrize(("sent", "taken"), TAKEN)
def test_what_the_wire_takes_is_no_finding(sent: Any, taken: Any) -> None:
    assert of_types(sent, taken) == []


@pytest.mark.parametrize(("sent", "taken"), NOT_TAKEN)
def test_e201_is_told_of_what_the_wire_does_not_take(sent: Any, taken: Any) -> None:
    assert of_types(sent, taken) == ["E201"]


@pytest.mark.parametrize(
    ("sent", "taken"),
    [
        (object, int),
        (dict, Point),
        (dict, {str: int}),
        (list, [int]),
        (Literal[0, 1], Annotated[int, msgspec.Meta(gt=0)]),
        (int, Annotated[int, msgspec.Meta(ge=0)]),
        (Annotated[int, msgspec.Meta(ge=0)], Annotated[int, msgspec.Meta(ge=1)]),
        (str, Annotated[str, msgspec.Meta(max_length=5)]),
    ],
)
def test_w201_is_told_of_the_undeclared_and_of_tighter_bounds(sent: Any, taken: Any) -> None:
    assert set(of_types(sent, taken)) == {"W201"}


@pytest.mark.parametrize("taken", [str, str | None])
def test_a_datetime_of_which_nobody_says_that_it_has_a_zone_is_taken_as_text(taken: Any) -> None:
    assert of_types(datetime, taken) == []


def test_bounds_that_are_as_wide_will_do() -> None:
    tight = Annotated[int, msgspec.Meta(ge=1, le=4)]
    wide = Annotated[int, msgspec.Meta(ge=0, le=5)]

    assert of_types(tight, wide) == []
    assert of_types(tight, tight) == []
    assert of_types(tight, int) == []


def test_a_required_field_that_the_sender_may_leave_out_is_an_error() -> None:
    optional = {"optional_arguments": {"v": int}}
    required = {"required_arguments": {"v": int}}

    assert codes(optional, required) == ["E201"]
    assert codes({}, required) == ["E201"]
    assert codes(required, optional) == []


def test_a_field_more_is_an_error_where_unknown_ones_are_refused() -> None:
    more = {"required_arguments": {"v": int, "w": int}}
    less = {"required_arguments": {"v": int}}
    refuses = {"optional_creation_arguments": {"unknown_fields": "refuse"}}

    assert codes(more, less) == []
    assert codes(more, {**less, **refuses}) == ["E201"]
    assert codes(less, {**less, **refuses}) == []


def replies(answered: Any, wanted: Any) -> list[tuple[str, str]]:
    asks = outline_of(
        "connections",
        "out",
        {"connection_type": "requester", "required_return_arguments": {"v": wanted}},
        "a",
    )
    answers = outline_of(
        "connections",
        "in",
        {
            "connection_type": "replyer",
            "required_creation_arguments": {"on": lambda args: None},
            "required_return_arguments": {"v": answered},
        },
        "b",
    )
    return [(one.code, one.subject) for one in mismatches([Pair(asks, answers)])]


def test_of_replies_it_is_the_other_way_round() -> None:
    assert replies(int, float) == []
    assert replies(float, int) == [("E201", "a/x")]


@pytest.mark.parametrize("update", ["delta_update", "full_update"])
def test_states_are_compared_by_their_values(update: str) -> None:
    def state(side: str, type_: Any) -> ModelOutline:
        raw = {"state_type": update, "required_arguments": {"bids": {Decimal: type_}}}
        return outline_of("states", side, raw, "a" if side == "out" else "b")

    assert not list(mismatches([Pair(state("out", int), state("in", float))]))
    (finding,) = mismatches([Pair(state("out", float), state("in", int))])
    assert (finding.code, finding.subject) == ("E201", "b/x")
    assert finding.message == "bids{}: expected int, got float of a/x"
    assert (finding.at, finding.other_at) == ("b.py:1", "a.py:1")
