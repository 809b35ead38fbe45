"""MessagePack with malice: what a peer may send that knows our messages, and means ill."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING
from uuid import UUID

from msgspec.msgpack import encode as packed

from tests.support.bare_sockets import nested

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

#: A payload, and what it is.
Made = tuple[str, bytes]

#: Python's hash of a number is its rest by this, and so is that of a Decimal and of a UUID.
MODULUS = 2**61 - 1

#: Numbers that are one too many, one too few, or none.
NUMBERS: list[object] = [0, 1, -1, -2, -3, 2**31, 2**53, 2**62, 2**63 - 1, 2**63, 2**64 - 1]
NUMBERS += [-(2**63), 1.5, math.nan, math.inf, True, None, "1", 10**6]

#: Keys that collide, and empty containers, in one message.
COLLIDING = 3_000
EMPTY = 200_000

#: What a flood of empty containers is made of.
CONTAINERS = {"lists": b"\x90", "maps": b"\x80"}

BROKEN_TIMES = [
    b"\xd6\xff\x00\x00\x00\x00",
    b"\xd7\xff" + b"\xff" * 8,
    b"\xc7\x0c\xff" + b"\xff" * 12,
    b"\xc7\x0c\xff" + bytes(4) + b"\x80" + bytes(7),
]
EXTENSIONS = [
    b"\xd4\x05x",
    b"\xc7\x00\x01",
    b"\xc7\x05\x7fabcde",
    b"\xc8\xff\xff\x01short",
    b"\xc9\xff\xff\xff\xff\x01short",
    *BROKEN_TIMES,
]
NO_MESSAGES = [
    b"",
    b"\xc1",
    b"\x80",
    b"\x90",
    b"\xc0",
    b"\xff",
    b"\xdf\xff\xff\xff\xff\xa1a",
    b"\xdd\xff\xff\xff\xff",
    b"\xdb\xff\xff\xff\xffabc",
    b"\xc6\xff\xff\xff\xff",
    b"\x81\xa4args",
    b"\x81\xa4args\xdf\x7f\xff\xff\xff",
]


def pack_map(*items: tuple[bytes, bytes]) -> bytes:
    """Return a map of packed keys and values, which may be there twice."""
    return b"\xdf" + len(items).to_bytes(4, "big") + b"".join(key + value for key, value in items)


def named(**values: bytes) -> bytes:
    """Return a map of names and packed values."""
    return pack_map(*((packed(name), value) for name, value in values.items()))


@cache
def colliding(kind: str) -> bytes:
    """Return a packed map of many keys that all have one hash."""
    keys: list[object]
    if kind == "Decimal":
        keys = [str(MODULUS * number) for number in range(1, COLLIDING)]
    elif kind == "UUID":
        keys = [str(UUID(int=MODULUS * number)) for number in range(1, COLLIDING)]
    elif kind == "tuple":
        keys = [(str(MODULUS * number), "0") for number in range(1, COLLIDING)]
    else:
        keys = [MODULUS * number for number in range(-4, 9)]
    return pack_map(*((packed(key), b"\x01") for key in keys))


@cache
def flood(kind: str, count: int) -> bytes:
    """Return a packed list of many empty containers."""
    return b"\xdd" + count.to_bytes(4, "big") + CONTAINERS[kind] * count


#: The fields whose keys a model declares as such, by the type of the keys.
KEYED = {"Decimal": "prices", "UUID": "ids", "tuple": "pairs", "int": "anything"}


def hostile_value(rng: random.Random) -> Made:
    """Make a value that has no good reason."""
    kind = rng.choices(VALUES, WEIGHTS)[0]
    return kind(rng)


def _number(rng: random.Random) -> Made:
    number = rng.choice(NUMBERS)
    return repr(number), packed(number)


def _deep(rng: random.Random) -> Made:
    depth = rng.choice([60, 64, 65, 200, 1_000, 10_000])
    if rng.random() < 0.5:
        return f"lists {depth} deep", nested(depth)
    return f"maps {depth} deep", b"\x81\xa1a" * depth + b"\xc0"


def _empty(rng: random.Random) -> Made:
    kind = rng.choice(list(CONTAINERS))
    count = rng.choices([10, 1_000, 60_000, EMPTY], [6, 6, 3, 1])[0]
    return f"{count} empty {kind}", flood(kind, count)


def _extension(rng: random.Random) -> Made:
    value = rng.choice(EXTENSIONS)
    return f"the extension {value.hex()}", value


def _collision(rng: random.Random) -> Made:
    kind = rng.choice(list(KEYED))
    return f"{kind} keys that collide", colliding(kind)


def _odd_map(rng: random.Random) -> Made:
    nan, key = packed(math.nan), rng.choice([b"\xc0", b"\x90", b"\x80", b"\x07", b"\xc4\x01a"])
    what, items = rng.choice(
        [
            ("NaN keys", [(nan, b"\x01")] * 20),
            ("a key twice", [(b"\xa1n", b"\x01")] * 2),
            ("a key that is no text", [(key, b"\x01")]),
            ("keys of two types", [(b"\x01", b"\x01"), (b"\xa11", b"\x01")]),
            ("2,000 keys", [(packed(f"k{at}"), b"\xc0") for at in range(2_000)]),
        ]
    )
    return what, pack_map(*items)


def _text(rng: random.Random) -> Made:
    what, value = rng.choice(
        [
            ("a text of 60,000", packed("x" * 60_000)),
            ("escape sequences", packed("\x1b[2J\x1b]0;owned\x07\r\nready\n")),
            ("lone surrogates", b"\xa3\xed\xa0\x80"),
            ("no UTF-8", b"\xa2\xff\xfe"),
            ("a Decimal of a long exponent", packed("1E+999999999")),
            ("a Decimal of 20,000 digits", packed("9" * 20_000)),
            ("sNaN", packed("sNaN")),
            ("20,000 bytes", packed(bytes(20_000))),
        ]
    )
    return what, value


VALUES: list[Callable[[random.Random], Made]]
VALUES = [_number, _deep, _empty, _extension, _collision, _odd_map, _text]
WEIGHTS = [10, 3, 2, 4, 0.6, 4, 4]


def _whole(rng: random.Random) -> Made:
    return "nothing wrong", named(n=packed(rng.randrange(100)))


def _one_is_hostile(rng: random.Random) -> Made:
    name = rng.choice(["n", "prices", "ids", "pairs", "anything", "record", "unknown", "größe"])
    what, value = hostile_value(rng)
    return f"{name}: {what}", pack_map((b"\xa1n", b"\x01"), (packed(name), value))


def _collisions(rng: random.Random) -> Made:
    kind = rng.choice(list(KEYED))
    return f"{kind} keys that collide", named(n=b"\x01", **{KEYED[kind]: colliding(kind)})


def _of_odd_keys(rng: random.Random) -> Made:
    kind = rng.choice(list(KEYED))
    key = rng.choice(["NaN", "sNaN", "Infinity", "-0", "0", "0.0", "1E+999999999", "x", "", 1, -1])
    items = [(packed(key), b"\x01")] * rng.randrange(1, 3)
    return f"{kind} key {key!r}", named(n=b"\x01", **{KEYED[kind]: pack_map(*items)})


def _flat(rng: random.Random) -> Made:
    return hostile_value(rng)


FIELDS = [_whole, _one_is_hostile, _collisions, _of_odd_keys, _flat]
FIELDS_WEIGHTS = [10, 10, 0.3, 3, 3]


def hostile_fields(rng: random.Random) -> Made:
    """Make the fields of a message: sound ones, too, since what is around them may not be."""
    return rng.choices(FIELDS, FIELDS_WEIGHTS)[0](rng)


def _with_keys(rng: random.Random, what: str, args: bytes, *names: str) -> Made:
    """Put fields into an envelope with some keys of ours, whose values are at random."""
    said, items = [what], [(b"\xa4args", args)]
    for name in names:
        if rng.random() < 0.4:
            value = _number(rng) if rng.random() < 0.8 else hostile_value(rng)
            said.append(f"{name} {value[0]}")
            items.append((packed(name), value[1]))
    if rng.random() < 0.05:
        said.append("args twice")
        items.append((b"\xa4args", args))
    if rng.random() < 0.3:
        added = hostile_value(rng)
        said.append(f"workflow_id: {added[0]}")
        items.append((b"\xabworkflow_id", added[1]))
    rng.shuffle(items)
    return ", ".join(said), pack_map(*items)


def request(rng: random.Random) -> Made:
    """Make a request."""
    what, fields = hostile_fields(rng)
    made = _with_keys(rng, f"a request with {what}", fields, "expires_in_s", "seen")
    if rng.random() < 0.5:
        number = rng.choice([rng.randrange(200), *NUMBERS])
        return f"{made[0]}, request id {number!r}", _added(made[1], "request_id", packed(number))
    return made


def _added(packed_map: bytes, name: str, value: bytes) -> bytes:
    count = int.from_bytes(packed_map[1:5], "big") + 1
    return b"\xdf" + count.to_bytes(4, "big") + packed_map[5:] + packed(name) + value


def published(rng: random.Random) -> Made:
    """Make a published message or a full update."""
    what, fields = hostile_fields(rng)
    return _with_keys(rng, f"published: {what}", fields, "epoch", "number", "head", "digest")


def delta(rng: random.Random) -> Made:
    """Make a delta or a heartbeat."""
    what, state = hostile_fields(rng)
    number = rng.choice(NUMBERS)
    is_snapshot = rng.choice([True, False, 1])
    args = named(current_num=packed(number), is_snapshot=packed(is_snapshot), state=state)
    said = f"delta {number!r} ({is_snapshot}): {what}"
    what, made = _with_keys(rng, said, args, "epoch", "head", "number", "digest")
    if rng.random() < 0.3:
        lies = [[[], rng.choice(NUMBERS), rng.choice(NUMBERS), rng.choice(NUMBERS)]] * 3
        return f"{what}, cuts {lies[0]}", _added(made, "cuts", packed(lies))
    return what, made


def snapshot_request(rng: random.Random) -> Made:
    """Make a request for a snapshot."""
    args = b"\x80" if rng.random() < 0.8 else hostile_fields(rng)[1]
    keys = ("epoch", "after", "max_message_bytes", "fields")
    return _with_keys(rng, "a snapshot request", args, *keys)


def _garbage(rng: random.Random) -> Made:
    return "garbage", rng.randbytes(rng.randrange(1, 200))


def _none(rng: random.Random) -> Made:
    made = rng.choice(NO_MESSAGES)
    return f"the bytes {made.hex()}", made


KINDS: dict[str, Callable[[random.Random], Made]]
KINDS = {
    "request": request,
    "published": published,
    "delta": delta,
    "snapshot request": snapshot_request,
    "garbage": _garbage,
    "none": _none,
}


def payload(rng: random.Random, fitting: str) -> Made:
    """Make a payload, most often of the kind that its receiver expects, here and there damaged.

    :param fitting: a name in `KINDS`
    """
    kind = fitting if rng.random() < 0.85 else rng.choice(list(KINDS))
    what, made = KINDS[kind](rng)
    if made and rng.random() < 0.1:
        at = rng.randrange(len(made))
        return f"{what}, damaged at {at}", made[:at] + rng.randbytes(1) + made[at + 1 :]
    if rng.random() < 0.05:
        at = rng.randrange(len(made) + 1)
        return f"{what}, ending at {at}", made[:at]
    return what, made
