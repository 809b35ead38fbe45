"""Fields that a model lacks: dropped and told by name, in nested records too, at little cost."""

from __future__ import annotations

from decimal import Decimal
from time import process_time
from typing import Any, NotRequired, TypedDict

import msgspec
import pytest

from sf_actors.errors import InvalidMessage
from sf_actors.schema.schema import Schema
from sf_actors.schema.unknown import (
    MAX_FIELDS,
    MAX_REPORTED,
    UnknownFields,
    changes_nothing,
    nested_names,
)

packed = msgspec.msgpack.encode


class Client(TypedDict):
    name: str
    since: NotRequired[int]


class Heard:
    """What was counted and told."""

    def __init__(self) -> None:
        self.count = 0
        self.names: list[str] = []

    def add(self) -> None:
        self.count += 1


@pytest.fixture
def heard() -> Heard:
    return Heard()


def tolerant(
    heard: Heard, required: dict[str, Any], optional: dict[str, Any] | None = None
) -> Schema:
    schema = Schema(required, optional or {}, where="svc.py: orders")
    return schema.tolerant(UnknownFields(heard.add, heard.names.append))


def test_unknown_fields_are_dropped_counted_and_told(heard: Heard) -> None:
    schema = tolerant(heard, {"n": int}, {"text": str})

    assert schema.decoded(packed({"n": 1, "colour": "red", "size": [1, {}]})) == {"n": 1}
    assert (heard.count, heard.names) == (1, ["colour", "size"])


def test_a_name_is_told_once_but_each_message_counted(heard: Heard) -> None:
    schema = tolerant(heard, {"n": int})
    for n in range(3):
        assert schema.decoded(packed({"n": n, "colour": "red"})) == {"n": n}

    assert (heard.count, heard.names) == (3, ["colour"])


def test_a_usual_message_is_neither_counted_nor_told(heard: Heard) -> None:
    schema = tolerant(heard, {"n": int, "client": Client})
    schema.decoded(packed({"n": 1, "client": {"name": "x"}}))

    assert (heard.count, heard.names) == (0, [])


@pytest.mark.parametrize(
    ("declared", "value", "left"),
    [
        (Client, {"name": "x", "age": 3}, {"name": "x"}),
        ([Client], [{"name": "x"}, {"name": "y", "age": 3}], [{"name": "x"}, {"name": "y"}]),
        ({str: Client}, {"a": {"name": "x", "age": 3}}, {"a": {"name": "x"}}),
        ((int, Client), [1, {"name": "x", "age": 3}], (1, {"name": "x"})),
        (Client | None, {"name": "x", "age": 3}, {"name": "x"}),
    ],
)
def test_they_are_dropped_at_every_declared_depth(
    heard: Heard, declared: Any, value: Any, left: Any
) -> None:
    schema = tolerant(heard, {"who": declared})

    assert schema.decoded(packed({"who": value})) == {"who": left}
    assert heard.count == 1
    assert heard.names == ["who.age"]


def test_no_more_than_so_many_names_are_told(heard: Heard) -> None:
    schema = tolerant(heard, {"n": int})
    for number in range(3 * MAX_REPORTED):
        schema.decoded(packed({"n": 1, f"extra{number}": 1}))

    assert heard.count == 3 * MAX_REPORTED
    assert heard.names == [f"extra{number}" for number in range(MAX_REPORTED)]


def test_a_name_is_cut_and_escaped(heard: Heard) -> None:
    tolerant(heard, {"n": int}).decoded(packed({"n": 1, "a\x1b[2J\n" + "b" * 500: 1}))
    (name,) = heard.names

    assert len(name) < 80
    assert name.isprintable()


