"""Keys that were chosen to meet in one place of a hash table, refused before they are in one.

CPython hashes texts and bytes by a secret of the process, numbers, UUIDs, times and tuples of them
by what they are: whoever knows the formula can send keys that all meet (all Decimals that are
multiples of 2**61 - 1 hash to 0), and a dict of n such keys takes n * n steps, during which nothing
else in the process runs. So the hashes of a large mapping's or set's keys are looked at first.

Equal ones are most of it. Where there are very many keys, their ways through the table are counted
as well: a key of 64 bits can be chosen so that it meets others on its whole way although their
hashes differ (Objects/dictobject.c and setobject.c of CPython say how such a way goes).
"""

from __future__ import annotations

from itertools import repeat
from operator import eq
from typing import TYPE_CHECKING, Any, Final, Literal, get_args, get_origin, is_typeddict

import msgspec

from sf_actors.wire.limits import is_open
from sf_actors.wire.msgpack import TEXTS, array_header, count_of, is_array, is_map, items_of
from sf_actors.wire.scalars import is_enum
from sf_actors.wire.tokens import has_large_map
from sf_actors.wire.types import MAX_DEPTH, NOTHING, fields_of, members_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    #: Looks into a packed value and raises ValueError where it holds chosen keys.
    Guard = Callable[[Any], None]

FREE: Final = 256
"""Keys that nobody can make dear: all in one place take some two milliseconds."""

FREE_BYTES: Final = 4_096
"""Bytes of a message in which no keys can be that would be dear."""

ALIKE: Final = 16
"""Keys that may have one hash. Of those that nobody chose, hardly any two have."""

_WALKED: Final = 8_192
"""Keys from which on their ways are counted: as many that differ in their hashes take 10 ms."""

_STEPS: Final = 32
"""Places that a key may come to in vain on average. Usual keys come to one or two, multiples of a
large power of 2 to twenty; those that were chosen to thousands."""

_LINEAR: Final = 9
"""Places beside the one that it comes to that a set looks at before it goes elsewhere."""

_GROWS_FAST: Final = 50_000
"""Keys up to which a set grows to the fourfold, as a dict to the double."""

_UNSIGNED: Final = 2**64 - 1

_SECRET: Final = frozenset({str, bytes, bool, NOTHING})
"""Types whose hashes nobody can know, or of which there are too few values."""


class ChosenKeys(ValueError):
    """Keys that meet in one place of a hash table."""


def require_spread(keys: Collection[Any], *, is_set: bool = False) -> None:
    """Refuse keys that would make a dict, or a set, slow.

    :raises ChosenKeys: they would
    :raises TypeError: one cannot be hashed
    """
    if len(keys) <= FREE:
        return
    hashes = list(map(hash, keys))
    in_order = sorted(hashes)
    if any(map(eq, in_order, in_order[ALIKE:])) or (
        len(hashes) > _WALKED and _steps_of(hashes, is_set=is_set) > _STEPS * len(hashes)
    ):
        raise ChosenKeys(
            f"expected keys whose hashes differ, got {len(keys)} that were chosen to meet in one "
            "place of a hash table"
        )


def _steps_of(hashes: list[int], *, is_set: bool) -> int:
    """Return how often keys with these hashes come to taken places of a table that grows.

    It stops as soon as there are too many.
    """
    too_many = _STEPS * len(hashes)
    steps, size, room = 0, 8, 0
    while room < len(hashes) and steps <= too_many:
        room = size * 3 // 5 if is_set else size * 2 // 3
        steps += _steps_within(size, hashes[:room], _LINEAR if is_set else 0, too_many)
        # the next one takes in all that are in the one before
        size *= 4 if is_set and room <= _GROWS_FAST else 2
    return steps


def _steps_within(size: int, hashes: list[int], linear: int, too_many: int) -> int:
    table, mask, steps = bytearray(size), size - 1, 0
    for hash_ in hashes:
        rest = hash_ & _UNSIGNED
        place = rest & mask
        while table[place]:
            if linear and place + linear <= mask:
                beside = table.find(0, place, place + linear + 1)
                if beside >= 0:
                    place = beside
                    break
            steps += 1
            rest >>= 5
            place = (place * 5 + rest + 1) & mask
        if steps > too_many:
            break
        table[place] = 1
    return steps


def guard_of(type_: Any) -> Guard | None:
    """Return what looks for chosen keys in a packed value of a canonical type.

    None where there can be none. It raises `ChosenKeys`, or another ValueError or TypeError for
    what does not decode to the type either.
    """
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
        parts = [guard_of(part) for part in args if part is not ...]
        is_fixed = origin is tuple and args[-1] is not ...
        return _guard_of_items(parts, is_fixed=is_fixed) if any(parts) else None
    return None


