from __future__ import annotations

import random
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import msgpack
import pytest

from sf_actors.errors import InvalidMessage
from sf_actors.schema import collisions
from sf_actors.schema.collisions import ChosenKeys, require_spread
from sf_actors.schema.schema import Schema
from sf_actors.wire.envelope import encode

#: CPython hashes a number to its rest by this prime (sys.hash_info.modulus).
PRIME = 2**61 - 1

DECIMALS = [Decimal(PRIME * n) for n in range(600)]
UUIDS = [UUID(int=PRIME * n) for n in range(600)]


def schema(declared: Any) -> Schema:
    return Schema({"x": declared}, {}, where="it")


def packed(value: Any) -> bytes:
    return encode({"x": value})


class TestKeys:
    @pytest.mark.parametrize("keys", [DECIMALS, UUIDS], ids=["decimals", "uuids"])
    def test_many_with_one_hash_are_refused(self, keys: list[Any]) -> None:
        with pytest.raises(ChosenKeys, match="600"):
            require_spread(keys)
        require_spread(keys[:32])

    @pytest.mark.parametrize(
        "keys",
        [
            list(range(20_000)),
            [n * 0.01 for n in range(20_000)],
            [Decimal(n) / 100 for n in range(20_000)],
            [1_700_000_000_000_000_000 + n * 1_000_000 for n in range(20_000)],
            [n << 24 for n in range(100_000)],
            [n << 40 for n in range(100_000)],
            [(n, n % 7) for n in range(20_000)],
            [timedelta(seconds=n) for n in range(20_000)],
            [uuid4() for _ in range(2_000)],
        ],
        ids=[
            "ints",
            "floats",
            "decimals",
            "times",
            "shifted",
            "shifted far",
            "tuples",
            "timedeltas",
            "uuids",
        ],
    )
    @pytest.mark.parametrize("is_set", [False, True])
    def test_those_that_nobody_chose_pass(self, keys: list[Any], is_set: bool) -> None:
        require_spread(keys, is_set=is_set)

    @pytest.mark.slow
    def test_those_whose_ways_meet_though_their_hashes_differ_are_refused(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """First a long row of places that one leads to the next, then keys that end up in it.

        So few take some 20 ms, as many others 1 ms.
        """
        monkeypatch.setattr(collisions, "_ALLOWED_S", 0.005)
        monkeypatch.setattr(collisions, "_ALLOWED_PER_KEY_S", 1e-7)
        rng, mask = random.Random(5), 2**14 - 1
        row = [1]
        while len(row) < 9_000:
            row.append((row[-1] * 5 + 1) & mask)
        taken, chosen = set(row), []
        while len(chosen) < 1_500:
            place = rng.choice(row)
            rest = key = (rng.getrandbits(46) << 14) | place
            for _ in range(13):
                rest >>= 5
                place = (place * 5 + rest + 1) & mask
                if place not in taken:
                    break
            else:
                chosen.append(key)
        with pytest.raises(ChosenKeys):
            require_spread(row + chosen)
        # with what is really allowed, since a busy machine may take longer than this test allows
        monkeypatch.undo()
        require_spread(range(len(row + chosen)))

    @pytest.mark.slow
    def test_usual_ones_are_put_into_no_table_but_their_own(self) -> None:
        """What is allowed grows with them: it is no time that a busy machine could use up."""
        require_spread(range(1_000_000))


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        ({Decimal: int}, dict.fromkeys(DECIMALS, 1)),
        ({UUID: str}, dict.fromkeys(UUIDS, "")),
        ({Decimal}, set(DECIMALS)),
        ([{Decimal: int}], [{}, dict.fromkeys(DECIMALS, 1)]),
        ({str: {Decimal: int}}, {"a": dict.fromkeys(DECIMALS, 1)}),
        ({Decimal: {UUID: int}}, {Decimal(1): dict.fromkeys(UUIDS, 1)}),
        ({"book": {Decimal: int}}, {"book": dict.fromkeys(DECIMALS, 1)}),
        (({Decimal: int}, int), (dict.fromkeys(DECIMALS, 1), 1)),
        (dict[Decimal, int] | None, dict.fromkeys(DECIMALS, 1)),
        ({(Decimal, int): int}, {(key, 1): 1 for key in DECIMALS}),
        (dict[frozenset[Decimal], int], {frozenset(DECIMALS): 1}),
        (set[frozenset[Decimal]], {frozenset(DECIMALS)}),
        (dict[tuple[frozenset[UUID], int], int], {(frozenset(UUIDS), 1): 1}),
        ([{Decimal: int}], [dict.fromkeys(DECIMALS[:40], 1)] * 20),
    ],
)
def test_chosen_keys_are_refused_wherever_they_stand(declared: Any, value: Any) -> None:
    with pytest.raises(InvalidMessage, match="hashes differ"):
        schema(declared).decoded(packed(value))


