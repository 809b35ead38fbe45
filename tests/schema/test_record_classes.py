"""Dataclasses, NamedTuples, TypedDicts and Structs as types: records on the wire."""

import dataclasses
from collections import namedtuple
from dataclasses import InitVar, dataclass, field
from decimal import Decimal
from typing import Annotated, Any, NamedTuple, NotRequired, TypedDict

import msgspec
import pytest

from sf_actors.errors import InvalidArguments, InvalidMessage, ModelError
from sf_actors.schema.instances import builder_of
from sf_actors.schema.one_pass import reply_decoder, request_decoder
from sf_actors.schema.record_classes import record_class_of
from sf_actors.schema.schema import Schema
from sf_actors.schema.types import canonical, describe, fields_of
from sf_actors.wire.envelope import encode, encode_reply, encode_request


@dataclass(frozen=True)
class Point:
    x: int
    label: str = "none"
    tags: set[str] = field(default_factory=set)


class Pair(NamedTuple):
    x: int
    label: str = "none"


class Row(msgspec.Struct, frozen=True):
    x: int
    label: str = "none"


class Plain(TypedDict):
    x: int
    label: NotRequired[str]


@dataclass
class Order:
    price: Decimal
    at: Point
    rows: list[Row]
    by_name: dict[str, Pair]
    both: tuple[Pair, int]
    maybe: Point | None = None
    many: tuple[Row, ...] = ()


@dataclass
class Node:
    next: "Node | None" = None


@dataclass
class Positive:
    x: int

    def __post_init__(self) -> None:
        if self.x <= 0:
            raise ValueError("expected a positive x")


CLASSES = [Point, Pair, Row]
ORDER = Order(
    Decimal("1.50"),
    Point(1, tags={"a"}),
    [Row(1), Row(2, "two")],
    {"a": Pair(3)},
    (Pair(4, "four"), 5),
    Point(6),
    (Row(7),),
)


def schema_of(required: Any, optional: Any = None) -> Schema:
    return Schema(required, optional or {}, where="svc.py: orders")


def whole(declared: Any) -> Schema:
    """Return the schema of messages that are instances."""
    type_ = canonical(declared, where="it")
    return Schema(*fields_of(type_), where="it", stands_for=record_class_of(type_))


def refusal(declared: Any) -> str:
    with pytest.raises(ModelError) as caught:
        canonical(declared, where="svc.py: field 'x'")
    message = str(caught.value)
    assert message.startswith("svc.py: field 'x'")
    assert "\n" not in message
    return message


@pytest.mark.parametrize("kind", CLASSES)
def test_an_instance_comes_back_as_an_instance(kind: Any) -> None:
    schema = schema_of({"it": kind})
    sent = schema.checked({"it": kind(1, "one")})

    assert type(sent["it"]) is dict
    assert schema.decoded(encode(sent)) == {"it": kind(1, "one")}
    assert type(schema.decoded(encode(sent))["it"]) is kind


@pytest.mark.parametrize("kind", CLASSES)
def test_a_dict_may_be_sent_in_its_place_without_what_has_a_default(kind: Any) -> None:
    schema = schema_of({"it": kind})

    assert schema.decoded(encode(schema.checked({"it": {"x": 1}}))) == {"it": kind(1)}


@pytest.mark.parametrize("kind", [*CLASSES, Plain])
def test_on_the_wire_it_is_a_map_of_its_fields(kind: Any) -> None:
    sent = schema_of({"it": kind}).checked({"it": {"x": 1, "label": "one"}})

    assert msgspec.msgpack.decode(encode(sent)) == {"it": {"x": 1, "label": "one"}}


def test_a_typed_dict_comes_back_as_a_dict() -> None:
    assert schema_of({"it": Plain}).decoded(encode({"it": {"x": 1}})) == {"it": {"x": 1}}


def test_instances_are_made_at_every_depth() -> None:
    schema = schema_of({"order": Order})
    sent = schema.checked({"order": ORDER})
    got = schema.decoded(encode(sent))["order"]

    assert got == ORDER
    assert type(got.rows[1]) is Row
    assert type(got.by_name["a"]) is Pair
    assert type(got.both[0]) is Pair


