"""Converts a state's value and updates between its file and its model, which may have changed.

Fields that the model no longer has are dropped, at every declared depth; anything else that does
not fit is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from sf_actors.replication.values.patch import (
    PatchRefused,
    merge,
    require_within_bounds,
    with_part,
)
from sf_actors.replication.values.persistent_map import EMPTY, Map, free_gradually
from sf_actors.replication.values.pieces import Packing, piece_of
from sf_actors.schema.explain import reason_for
from sf_actors.schema.limits import refuse_extension
from sf_actors.schema.schema import unbounded
from sf_actors.schema.shape import Record, record_of
from sf_actors.schema.types import fields_of, record
from sf_actors.wire.msgpack import is_map

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sf_actors.replication.values.pending import PendingPatches
    from sf_actors.schema.schema import Schema
    from sf_actors.schema.shape import Shape
    from sf_actors.storage.layout import Entry
    from sf_actors.wire.messages import Cut

#: The start of ``{'state': …}`` as MessagePack, for models whose only field is `state`.
_STATE_PREFIX = b"\x81\xa5state"
_NO_FIELDS = b"\x80"

JOINED_AT_ONCE = 250_000
"""Items that are collected before they are merged into the value: a merge copies many nodes."""


class Misfit(Exception):
    """The content of the file does not fit the model; the text says why."""


class Contents:
    """Packs and reads the values of one state; any thread.

    :param arguments: the fields of the state
    :param is_single: the model's only field is `state`, whose content is the value on the wire
    """

    def __init__(self, arguments: Schema, *, is_single: bool = False) -> None:
        self.required = tuple(arguments.required)
        self._bounded_shape = arguments.shape
        required = {name: unbounded(type_) for name, type_ in arguments.required.items()}
        optional = {name: unbounded(type_) for name, type_ in arguments.optional.items()}
        # pieces, and values that the log went through, need not be within today's bounds
        self._shape = record_of(required, optional)
        self._is_single = is_single
        #: shape of the content on the wire
        self._packed_shape: Shape = self._shape
        fields = required | optional
        if is_single:
            (self._packed_shape,) = (*self._shape.required.values(), *self._shape.optional.values())
        shape = self._packed_shape
        # one without required fields is never absent: it may be empty
        self._is_record = is_single and isinstance(shape, Record) and bool(shape.required)
        if self._is_record:
            # a piece need not have all fields of the record
            must, may = fields_of(fields["state"])
            fields = {"state": record({}, must | may)}
        patch = arguments.patch()
        self._part = _Decoder(record({}, fields))
        self._patch = _Decoder(record(patch.required, patch.optional))
        #: the value before the first update
        self.initial: Map[str, Any] = EMPTY
        if is_single and not self._is_record:
            self.initial = EMPTY.set("state", EMPTY)

    def packing(self, value: Any) -> Packing:
        """Return a packer for a whole value: a `Map`, or a mapping of fields."""
        content = value.get("state", EMPTY) if self._is_single else value
        return Packing(content, self._packed_shape)

    def part(self, piece: bytes) -> dict[str, Any]:
        """Return the fields in a piece of the value.

        :raises Misfit: they fail the model
        """
        return self._part.decoded(self._fields_of(piece))

    def apply(self, held: PendingPatches, entry: Entry) -> None:
        """Apply an update from the log.

        :raises Misfit: it fails the model
        """
        if entry.is_whole:
            parts = map(self.part, _pieces(entry.content, entry.cuts))
            held.replace(joined(self.initial, parts))
            return
        patch: dict[str, Any] = {}
        for piece in _pieces(entry.content, entry.cuts):
            _join(patch, self._patch.decoded(self._fields_of(piece)))
        if held.keep(patch):
            return
        try:
            held.replace(merge(held.value, patch, self._shape))
        except PatchRefused as refused:
            raise Misfit(str(refused)) from None

    def require_fitting(self, value: Map[str, Any], required_then: Iterable[str]) -> None:
        """Refuse a value that lacks a required field of the model, or is out of its bounds.

        A field that was already required when the value was written may be missing: deltas were
        still building up the value then.

        :raises Misfit: one is missing, or a mapping is out of its bounds
        """
        for name in self.required:
            if name not in value and name not in required_then:
                raise Misfit(f"field {name!r} is required now and missing in the file")
        shape = self._packed_shape
        if self._is_record and isinstance(shape, Record) and "state" in value:
            for name in shape.required:
                if name not in value["state"]:
                    raise Misfit(f"field 'state.{name}' is required and missing in the file")
        try:
            require_within_bounds(value, self._bounded_shape)
        except PatchRefused as refused:
            raise Misfit(str(refused)) from None

    def _fields_of(self, piece: bytes) -> bytes:
        """Return the content on the wire as packed fields of the model."""
        if not self._is_single:
            return piece
        # a record is complete or absent, so an empty one means absent
        return piece if self._is_record and piece == _NO_FIELDS else _STATE_PREFIX + piece


class _Decoder:
    """Decodes fields, and drops those that the model lacks."""

    def __init__(self, type_: Any) -> None:
        self._type = type_
        self._decode = msgspec.msgpack.Decoder(type_, ext_hook=refuse_extension).decode

    def decoded(self, raw: bytes) -> dict[str, Any]:
        try:
            fields: dict[str, Any] = self._decode(raw)
        except Exception as error:  # noqa: BLE001 - as in `Schema`
            reason = reason_for(raw, self._type, error, is_tolerant=True)
            raise Misfit(reason.message("the value").removeprefix("the value: ")) from None
        return fields


def joined(value: Map[str, Any], parts: Iterable[dict[str, Any]]) -> Map[str, Any]:
    """Return a value with more parts added; the caller must not use the parts afterwards.

    :raises Misfit: too many keys of a mapping have the same hash
    """
    collected: dict[Any, Any] = {}
    weight = 0
    try:
        for part in parts:
            weight += _join(collected, part)
            if weight >= JOINED_AT_ONCE:
                value, collected, weight = with_part(value, collected), {}, 0
        return with_part(value, collected) if collected else value
    except PatchRefused as refused:
        raise Misfit(str(refused)) from None


def items_of(value: Mapping[Any, Any]) -> int:
    """Return the number of items of a value, including those of its tables, at little cost."""
    return sum(1 + (len(item) if type(item) in {Map, dict} else 0) for item in value.values())


def pieces_of(packing: Packing, value: Any) -> Iterator[bytes | None]:
    """Pack a value and yield its pieces; yield None after packing for a while.

    :param value: the value that is packed; the caller should keep no reference
    """
    while not packing.step():
        yield None
    if type(value) is Map:
        held = [value]
        del value
        free_gradually(held)
    yield from _pieces(packing.raw, packing.cuts)


def pieces_of_packed(content: bytes, cuts: list[Cut]) -> Iterator[bytes | None]:
    """Yield the pieces of a packed value."""
    yield from _pieces(content, cuts)


def _pieces(content: bytes | msgspec.Raw, cuts: list[Cut] | None) -> Iterator[bytes]:
    if not is_map(memoryview(content)[0]):
        content = _unpacked(content)
    if not cuts:
        yield bytes(content)
        return
    whole, end = memoryview(content), 0
    for cut in cuts:
        try:
            yield piece_of(whole, cut, after=end)
        except ValueError as error:
            raise Misfit(str(error)) from None
        end = cut.end


_unpacked = msgspec.msgpack.Decoder(bytes).decode


def _join(fields: dict[Any, Any], part: dict[Any, Any]) -> int:
    """Merge a part into the fields read so far; return its number of items."""
    weight = 0
    for key, item in part.items():
        held = fields.get(key)
        if type(held) is dict and type(item) is dict:
            weight += _join(held, item)
        else:
            fields[key] = item
            weight += len(item) if type(item) is dict else 1
    return weight
