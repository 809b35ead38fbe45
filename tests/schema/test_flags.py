"""Flags: their combinations travel, and strangers cannot make any number of them."""

from __future__ import annotations

import enum

import msgspec
import pytest

from sf_actors.definition.config.conversion import from_json, from_text
from sf_actors.errors import InvalidMessage, ModelError
from sf_actors.schema import flags
from sf_actors.schema.json_schema import node_of
from sf_actors.schema.mismatch import Mismatch
from sf_actors.schema.schema import Schema


class Access(enum.Flag):
    READ = 1
    WRITE = 2
    OWN = 8


def _packed(value: object) -> bytes:
    return msgspec.msgpack.encode({"it": value})


def _schema(type_: object) -> Schema:
    return Schema({"it": type_}, {}, where="model")


def test_a_combination_arrives_as_the_member_that_it_equals() -> None:
    both = Access.READ | Access.OWN
    schema = _schema(Access)
    assert schema.decoded(msgspec.msgpack.encode(schema.checked({"it": both})))["it"] is both


def test_a_bit_that_a_strict_flag_lacks_is_refused() -> None:
    with pytest.raises(InvalidMessage, match="expected Access, got int 4"):
        _schema(Access).decoded(_packed(4))


def _options() -> type[enum.IntFlag]:
    return enum.IntFlag("Options", {f"B{bit}": 1 << bit for bit in range(8)})


def test_a_peer_makes_a_bounded_number_of_combinations(monkeypatch: pytest.MonkeyPatch) -> None:
    options = _options()
    monkeypatch.setattr(flags, "COMBINATIONS", 50)
    schema = _schema([options])
    some = [value for value in range(3, 256) if value.bit_count() > 1][:50]
    schema.decoded(_packed(some))
    with pytest.raises(InvalidMessage, match="Options"):
        schema.decoded(_packed([255]))
    assert len(options._value2member_map_) == 58
    assert schema.decoded(_packed([1, some[-1]]))["it"] == [options(1), options(some[-1])]


def test_a_second_model_does_not_widen_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    options = _options()
    monkeypatch.setattr(flags, "COMBINATIONS", 2)
    schemas = [_schema(options) for _ in range(3)]
    assert [schemas[n].decoded(_packed(5 + n))["it"] for n in range(2)] == [5, 6]
    with pytest.raises(InvalidMessage):
        schemas[2].decoded(_packed(7))


def test_an_unknown_bit_of_a_flag_that_keeps_them_arrives_as_one_member() -> None:
    schema = _schema(_options())
    one, other = (schema.decoded(_packed(1 << 40 | 3))["it"] for _ in range(2))
    assert one is other


def test_a_flag_whose_values_may_be_plain_integers_is_refused() -> None:
    class Loose(enum.Flag, boundary=enum.EJECT):
        A = 1

    with pytest.raises(ModelError, match="Loose with boundary=EJECT; give it boundary=STRICT"):
        _schema(Loose)


def test_the_schema_of_a_flag_has_its_combinations() -> None:
    node = node_of(Access)
    assert (node["type"], node["minimum"], node["maximum"]) == ("integer", 0, 11)


def test_the_schema_of_a_flag_that_keeps_unknown_bits_is_that_of_an_int() -> None:
    class Options(enum.IntFlag):
        FAST = 1

    assert node_of(Options) == node_of(int)


@pytest.mark.parametrize("read", [lambda: from_text("9", Access), lambda: from_json(9, Access)])
def test_a_combination_can_be_configured(read) -> None:  # type: ignore[no-untyped-def]
    assert read() is Access.READ | Access.OWN


def test_a_configured_bit_that_the_flag_lacks_is_refused() -> None:
    with pytest.raises(Mismatch, match="expected Access"):
        from_text("4", Access)


def test_keys_of_flags_that_collide_are_refused() -> None:
    class Options(enum.IntFlag):
        FAST = 1

    schema = _schema({Options})
    assert not schema.is_harmless
