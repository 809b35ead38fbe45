"""Translates the fields of a delta state between users and the wire."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import msgspec

from sf_actors.errors import InvalidArguments, InvalidMessage
from sf_actors.replication.values.frozen import View
from sf_actors.replication.values.patch import PatchRefused, require_within_bounds, with_part
from sf_actors.replication.values.persistent_map import EMPTY, Map
from sf_actors.replication.values.pieces import LARGE, RUN, Packing, piece_of, weight_of
from sf_actors.replication.values.sendable import (
    may_have_nan_keys,
    require_no_nan_keys,
    require_sendable,
)
from sf_actors.schema.one_pass import delta_decoder
from sf_actors.schema.schema import unbounded
from sf_actors.schema.shape import Record
from sf_actors.schema.types import fields_of, record
from sf_actors.wire.envelope import encode
from sf_actors.wire.memory import BYTES_PER_BYTE_IN_PIECES, FREE_MEMORY
from sf_actors.wire.msgpack import EMPTY_MAP, map_header
from sf_actors.wording import cut, shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from sf_actors.schema.schema import Schema
    from sf_actors.schema.shape import Shape
    from sf_actors.wire.messages import Cut

#: The start of ``{'state': …}`` as MessagePack, for models whose one field is `state`.
_STATE_PREFIX = map_header(1) + encode("state")

_MISSING: Any = object()


class OutgoingUpdate(msgspec.Struct, frozen=True, gc=False):
    """An outgoing update.

    :ivar content: the content of `state` on the wire, packed unless it is flat
    :ivar typed: the fields as a replica decodes them, frozen if they are a large whole value
    :ivar number: the caller's own number, or None
    :ivar cuts: the runs of a large `content`, else None
    """

    content: bytes | Mapping[str, Any]
    typed: Mapping[str, Any]
    is_snapshot: bool
    number: int | None
    cuts: list[Cut] | None


class MemoryOfPieces:
    """The memory that the pieces of one value take, limited by the bytes that they had.

    :param size: bytes of the value, as far as they are known
    """

    def __init__(self, where: str, size: int = 0) -> None:
        self._where = where
        self._size = size
        self._memory = 0

    def take(self, memory: int, *, of_bytes: int = 0) -> None:
        """Count the memory of a piece.

        :param of_bytes: bytes by which the piece extends the value
        :raises InvalidMessage: it is too much for the bytes of the value
        """
        self._size += of_bytes
        self._memory += memory
        allowed = max(FREE_MEMORY, BYTES_PER_BYTE_IN_PIECES * self._size)
        if self._memory > allowed:
            raise InvalidMessage(
                f"{self._where}: expected a value that takes at most {allowed // 2**20} MiB of "
                f"memory in {self._size} bytes, got more"
            )


class StateFields:
    """Checks, encodes and decodes the updates of one delta state; any thread.

    In a model whose only field is `state`, the content of that field is the state's value, on the
    wire and for readers. Internally it is a field like any other.

    :param arguments: the fields of the state
    :param where: the model, for messages
    :param is_single: the model's only field is `state`
    :param is_numbered_by_caller: the caller numbers the updates
    """

    def __init__(
        self, arguments: Schema, *, where: str, is_single: bool, is_numbered_by_caller: bool
    ) -> None:
        self._where = where
        self._whole = arguments
        self._patch = arguments.patch()
        self._partial = arguments.partial()
        self._is_single = is_single
        shape = arguments.shape
        #: shape of the content on the wire
        self._shape: Shape = shape
        if self._is_single:
            self._shape = {**shape.required, **shape.optional}["state"]
        content = self._shape
        # one without required fields is never absent: it may be empty
        self._is_record = is_single and isinstance(content, Record) and bool(content.required)
        self._piece = self._schema_of_pieces()
        #: `decoded` for a patch in one piece; HOT
        self.decoded_patch: Callable[[msgspec.Raw], Mapping[str, Any]] = self._patch.decoded
        #: decodes the usual form of a delta in one pass; HOT
        self.delta_at_once: Callable[[bytes | memoryview], Any] = delta_decoder(self._patch)
        if self._is_single:
            self.decoded_patch = partial(self.decoded, is_snapshot=False)
            self.delta_at_once = lambda _frame: None
        #: the value before the first update
        self.initial: Map[str, Any] = EMPTY
        if self._is_single and not self._is_record:
            self.initial = EMPTY.set("state", EMPTY)
        self._is_numbered_by_caller = is_numbered_by_caller
        types = (self._whole.required | self._whole.optional).values()
        self._may_be_nan = any(map(may_have_nan_keys, types))
        self._checks_flat = self._patch.is_flat and not (is_single or is_numbered_by_caller)

    def flat_patch(self, args: Any) -> dict[str, Any] | None:
        """Return the fields of a simple patch, checked and copied; HOT.

        The same fields go on the wire and come out of a replica's decoder. None means that
        `checked` must take the arguments.

        :raises InvalidArguments: the arguments fail the model
        :raises PatchRefused: NaN is one of its keys
        """
        if not self._checks_flat or type(args) is not dict or "is_snapshot" in args:
            return None
        fields = self._patch.checked(args)
        may_be_nan = self._may_be_nan
        for item in fields.values():
            if type(item) is dict:
                if len(item) > RUN:
                    return None
                if may_be_nan:
                    for key in item:
                        if key != key:  # noqa: PLR0124 - NaN
                            require_no_nan_keys(item)
            elif type(item) is View:
                return None
        return fields

    def checked(self, args: Any) -> OutgoingUpdate:
        """Check the arguments of a `to_send`.

        The published and the kept value are bytes and what they decode to, or for flat fields the
        copy made by their check. So the caller may change its dicts later.

        :raises InvalidArguments: the arguments fail the model, or hold what no update may hold
        """
        is_snapshot, number, schema = False, None, self._patch
        if self._is_numbered_by_caller or (isinstance(args, dict) and "is_snapshot" in args):
            args, is_snapshot, number = self._parted(args)
            schema = self._whole if is_snapshot else self._patch
        fields = schema.checked(args)
        try:
            require_sendable(fields, self._whole.shape, is_whole=is_snapshot)
        except PatchRefused as refused:
            raise InvalidArguments(f"{self._where}: {refused}") from None
        is_flat = schema.is_flat
        if _has_long(fields) or not (is_flat or weight_of(fields, LARGE) < LARGE):
            packing = self._packed_all(fields)
            if packing.cuts:
                large = self._joined(packing.raw, packing.cuts, is_snapshot=is_snapshot)
                return OutgoingUpdate(packing.raw, large, is_snapshot, number, packing.cuts)
        if is_flat:
            content = fields.get("state", {}) if self._is_single else fields
            return OutgoingUpdate(content, fields, is_snapshot, number, None)
        raw = encode(fields)
        typed = schema.decoded(raw)
        if self._is_single:
            raw = raw[len(_STATE_PREFIX) :] if fields else EMPTY_MAP
        return OutgoingUpdate(raw, typed, is_snapshot, number, None)

    def decoded(
        self, raw: msgspec.Raw, *, is_snapshot: bool, cuts: list[Cut] | None = None
    ) -> Mapping[str, Any]:
        """Return the fields of a received update, frozen if they are a large whole value.

        :raises InvalidMessage: they fail the model
        """
        if cuts:
            return self._joined(raw, cuts, is_snapshot=is_snapshot)
        schema = self._whole if is_snapshot else self._patch
        fields: dict[str, Any] = schema.decoded(self._packed(raw))
        return fields

    def decoded_value(self, raw: msgspec.Raw) -> dict[str, Any]:
        """Return the fields of a snapshot, which may lack required ones.

        :raises InvalidMessage: they fail the model
        """
        fields: dict[str, Any] = self._partial.decoded(self._packed(raw))
        return fields

    def decoded_pieces(
        self, raw: bytes | msgspec.Raw, cuts: Iterable[Cut], *, is_patch: bool = False
    ) -> Iterator[dict[str, Any]]:
        """Yield the fields of a large value or patch, one run of items at a time.

        :raises InvalidMessage: a run fails the model, or its cut is invalid
        """
        whole = memoryview(raw)
        schema = self._patch if is_patch else self._piece
        memory = MemoryOfPieces(self._where, len(whole))
        end = 0
        for run in cuts:
            try:
                piece = piece_of(whole, run, after=end)
            except ValueError as error:
                raise InvalidMessage(f"{self._where}: {error}") from None
            end = run.end
            packed = self._packed(piece)
            memory.take(schema.memory_at_most(packed))
            yield schema.decoded(packed)

    def memory_of_pieces(self) -> MemoryOfPieces:
        """Return a new memory count, for a value that comes in several messages."""
        return MemoryOfPieces(self._where)

    def decoded_piece(self, piece: bytes, memory: MemoryOfPieces) -> dict[str, Any]:
        """Return the fields of a piece of a value that comes in several messages.

        :param memory: the memory of all pieces so far
        :raises InvalidMessage: it fails the model, or takes too much memory
        """
        packed = self._packed(piece)
        memory.take(self._piece.memory_at_most(packed), of_bytes=len(piece))
        fields: dict[str, Any] = self._piece.decoded(packed)
        return fields

    def require_fitting(self, value: Map[str, Any], *, is_snapshot: bool) -> None:
        """Refuse a value assembled from pieces, each of which fits the model, that does not.

        :param is_snapshot: it was sent as a whole value; False: deltas may still be building it
        :raises InvalidMessage: it lacks a required field, or a mapping is out of its bounds
        """
        missing = [name for name in self._whole.required if is_snapshot and name not in value]
        if self._is_record and "state" in value:
            shape = self._whole.shape
            (kind,) = (*shape.required.values(), *shape.optional.values())
            if isinstance(kind, Record):
                missing += [f"state.{name}" for name in kind.required if name not in value["state"]]
        if missing:
            raise InvalidMessage(f"{self._where}: missing field {', '.join(map(repr, missing))}")
        try:
            require_within_bounds(value, self._whole.shape)
        except PatchRefused as refused:
            raise InvalidMessage(f"{self._where}: {refused}") from None

    def packing(self, value: Map[str, Any]) -> Packing:
        """Return a packer for a whole value as a snapshot contains it."""
        return Packing(self.content(value), self._shape)

    def content(self, value: Map[str, Any]) -> Map[str, Any]:
        """Return the value as readers see it: its fields, or the content of the only field."""
        if self._is_single:
            found: Map[str, Any] = value.get("state", EMPTY)
            return found
        return value

    def _joined(
        self, raw: bytes | msgspec.Raw, cuts: Iterable[Cut], *, is_snapshot: bool
    ) -> Mapping[str, Any]:
        """Return the fields of a large update, decoded one run at a time."""
        pieces = self.decoded_pieces(raw, cuts, is_patch=not is_snapshot)
        if is_snapshot:
            value: Map[str, Any] = EMPTY
            for piece in pieces:
                value = with_part(value, piece)
            self.require_fitting(value, is_snapshot=True)
            return cast("Mapping[str, Any]", value)
        fields: dict[str, Any] = {}
        for piece in pieces:
            _join(fields, piece)
        return fields

    def _schema_of_pieces(self) -> Schema:
        """Return the schema of a piece of a whole value, in which None deletes nothing.

        A record within the value lies in one piece.
        """
        is_bounded = self._whole.shape.is_bounded
        if not (self._is_record or is_bounded):
            return self._partial
        fields = self._whole.required | self._whole.optional
        if is_bounded:
            fields = {name: unbounded(type_) for name, type_ in fields.items()}
        if self._is_record:
            must, may = fields_of(fields["state"])
            fields = {"state": record({}, must | may)}
        return self._whole.with_fields(fields)

    def _packed_all(self, fields: dict[str, Any]) -> Packing:
        packing = Packing(fields["state"] if self._is_single else fields, self._shape)
        try:
            packing.finish()
        except RuntimeError as error:
            raise InvalidArguments(
                f"{self._where}: expected arguments that stay as they are while they are "
                f"packed, got {cut(str(error), 200)}"
            ) from error
        return packing

    def _packed(self, raw: msgspec.Raw | bytes) -> msgspec.Raw | bytes:
        """Return the content on the wire as packed fields of the model."""
        if not self._is_single:
            return raw
        content = bytes(raw)
        # an empty content stands for an absent record
        return content if self._is_record and content == EMPTY_MAP else _STATE_PREFIX + content

    def _parted(self, args: Any) -> tuple[dict[Any, Any], bool, int | None]:
        """Return the value's fields, `is_snapshot`, and the caller's number if there is one."""
        fields = dict(args) if isinstance(args, Mapping) else {}
        is_snapshot: bool = self._taken(fields, "is_snapshot", bool)
        if not self._is_numbered_by_caller:
            return fields, is_snapshot, None
        number: int = self._taken(fields, "current_num", int)
        return fields, is_snapshot, number

    def _taken(self, args: dict[str, Any], name: str, expected: type) -> Any:
        taken = args.pop(name, _MISSING)
        if type(taken) is not expected:
            got = "nothing" if taken is _MISSING else shown(taken)
            raise InvalidArguments(
                f"{self._where}: field {name!r}: expected {expected.__name__}, got {got}"
            )
        return taken


def _has_long(fields: dict[str, Any]) -> bool:
    """Return True if a table among the fields has more items than one run; HOT."""
    for item in fields.values():
        if (type(item) is dict or type(item) is View) and len(item) > RUN:
            return True
    return False


def _join(fields: dict[Any, Any], piece: dict[Any, Any]) -> None:
    """Merge a piece of a patch into the fields decoded so far."""
    for key, item in piece.items():
        held = fields.get(key)
        if type(held) is dict and type(item) is dict:
            _join(held, item)
        else:
            fields[key] = item
