"""Refuses keys that were chosen to collide, before a dict or set is made of them.

CPython hashes texts and bytes with a secret of the process, but numbers, UUIDs, times and tuples of
them by their value alone. An attacker can send keys that all collide (all Decimals that are
multiples of 2**61 - 1 hash to 0), and a dict of n such keys takes n * n steps, during which nothing
else in the process runs. So the keys in a large message are checked first: how many share a hash
and, if there are very many, if a table of them takes far longer than one of ordinary keys. (64-bit
keys can also be chosen to collide along the whole probe sequence although their hashes differ.)
"""

from __future__ import annotations

from collections import deque
from itertools import islice, repeat
from operator import eq
from typing import TYPE_CHECKING, Any, Final, Literal, get_args, get_origin, is_typeddict

import msgspec

from sf_actors.schema.limits import holds_set, is_open
from sf_actors.schema.scalars import NOTHING, is_enum, is_flag
from sf_actors.schema.types import bare, fields_of, members_of
from sf_actors.schema.unknown import MAX_FIELDS
from sf_actors.sync.cpu_time import CpuTime
from sf_actors.wire.limits import MAX_DEPTH
from sf_actors.wire.msgpack import (
    TEXTS,
    array_header,
    count_of,
    is_array,
    is_map,
    items_of,
    texts_of,
)
from sf_actors.wire.tokens import FEW, MANY, has_many

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    #: Checks a packed value and raises ValueError if it holds chosen keys.
    Guard = Callable[[Any], None]

FREE_BYTES: Final = 4_096
"""Bytes up to which a message cannot hold enough keys to do harm."""

ALIKE: Final = 36
"""Most keys with the same hash: powers of two as floats reach it, other keys hardly ever two."""

_MEASURED: Final = 8_192
"""Number of keys from which on their table is timed: with fewer different hashes it is fast."""

_FIRST: Final = 1_000
"""Keys that are checked before all are."""

_RUN: Final = 256
"""Keys between two checks of the time used."""

_ALLOWED_S: Final = 0.02
_ALLOWED_PER_KEY_S: Final = 3e-6
"""Processor time that keys may take: several times that of ordinary keys."""

MOST_ITEMS: Final = 4_000_000
MOST_UNDECLARED: Final = 1_000_000
"""Most items of one container; each uses some 60 bytes while it is checked."""

_COPIES: Final = 16
"""How many times the bytes of an undeclared place may be copied to check them."""

_SECRET: Final = frozenset({str, bytes, bool, NOTHING})
"""Types whose hashes cannot be predicted, or which have too few values."""


class ChosenKeys(ValueError):
    """Keys that collide in a hash table."""


def require_spread(keys: Collection[Any], *, is_set: bool = False) -> None:
    """Refuse keys that would make a dict or a set slow.

    :raises ChosenKeys: the keys collide
    :raises TypeError: a key cannot be hashed
    """
    if len(keys) <= FEW:
        return
    hashes = sorted(map(hash, keys))
    if any(map(eq, hashes, hashes[ALIKE:])) or (
        len(keys) > _MEASURED and _is_slow(keys, is_set=is_set)
    ):
        raise ChosenKeys(
            f"expected keys whose hashes differ, got {len(keys)} that were chosen to collide in a "
            "hash table"
        )


def _is_slow(keys: Collection[Any], *, is_set: bool) -> bool:
    """Build a table of the keys, as the decoder would; return True if that takes too long."""
    cpu_time, left, count = CpuTime(), iter(keys), 0
    table: Any = set() if is_set else {}
    while run := list(islice(left, _RUN)):
        deque(
            map(table.add, run) if is_set else map(table.__setitem__, run, repeat(None)), maxlen=0
        )
        count += len(run)
        if cpu_time.spent_s > _ALLOWED_S + _ALLOWED_PER_KEY_S * count:
            return True
    return False


def guard_of(type_: Any) -> Guard | None:
    """Return a guard against chosen keys in the packed fields of a canonical type.

    None if the type cannot hold any. The guard raises `ChosenKeys`, or another ValueError or
    TypeError for bytes that would not decode to the type either.
    """
    guard = _guard_of(type_)
    if guard is None:
        return None
    # sets come as arrays
    arrays = holds_set(type_)

    def look(packed: Any) -> None:
        if has_many(packed, FEW, arrays=arrays):
            guard(packed)

    return look


def _guard_of(type_: Any) -> Guard | None:
    type_ = bare(type_)
    if type_ is Any:
        return _look_into_anything
    if is_typeddict(type_):
        required, optional = fields_of(type_)
        return _guard_of_record(required | optional)
    members = members_of(type_)
    if len(members) > 1:
        return _guard_of_union(members)
    origin, args = get_origin(type_), get_args(type_)
    if origin is dict:
        return _guard_of_table(*args)
    if origin in (set, frozenset):
        return _guard_of_set(args[0])
    if origin in (list, tuple):
        parts = [_guard_of(part) for part in args if part is not ...]
        is_fixed = origin is tuple and ... not in args
        return _guard_of_items(parts, is_fixed=is_fixed) if any(parts) else None
    return None


def _is_known(type_: Any) -> bool:
    """Return True if a type has many values and their hashes are predictable."""
    return any(
        member not in _SECRET
        and (is_flag(member) or not is_enum(member))
        and get_origin(member) is not Literal
        for member in map(bare, members_of(bare(type_)))
    )