def tuples_with_one_hash(count: int) -> list[tuple[int, int]]:
    """Return pairs that all hash alike, by CPython's formula backwards (Objects/tupleobject.c)."""
    low, first, second, fifth = (1 << 64) - 1, 11400714785074694791, 14029467366897019727, 0
    fifth = 2870177450012600261
    undo_first, undo_second = pow(first, -1, 1 << 64), pow(second, -1, 1 << 64)

    def turned(value: int, by: int) -> int:
        return (value << by | value >> (64 - by)) & low

    found: list[tuple[int, int]] = []
    aim = 12345
    before = turned((aim - (2 ^ fifth ^ 3527539)) * undo_first & low, 33)
    for number in range(1, 100 * count):
        after = turned((fifth + number * second) & low, 31) * first & low
        other = (before - after) * undo_second & low
        if other < PRIME and len(found) < count:
            found.append((number, other))
    assert {hash(pair) for pair in found} == {aim}
    return found


@pytest.mark.parametrize("declared", [dict, object, [dict], {(int, int): int}, {(int, int)}])
def test_tuples_that_were_chosen_are_refused(declared: Any) -> None:
    chosen = tuples_with_one_hash(600)
    value: Any = dict.fromkeys(chosen, 0)
    if declared == [dict]:
        value = [{"deep": value}]
    elif isinstance(declared, set):
        value = chosen
    with pytest.raises(InvalidMessage, match="hashes differ"):
        schema(declared).decoded(msgpack.packb({"x": value}))


def test_tuples_that_nobody_chose_pass_in_an_undeclared_place() -> None:
    value = {(n * 2**30, n): 0 for n in range(600)}
    assert schema(dict).decoded(msgpack.packb({"x": value})) == {"x": value}


@pytest.mark.parametrize("declared", [object, dict, {object}])
def test_a_map_as_a_key_is_refused_before_it_is_read(declared: Any) -> None:
    inner = msgpack.packb({(n, str(n)): 0 for n in range(600)})
    packed_key = b"\x81" + inner + b"\x01" if declared != {object} else b"\x91" + inner
    for key in (packed_key, packed_key.replace(inner, b"\x91" + inner)):
        with pytest.raises(InvalidMessage):
            schema(declared).decoded(b"\x81\xa1x" + key)


def test_a_place_that_stands_twice_hides_nothing() -> None:
    evil, fine = (msgpack.packb(one) for one in ({str(key): 1 for key in DECIMALS}, {}))
    for raw in (b"\x82\xa1x" + evil + b"\xa1x" + fine, b"\x82\xd9\x01x" + evil + b"\xa1x" + fine):
        with pytest.raises(InvalidMessage, match="hashes differ"):
            schema({Decimal: int}).decoded(raw)


def test_what_is_large_and_harmless_passes() -> None:
    value = {Decimal(n) / 100: n for n in range(5_000)}
    assert schema({Decimal: int}).decoded(packed(value)) == {"x": value}
    undeclared = {"a": {n: [n, "x" * 40, {"b": b"\xde\xff\xff" * 100}] for n in range(1_000)}}
    assert schema(dict).decoded(packed(undeclared)) == {"x": undeclared}


def test_a_key_that_cannot_be_hashed_is_refused_not_raised() -> None:
    raw = msgpack.packb({"x": {**{str(n): 1 for n in range(1_000)}, "sNaN": 1}})
    with pytest.raises(InvalidMessage):
        schema({Decimal: int}).decoded(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"\x81\xa1x\xdf\xff\xff\xff\xff" + b"\xa11\x01" * 2_000,
        b"\x81\xa1x\xde\xff\xff" + b"\xa11\x01" * 2_000,
        b"\xdf\x00\x10\x00\x00" + b"\xa1x\xc0" * 3_000,
        b"\x81\xa1x" + b"\x91" * 5_000,
    ],
)
def test_large_bytes_that_lie_are_refused_not_raised(raw: bytes) -> None:
    for declared in ({Decimal: int}, [{Decimal: int}], {"a": {Decimal: int}}, object, {Decimal}):
        with pytest.raises(InvalidMessage):
            schema(declared).decoded(raw)
