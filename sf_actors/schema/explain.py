"""Explains why a message fails its model: the slow path, after the decoder has refused it."""

from __future__ import annotations

from functools import lru_cache
from itertools import repeat
from typing import TYPE_CHECKING, Any, get_args, get_origin, is_typeddict

import msgspec

from sf_actors.schema.limits import refuse_extension
from sf_actors.schema.mismatch import Mismatch
from sf_actors.schema.types import bare, describe, fields_of, holds_record, members_of
from sf_actors.wire.msgpack import is_array, is_map
from sf_actors.wording import cut, named, nearest, shown

if TYPE_CHECKING:
    from collections.abc import Callable

EXPLAINED_BYTES = 4_096
"""Larger messages are not explained, so that garbage cannot cause much work."""


@lru_cache(maxsize=256)
def _decoder(type_: Any) -> Callable[[Any], Any]:
    return msgspec.msgpack.Decoder(type_, ext_hook=refuse_extension).decode


@lru_cache(maxsize=256)
def _fields(type_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    return fields_of(type_)


@lru_cache(maxsize=256)
def _fits(type_: Any) -> Callable[[Any], bool]:
    """Return a quick test for the many parts of a message that are valid."""
    decode = _decoder(type_)
    if holds_record(type_):
        return lambda _: False  # the decoder ignores unknown fields

    def fits(raw: Any) -> bool:
        try:
            decode(raw)
        except Exception:  # noqa: BLE001 - a peer's bytes may provoke any error
            return False
        return True

    return fits


def reason_for(
    raw: bytes | memoryview | msgspec.Raw,
    type_: Any,
    error: Exception,
    *,
    is_tolerant: bool = False,
) -> Mismatch:
    """Return what is wrong, and where, in bytes that do not decode to a canonical type.

    :param error: the decoder's error, used if nothing better is found
    :param is_tolerant: unknown fields are allowed
    """
    plain = cut(str(error), 200) or type(error).__name__
    if len(raw) > EXPLAINED_BYTES:
        return Mismatch(plain)
    try:
        _Explanation(is_tolerant=is_tolerant).of(raw, type_)
    except Mismatch as found:
        return found
    except Exception:  # noqa: BLE001 - not even MessagePack: keep the decoder's error
        return Mismatch(plain)
    return Mismatch(plain)


class _Explanation:
    """A search for the innermost part that is wrong.

    :param is_tolerant: unknown fields are allowed
    """

    def __init__(self, *, is_tolerant: bool) -> None:
        self._is_tolerant = is_tolerant

    def of(self, raw: Any, type_: Any) -> None:
        """Raise a Mismatch for the innermost part that does not decode, if any."""
        header = bytes(memoryview(raw)[:1])[0]
        for member in map(bare, members_of(bare(type_))):
            origin, args = get_origin(member), get_args(member)
            if is_typeddict(member) and is_map(header):
                self._record(raw, member)
            elif origin is dict and is_map(header):
                self._table(raw, *args)
            elif origin in (list, tuple, set, frozenset) and is_array(header):
                self._items(raw, args, fixed=origin is tuple and ... not in args)
        _explain_whole(raw, type_)

    def _under(self, step: str, raw: Any, type_: Any) -> None:
        try:
            self.of(raw, type_)
        except Mismatch as error:
            error.under(step)
            raise

    def _items(self, raw: Any, types: tuple[Any, ...], *, fixed: bool) -> None:
        items = _decoder(list[msgspec.Raw])(raw)
        if fixed and len(items) != len(types):
            return
        tests = map(_fits, types) if fixed else repeat(_fits(types[0]))
        for index, (item, fits) in enumerate(zip(items, tests, strict=False)):
            if not fits(item):
                self._under(f"[{index}]", item, types[index] if fixed else types[0])

    def _record(self, raw: Any, type_: Any) -> None:
        required, optional = _fields(type_)
        known = required | optional
        found = _decoder(dict[Any, msgspec.Raw])(raw)
        for name in found:
            if name not in known and not self._is_tolerant:
                hint = nearest(named(name), known)
                raise Mismatch(f"unknown field {named(name)!r}{hint}")
        missing = ", ".join(repr(name) for name in required if name not in found)
        if missing:
            raise Mismatch(f"missing field {missing}")
        for name, part in found.items():
            if name in known:
                self._under(f".{name}", part, known[name])

    def _table(self, raw: Any, key: Any, value: Any) -> None:
        key_fits, value_fits = _fits(key), _fits(value)
        for name, part in _decoder(dict[Any, msgspec.Raw])(raw).items():
            packed = msgspec.msgpack.encode(name)
            if not key_fits(packed):
                try:
                    _explain_whole(packed, key)
                except Mismatch as error:
                    raise Mismatch(f"{error.text} as a key") from None
            if not value_fits(part):
                self._under(f".{named(name)}", part, value)


def _explain_whole(raw: Any, type_: Any) -> None:
    try:
        _decoder(type_)(raw)
    except Exception as error:  # noqa: BLE001 - a peer's bytes may provoke any error
        try:
            got = shown(_decoder(Any)(raw))
        except Exception:  # noqa: BLE001 - no value to show
            got = cut(str(error), 200) or type(error).__name__
        raise Mismatch(f"expected {describe(type_)}, got {got}") from None