def _is_known(type_: Any) -> bool:
    """Return whether others can know the hashes of a type's values, of which there are many."""
    return any(
        member not in _SECRET and not is_enum(member) and get_origin(member) is not Literal
        for member in members_of(type_)
    )


def _guard_of_record(fields: Mapping[str, Any]) -> Guard | None:
    guards = {msgspec.msgpack.encode(name): guard_of(part) for name, part in fields.items()}
    dangerous = {name: guard for name, guard in guards.items() if guard is not None}
    if not dangerous:
        return None
    longest = len(fields) + FREE

    def look(packed: Any) -> None:
        if count_of(packed) > longest:
            raise ValueError(f"expected at most {longest} fields, got {count_of(packed)}")
        items = items_of(packed)
        for name, value in zip(items[::2], items[1::2], strict=True):
            guard = dangerous.get(_as_text(name))
            if guard is not None:
                guard(value)

    return look


def _as_text(packed: msgspec.Raw) -> bytes:
    """Return a packed name as we pack it, however it was packed."""
    if memoryview(packed)[0] not in TEXTS:
        return b""
    return msgspec.msgpack.encode(_TEXT.decode(packed))


def _guard_of_table(key: Any, value: Any) -> Guard | None:
    guard = guard_of(value)
    if not _is_known(key):
        if guard is None:
            return None
        return lambda packed: _each(guard, items_of(packed)[1::2])
    decode_keys = msgspec.msgpack.Decoder(list[key]).decode
    may_be_lists = is_open(key)

    def look(packed: Any) -> None:
        if count_of(packed) <= FREE and guard is None:
            return
        items = items_of(packed)
        if len(items) > 2 * FREE:
            keys: Any = decode_keys(_array(items[::2]))
            require_spread(list(map(_as_key, keys)) if may_be_lists else keys)
        if guard is not None:
            _each(guard, items[1::2])

    return look


def _guard_of_set(item: Any) -> Guard | None:
    if not _is_known(item):
        return None
    decode = msgspec.msgpack.Decoder(list[item]).decode
    may_be_lists = is_open(item)

    def look(packed: Any) -> None:
        if count_of(packed) > FREE:
            items: Any = decode(packed)
            require_spread(list(map(_as_key, items)) if may_be_lists else items, is_set=True)

    return look


def _guard_of_items(parts: list[Guard | None], *, is_fixed: bool) -> Guard:
    def look(packed: Any) -> None:
        guards: Iterable[Guard | None] = parts if is_fixed else repeat(parts[0])
        for guard, item in zip(guards, items_of(packed), strict=False):
            if guard is not None:
                guard(item)

    return look


def _guard_of_union(members: tuple[Any, ...]) -> Guard | None:
    of_maps = _only(guard_of(m) for m in members if is_typeddict(m) or get_origin(m) is dict)
    of_arrays = _only(guard_of(m) for m in members if get_origin(m) not in (None, dict))
    if of_maps is None and of_arrays is None:
        return None

    def look(packed: Any) -> None:
        first = memoryview(packed)[0]
        guard = of_maps if is_map(first) else of_arrays if is_array(first) else None
        if guard is not None:
            guard(packed)

    return look


def _only(guards: Iterable[Guard | None]) -> Guard | None:
    """Return the guard among some; a union that MessagePack can tell apart has one of each kind."""
    return next(filter(None, guards), None)


def _each(guard: Guard, values: Iterable[Any]) -> None:
    for value in values:
        guard(value)


def _look_into_anything(packed: Any) -> None:
    """Look into a value of an undeclared place."""
    if len(packed) > FREE_BYTES and has_large_map(packed):
        _look_deeper(packed, MAX_DEPTH)


def _look_deeper(packed: Any, depth: int) -> None:
    first = memoryview(packed)[0]
    if len(packed) <= FREE or not (is_map(first) or is_array(first)):
        return
    if depth == 0:
        raise ValueError(f"expected at most {MAX_DEPTH} lists and dicts in each other, got more")
    items = items_of(packed)
    if is_map(first):
        keys, items = items[::2], items[1::2]
        if len(keys) > FREE and not all(memoryview(key)[0] in TEXTS for key in keys):
            require_spread([_as_key(key) for key in _ANYTHING.decode(_array(keys))])
    for item in items:
        _look_deeper(item, depth - 1)


def _as_key(value: Any) -> Any:
    """Return what a list becomes where it is a key, or within one."""
    return tuple(map(_as_key, value)) if type(value) in (list, tuple) else value


def _array(items: list[msgspec.Raw]) -> bytes:
    return b"".join((array_header(len(items)), *items))


_TEXT = msgspec.msgpack.Decoder(str)
_ANYTHING = msgspec.msgpack.Decoder(list[Any])