def _guard_of_record(fields: Mapping[str, Any]) -> Guard | None:
    guards = {name: _guard_of(part) for name, part in fields.items()}
    dangerous = {name: guard for name, guard in guards.items() if guard is not None}
    if not dangerous:
        return None

    def look(packed: Any) -> None:
        if count_of(packed) > MAX_FIELDS:
            raise ValueError(f"expected at most {MAX_FIELDS} fields, got {count_of(packed)}")
        items = items_of(packed)
        for name, value in zip(texts_of(items[::2]), items[1::2], strict=True):
            if name in dangerous:
                dangerous[name](value)

    return look


def _guard_of_table(key: Any, value: Any) -> Guard | None:
    guard, require = _guard_of(value), _keys_guard(key, is_set=False)
    if guard is None and require is None:
        return None

    def look(packed: Any) -> None:
        items = _few_items_of(packed)
        if require is not None:
            require(items[::2])
        if guard is not None:
            _each(guard, items[1::2])

    return look


def _guard_of_set(item: Any) -> Guard | None:
    require = _keys_guard(item, is_set=True)
    return None if require is None else lambda packed: require(_few_items_of(packed))


def _keys_guard(key: Any, *, is_set: bool) -> Callable[[list[msgspec.Raw]], None] | None:
    """Return a guard for the packed keys of a mapping, or the packed items of a set."""
    if not _is_known(key):
        return None
    decode = msgspec.msgpack.Decoder(list[key]).decode
    guard, has_open = _guard_of(key), is_open(key)

    def look(keys: list[msgspec.Raw]) -> None:
        if has_open:
            _each(_refuse_maps, keys)
        if guard is not None:
            # a key may contain keys itself: a frozenset, or a tuple of them
            _each(guard, keys)
        for some in _first_and_all(keys, FEW):
            read: Any = decode(_array(some))
            require_spread(list(map(_as_key, read)) if has_open else read, is_set=is_set)

    return look


def _first_and_all(keys: list[msgspec.Raw], most: int) -> Iterator[list[msgspec.Raw]]:
    """Yield the first keys and then all keys; nothing if there are too few to do harm.

    If all are chosen, the first ones already show it.
    """
    if len(keys) > most:
        yield keys[:_FIRST]
    if len(keys) > _FIRST:
        yield keys


def _guard_of_items(parts: list[Guard | None], *, is_fixed: bool) -> Guard:
    def look(packed: Any) -> None:
        guards: Iterable[Guard | None] = parts if is_fixed else repeat(parts[0])
        for guard, item in zip(guards, _few_items_of(packed), strict=False):
            if guard is not None:
                guard(item)

    return look


def _guard_of_union(members: tuple[Any, ...]) -> Guard | None:
    members = tuple(map(bare, members))
    of_maps = _only(_guard_of(m) for m in members if is_typeddict(m) or get_origin(m) is dict)
    of_arrays = _only(_guard_of(m) for m in members if get_origin(m) not in (None, dict))
    if of_maps is None and of_arrays is None:
        return None

    def look(packed: Any) -> None:
        first = memoryview(packed)[0]
        guard = of_maps if is_map(first) else of_arrays if is_array(first) else None
        if guard is not None:
            guard(packed)

    return look


def _only(guards: Iterable[Guard | None]) -> Guard | None:
    """Return the first guard; a decodable union has at most one of each kind."""
    return next(filter(None, guards), None)


def _each(guard: Guard, values: Iterable[Any]) -> None:
    for value in values:
        guard(value)


def _few_items_of(packed: Any, most: int = MOST_ITEMS) -> list[msgspec.Raw]:
    if count_of(packed) > most:
        raise ValueError(f"expected at most {most} items in one place, got more")
    return items_of(packed)


def _look_into_anything(packed: Any) -> None:
    """Check a value of an undeclared place."""
    if len(packed) > FREE_BYTES and has_many(packed):
        _look_deeper(packed, MAX_DEPTH, [_COPIES * len(packed)])


def _look_deeper(packed: Any, depth: int, spare: list[int]) -> None:
    """Check a container that has a large map somewhere.

    :param depth: levels of containers still allowed
    :param spare: bytes that may still be copied
    """
    first = memoryview(packed)[0]
    spare[0] -= len(packed)
    if depth == 0 or spare[0] < 0:
        raise ValueError(f"expected at most {MAX_DEPTH} nested lists and dicts, got more")
    items = _few_items_of(packed, MOST_UNDECLARED)
    if is_map(first):
        keys, items = items[::2], items[1::2]
        _each(_refuse_maps, keys)
        for some in _first_and_all(keys, MANY):
            if not all(memoryview(key)[0] in TEXTS for key in some):
                require_spread([_as_key(key) for key in _ANYTHING.decode(_array(some))])
    for item in items:
        if len(item) > MANY and _is_container(item) and has_many(item):
            _look_deeper(item, depth - 1, spare)


def _is_container(packed: Any) -> bool:
    first = memoryview(packed)[0]
    return is_map(first) or is_array(first)


def _refuse_maps(key: Any) -> None:
    """Refuse a map within a key before decoding; it could not be hashed anyway."""
    if not _is_container(key):
        return
    if has_many(key, FEW) or is_map(memoryview(key)[0]):
        raise TypeError("expected a key that can be hashed, got one with a map in it")


def _as_key(value: Any) -> Any:
    """Return a value as it is decoded in a key: lists become tuples."""
    return tuple(map(_as_key, value)) if type(value) in (list, tuple) else value


def _array(items: list[msgspec.Raw]) -> bytes:
    return b"".join((array_header(len(items)), *items))


_ANYTHING = msgspec.msgpack.Decoder(list[Any])