def test_what_is_wrong_besides_is_told_of_instead(heard: Heard) -> None:
    schema = tolerant(heard, {"n": int, "client": Client})
    for value, problem in (
        ({"colour": 1, "n": "1", "client": {"name": "x"}}, "field 'n': expected int, got str '1'"),
        ({"colour": 1, "client": {"name": "x"}}, "missing field 'n'"),
        ({"n": 1, "client": {"age": 3}}, "field 'client': missing field 'name'"),
    ):
        with pytest.raises(InvalidMessage, match=problem):
            schema.decoded(packed(value))

    assert heard.count == 0


def test_a_known_field_that_is_there_twice_is_refused_all_the_same(heard: Heard) -> None:
    twice = b"\x83" + packed("n") + b"\x01" + packed("x") + b"\x01" + packed("n") + b"\x02"
    with pytest.raises(InvalidMessage, match="expected each field once"):
        tolerant(heard, {"n": int}).decoded(twice)


def test_without_tolerance_they_are_refused() -> None:
    with pytest.raises(InvalidMessage, match="unknown field 'colour'"):
        Schema({"n": int}, {}, where="it").decoded(packed({"n": 1, "colour": 2}))


def test_a_patch_and_a_part_are_as_tolerant(heard: Heard) -> None:
    schema = tolerant(heard, {"n": int, "client": Client})

    assert schema.patch().decoded(packed({"client": {"age": 3}})) == {"client": {}}
    assert schema.partial().decoded(packed({"colour": 3})) == {}
    assert heard.names == ["client.age", "colour"]


@pytest.mark.parametrize("declared", [int, {Decimal: int}, object])
def test_a_hundred_thousand_of_them_cost_little(heard: Heard, declared: Any) -> None:
    schema = tolerant(heard, {"n": declared})
    value: Any = {"1": 1} if isinstance(declared, dict) else 1
    raw = packed({"n": value} | {f"n{number}": number for number in range(100_000)})
    began = process_time()
    schema.decoded(raw)

    assert process_time() - began < 0.5
    assert heard.count == 1
    assert len(heard.names) == MAX_REPORTED


@pytest.mark.slow
def test_too_many_of_them_are_refused_before_they_take_memory(heard: Heard) -> None:
    raw = packed({"n": 1} | {f"{number:x}": None for number in range(MAX_FIELDS)})
    with pytest.raises(InvalidMessage, match=f"at most {MAX_FIELDS} fields"):
        tolerant(heard, {"n": int}).decoded(raw)


@pytest.mark.slow
def test_the_search_for_names_in_nested_records_ends() -> None:
    type_ = Schema({"rows": [Client]}, {}, where="it")._type
    raw = packed({"rows": [{"name": "x"}] * 3_000 + [{"name": "x", "age": 3}]})

    assert list(nested_names(raw, type_)) == []


def test_a_patch_without_known_fields_changes_nothing() -> None:
    shape = Schema(
        {"n": int, "client": Client, "table": {int: int}, "rows": {int: Client}}, {}, where="it"
    ).shape

    held = {"n": 1, "client": {"name": "x"}, "table": {}, "rows": {1: {"name": "x"}, 2: 3}}

    assert changes_nothing({}, shape, held)
    assert changes_nothing({"client": {}, "rows": {1: {}}}, shape, held)
    assert not changes_nothing({"n": 1}, shape, held)
    assert not changes_nothing({"table": {}}, shape, held)
    assert not changes_nothing({"client": {"name": "x"}}, shape, held)
    assert not changes_nothing({"rows": {1: None}}, shape, held)


def test_a_record_that_a_patch_makes_is_a_change_without_known_fields_too() -> None:
    class Note(TypedDict, total=False):
        text: str

    shape = Schema({"rows": {int: Note | int}}, {"note": Note}, where="it").shape
    held = {"rows": {1: {"text": "x"}, 2: 3}}

    assert changes_nothing({"rows": {1: {}}}, shape, held)
    for patch in ({"note": {}}, {"rows": {2: {}}}, {"rows": {7: {}}}):
        assert not changes_nothing(patch, shape, held)
