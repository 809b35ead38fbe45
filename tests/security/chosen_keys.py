"""Keys that all have one hash, by the formulas of CPython, as MessagePack."""

from __future__ import annotations

import sys
from functools import cache
from uuid import UUID

from tests.support.bare_sockets import packed
from tests.support.effort import effort

#: CPython hashes a number to its rest by this prime.
PRIME = sys.hash_info.modulus

#: Bytes of each kind.
SIZE = effort(900_000, brief=300_000)

_LOW = 2**64 - 1


def pairs(count: int) -> list[tuple[int, int]]:
    """Return pairs of ints that all hash alike, by the formula backwards (tupleobject.c)."""
    first, second, fifth = 11400714785074694791, 14029467366897019727, 2870177450012600261
    undo_first, undo_second = pow(first, -1, 2**64), pow(second, -1, 2**64)

    def turned(value: int, by: int) -> int:
        return (value << by | value >> (64 - by)) & _LOW

    before = turned((12345 - (2 ^ fifth ^ 3527539)) * undo_first & _LOW, 33)
    found: list[tuple[int, int]] = []
    number = 0
    while len(found) < count:
        number += 1
        after = turned((fifth + number * second) & _LOW, 31) * first & _LOW
        other = (before - after) * undo_second & _LOW
        if other < PRIME:
            found.append((number, other))
    assert len({hash(pair) for pair in found}) == 1
    return found


@cache
def fields_with(kind: str, *, is_harmless: bool = False) -> bytes:
    """Return the packed fields `n` and a mapping of such keys: `decimals`, `uuids` or `pairs`.

    :param is_harmless: have as many and as large keys whose hashes differ
    """
    step = PRIME + is_harmless
    if kind == "decimals":
        keys = {str(step * n): 1 for n in range(1, SIZE // 23)}
        return packed({"n": 1, "prices": keys})
    if kind == "uuids":
        ids = {str(UUID(int=step * n)): 1 for n in range(1, SIZE // 39)}
        return packed({"n": 1, "ids": ids})
    head, chosen = packed({"n": 1, "anything": 0})[:-1], pairs(SIZE // 15)
    if is_harmless:
        chosen = [(first, second ^ first) for first, second in chosen]
    flat = b"".join(packed(pair) + b"\x01" for pair in chosen)
    return head + b"\xdf" + len(chosen).to_bytes(4) + flat