def test_the_whole_message_may_be_an_instance() -> None:
    schema = whole(Order)

    assert schema.decoded(encode(schema.checked(ORDER))) == ORDER
    assert schema.decoded(
        encode(
            schema.checked(
                dataclasses.asdict(ORDER)
                | {"rows": [], "by_name": {}, "both": (Pair(4), 5), "many": ()}
            )
        )
    ).both == (Pair(4), 5)


@pytest.mark.parametrize("kind", CLASSES)
def test_a_whole_message_of_scalars_may_be_an_instance(kind: Any) -> None:
    schema = whole(kind)

    assert schema.decoded(encode(schema.checked(kind(1)))) == kind(1)
    assert schema.decoded(encode({"x": 1})) == kind(1)


def test_what_is_sent_shares_nothing_with_the_instance() -> None:
    @dataclass
    class Table:
        levels: dict[str, int]

    given = Table({"a": 1})
    sent = whole(Table).checked(given)
    given.levels["b"] = 2

    assert sent == {"levels": {"a": 1}}


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (Point("1"), "'it.x': expected int, got str '1'"),  # type: ignore[arg-type]
        (Pair(1), "'it': expected Point or a dict of x, label, tags, got Pair"),
        ({"x": 1, "y": 2}, "'it': unknown field 'y'"),
        ({}, "'it': missing field 'x'"),
        (5, "'it': expected Point or a dict of x, label, tags, got int 5"),
    ],
)
def test_what_does_not_fit_is_refused_when_it_is_sent(value: Any, problem: str) -> None:
    with pytest.raises(InvalidArguments) as caught:
        schema_of({"it": Point}).checked({"it": value})

    assert problem in str(caught.value)


def test_what_a_constructor_raises_makes_a_message_invalid() -> None:
    raw = encode({"rows": [{"x": 1}, {"x": -1}]})
    with pytest.raises(InvalidMessage) as caught:
        schema_of({"rows": [Positive]}).decoded(raw)

    assert str(caught.value) == (
        "svc.py: orders: field 'rows[1]': Positive raised ValueError: expected a positive x"
    )
    assert caught.value.is_of_user_code


def test_in_a_state_it_stands_for_its_fields() -> None:
    schema = whole(Point).of_dicts()

    assert schema.decoded(encode(schema.checked(Point(1)))) == {
        "x": 1,
        "label": "none",
        "tags": set(),
    }
    rows = schema_of({"rows": {int: Row}}).of_dicts()
    patch = rows.patch()
    assert patch.decoded(encode(patch.checked({"rows": {1: Row(2), 3: {"x": 4}}}))) == {
        "rows": {1: {"x": 2, "label": "none"}, 3: {"x": 4}}
    }


@pytest.mark.parametrize(
    ("declared", "problem"),
    [
        (Point | Pair, "more than one"),
        (Point | dict, "more than one"),
        (type("Tagged", (msgspec.Struct,), {"__annotations__": {"x": int}}, tag=True), "'tag'"),
        (
            type("Renamed", (msgspec.Struct,), {"__annotations__": {"x_y": int}}, rename="camel"),
            "'rename'",
        ),
        (
            type("Array", (msgspec.Struct,), {"__annotations__": {"x": int}}, array_like=True),
            "'array_like'",
        ),
        (namedtuple("Untyped", ["x"]), "a type for each field of Untyped"),  # noqa: PYI024
        (dataclasses.make_dataclass("Odd", [("x", "Missing")]), "Odd cannot be read"),
        (dataclasses.make_dataclass("Own", [("x", int), ("y", InitVar[int])]), "takes its fields"),
        (dataclasses.make_dataclass("Deep", [("x", complex)]), "got class complex"),
        ({Point}, "hashable"),
        ({Point: int}, "hashable"),
        (Node, "Node within itself"),
    ],
)
def test_what_cannot_be_a_record_is_refused_at_load(declared: Any, problem: str) -> None:
    assert problem in refusal(declared)


def test_a_field_that_the_constructor_does_not_take_is_none_of_the_message() -> None:
    @dataclass
    class Sum:
        a: int
        b: int
        total: int = field(init=False)

        def __post_init__(self) -> None:
            self.total = self.a + self.b

    schema = whole(Sum)
    assert schema.checked(Sum(1, 2)) == {"a": 1, "b": 2}
    assert schema.decoded(encode({"a": 1, "b": 2})).total == 3


def test_it_is_described_by_its_name() -> None:
    assert describe(canonical([Point], where="it")) == "[Point]"


