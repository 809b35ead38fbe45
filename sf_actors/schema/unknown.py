"""Counts and reports the fields of a message that its model lacks.

They are dropped, so that either side can be upgraded first. The decoder skips any number of them.
Their names are read here: few are reported, though a peer may send very many.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import filterfalse, islice
from typing import TYPE_CHECKING, Any, Final, get_args, get_origin, is_typeddict

from sf_actors.schema.shape import Record, Table, as_mapping
from sf_actors.schema.types import bare, fields_of, holds_record, members_of
from sf_actors.wire.msgpack import count_of, is_array, is_map, items_of, texts_of
from sf_actors.wording import named

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from sf_actors.schema.shape import Shape

MAX_REPORTED: Final = 20
"""Most names of unknown fields that are reported for each model."""

MAX_FIELDS: Final = 200_000
"""Most fields of one record, unknown ones included: each takes a hundred bytes for a moment."""

_LOOKED_AT: Final = 1_000
"""Most names of one message that are read, even if many are equal once they are cut."""

_SEARCHED_BYTES: Final = 65_536
_SEARCHED_RECORDS: Final = 1_000
"""Most bytes and records that are searched for unknown fields in nested records."""


class UnknownFields:
    """The unknown fields of one model's messages.

    :param count: called once for each part of a message that had some; in the thread that decodes
    :param report: called with each new name, cut to fit a line, at most `MAX_REPORTED` times
    """

    def __init__(self, count: Callable[[], None], report: Callable[[str], None]) -> None:
        self._count = count
        self._report = report
        self._reported: set[str] = set()

    @property
    def wants_names(self) -> bool:
        """Whether more names may be reported."""
        return len(self._reported) < MAX_REPORTED

    def note(self, names: Iterable[str]) -> None:
        """Count a message that had unknown fields, and report the new names."""
        self._count()
        for name in islice(names, _LOOKED_AT):
            if not self.wants_names:
                return
            short = named(name)
            if short not in self._reported:
                self._reported.add(short)
                self._report(short)


def unknown_names(raw: Any, known: Collection[str], *, found: int) -> Iterator[str]:
    """Yield the names of a packed record's unknown fields.

    :param found: the number of known fields in the record
    :raises ValueError: it has a known field twice, or more fields than `MAX_FIELDS`
    """
    count = count_of(raw)
    if count > MAX_FIELDS:
        raise ValueError(f"expected at most {MAX_FIELDS} fields, got {count}")
    names = texts_of(items_of(raw)[::2])
    if sum(map(known.__contains__, names)) != found:
        raise ValueError("expected each field once, got one twice")
    return filterfalse(known.__contains__, names)


def nested_names(raw: Any, type_: Any) -> Iterator[str]:
    """Yield the names of unknown fields in the records inside a packed one, up to a limit.

    Each is given with the fields that lead to it: ``client.age``.

    :param type_: the canonical type that the bytes have been decoded to
    """
    if len(raw) <= _SEARCHED_BYTES:
        yield from _Search().inside(raw, type_, "")


class _Search:
    """A search that ends after `_SEARCHED_RECORDS` records."""

    def __init__(self) -> None:
        self._left = _SEARCHED_RECORDS

    def inside(self, raw: Any, type_: Any, path: str) -> Iterator[str]:
        """Search the records within a packed value, not the value itself."""
        first = memoryview(raw)[0]
        for member in map(bare, members_of(bare(type_))):
            origin = get_origin(member)
            if not holds_record(member):
                continue
            if is_typeddict(member) and is_map(first):
                required, optional = fields_of(member)
                fields = required | optional
                items = items_of(raw)
                for name, value in zip(texts_of(items[::2]), items[1::2], strict=True):
                    if name in fields:
                        yield from self._of(value, fields[name], f"{path}{name}.")
            elif origin is dict and is_map(first):
                for value in items_of(raw)[1::2]:
                    yield from self._of(value, get_args(member)[1], path)
            elif origin in (list, tuple) and is_array(first):
                yield from self._items(items_of(raw), get_args(member), path)

    def _items(self, items: list[Any], types: tuple[Any, ...], path: str) -> Iterator[str]:
        is_fixed = types[-1] is not ... and len(types) == len(items) > 1
        for number, item in enumerate(items):
            yield from self._of(item, types[number] if is_fixed else types[0], path)

    def _of(self, raw: Any, type_: Any, path: str) -> Iterator[str]:
        if not self._left or not holds_record(type_):
            return
        self._left -= 1
        if is_map(memoryview(raw)[0]):
            for member in map(bare, members_of(bare(type_))):
                if is_typeddict(member):
                    required, optional = fields_of(member)
                    for name in texts_of(items_of(raw)[::2]):
                        if name not in required and name not in optional:
                            yield f"{path}{name}"
        yield from self.inside(raw, type_, path)


def changes_nothing(patch: Any, shape: Shape, held: Any) -> bool:
    """Return True if a patch whose unknown fields were dropped has nothing left to change.

    :param held: the value that it is for; where it has no record yet, an empty one is a change
    """
    if type(patch) is not dict or not isinstance(held, Mapping):
        return False
    shape = as_mapping(shape)
    if isinstance(shape, Record):
        parts = {**shape.required, **shape.optional}
        return all(changes_nothing(item, parts[key], held.get(key)) for key, item in patch.items())
    if isinstance(shape, Table):
        # an empty table was sent as one
        return bool(patch) and all(
            changes_nothing(item, shape.value, held.get(key)) for key, item in patch.items()
        )
    return False