def test_where_nothing_is_made_nothing_is_looked_at() -> None:
    assert builder_of(canonical({"a": [Plain], "b": {int: int}}, where="it")) is None


PERCENT = Annotated[int, msgspec.Meta(ge=0, le=100)]


@pytest.mark.parametrize(
    ("declared", "fits", "problem"),
    [
        (PERCENT, 100, 101),
        (Annotated[float, msgspec.Meta(gt=0)], 0.5, 0.0),
        (Annotated[int, msgspec.Meta(multiple_of=5)], 10, 11),
        (Annotated[str, msgspec.Meta(min_length=1, max_length=3)], "abc", "abcd"),
        (Annotated[str, msgspec.Meta(pattern="^[a-z]+$")], "abc", "ABC"),
        (Annotated[list[int], msgspec.Meta(max_length=2)], [1, 2], [1, 2, 3]),
        ([PERCENT], [1, 2], [1, -1]),
        ({str: PERCENT}, {"a": 1}, {"a": 200}),
        ({"a": PERCENT}, {"a": 1}, {"a": 200}),
        (PERCENT | None, None, 200),
        (PERCENT | str, "abc", 200),
    ],
)
def test_bounds_are_held_to_on_both_sides(declared: Any, fits: Any, problem: Any) -> None:
    schema = schema_of({"it": declared}, {"n": int})

    assert schema.decoded(encode(schema.checked({"it": fits}))) == {"it": fits}
    with pytest.raises(InvalidArguments, match="expected"):
        schema.checked({"it": problem})
    with pytest.raises(InvalidMessage, match=r"expected|Expected"):
        schema.decoded(encode({"it": problem}))


def test_bounds_are_told_as_they_are_written() -> None:
    with pytest.raises(InvalidArguments, match=r"expected int \(ge=0, le=100\), got int 101"):
        schema_of({"it": PERCENT}).checked({"it": 101})


def test_what_is_no_bound_is_ignored() -> None:
    declared = Annotated[int, "a text", msgspec.Meta(title="it")]

    assert canonical(declared, where="it") is int


def test_bounds_that_a_type_cannot_have_are_refused_at_load() -> None:
    assert "numeric" in refusal(Annotated[str, msgspec.Meta(ge=0)])


def test_the_parts_of_a_patch_need_not_be_within_the_bounds_of_the_whole() -> None:
    table = Annotated[dict[str, PERCENT], msgspec.Meta(min_length=2)]
    patch = schema_of({"it": table}).patch()

    assert patch.checked({"it": {"a": 1}}) == {"it": {"a": 1}}
    assert patch.checked({"it": {"a": None}}) == {"it": {"a": None}}
    with pytest.raises(InvalidArguments, match="expected"):
        patch.checked({"it": {"a": 101}})


def test_a_list_of_records_is_replaced_whole_by_a_patch_and_held_to_its_bounds() -> None:
    patch = schema_of({"it": Annotated[list[Row], msgspec.Meta(max_length=1)]}).patch()

    assert patch.checked({"it": [Row(1)]}) == {"it": [{"x": 1, "label": "none"}]}
    with pytest.raises(InvalidArguments, match="max_length=1"):
        patch.checked({"it": [Row(1), Row(2)]})


def test_a_flood_of_instances_is_refused_before_they_are_made() -> None:
    @dataclass
    class Greedy:
        a: list[int] = field(default_factory=list)
        b: set[int] = field(default_factory=set)
        c: dict[str, int] = field(default_factory=dict)

        def __post_init__(self) -> None:
            pytest.fail("it was made")

    with pytest.raises(InvalidMessage, match="more"):
        schema_of({"rows": [Greedy]}).decoded(encode({"rows": [{}] * 190_000}))


@pytest.mark.parametrize("kind", CLASSES)
def test_the_usual_message_becomes_an_instance_in_one_pass(kind: Any) -> None:
    request = encode_request({"x": 1}, "w")
    decoded = request_decoder(whole(kind))(request)

    assert decoded.args == kind(1)


def test_a_constructor_that_raises_is_left_to_the_two_passes() -> None:
    assert request_decoder(whole(Positive))(encode_request({"x": -1}, "w")) is None
    assert reply_decoder(whole(Positive))(encode_reply({"x": -1}, "w")) is None
    assert reply_decoder(whole(Positive))(encode_reply({"x": 1}, "w")) == Positive(1)
