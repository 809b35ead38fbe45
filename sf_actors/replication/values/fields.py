"""The fields of a delta state: between what users write and read and what goes over the wire."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import msgspec

from sf_actors.errors import InvalidArguments, InvalidMessage
from sf_actors.replication.values.frozen import View
from sf_actors.replication.values.patch import with_part
from sf_actors.replication.values.persistent_map import EMPTY, Map
from sf_actors.replication.values.pieces import LARGE, RUN, Packing, piece_of, weight_of
from sf_actors.schema.one_pass import delta_decoder
from sf_actors.schema.schema import Schema
from sf_actors.schema.shape import Record
from sf_actors.schema.types import fields_of, record
from sf_actors.wire.envelope import encode
from sf_actors.wire.msgpack import EMPTY_MAP, map_header
from sf_actors.wording import cut, shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from sf_actors.schema.shape import Shape
    from sf_actors.wire.messages import Cut

#: The start of ``{'state': …}`` as MessagePack, for models whose one field is `state`.
_STATE_PREFIX = map_header(1) + encode("state")

_MISSING: Any = object()


class Update(msgspec.Struct, frozen=True, gc=False):
    """An update as it goes out.

    :ivar content: that of `state` on the wire, packed unless it is flat
    :ivar typed: the fields as a replica will decode them, frozen where they are large and whole
    :ivar number: the caller's own number, or None
    :ivar cuts: the runs of `content` where it is large
    """

    content: bytes | Mapping[str, Any]
    typed: Mapping[str, Any]
    is_snapshot: bool
    number: int | None
    cuts: list[Cut] | None


class StateFields:
    """Checks, encodes and decodes the updates of one delta state; any thread.

    In a model whose one field is `state`, the content of that field is the state's value, on the
    wire and for the reader; inside it stands under its name like any other field.

    :param arguments: the fields of the state
    :param where: the model, for messages
    :param is_single: the model's one field is `state`
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
        #: of what stands on the wire
        self._shape: Shape = shape
        if self._is_single:
            self._shape = {**shape.required, **shape.optional}["state"]
        self._is_record = self._is_single and isinstance(self._shape, Record)
        self._piece = self._schema_of_pieces()
        #: `decoded` of a patch in one piece; HOT
        self.decoded_patch: Callable[[msgspec.Raw], Mapping[str, Any]] = self._patch.decoded
        #: a delta that is as usual, in one pass; HOT
        self.delta_at_once: Callable[[bytes | memoryview], Any] = delta_decoder(self._patch)
        if self._is_single:
            self.decoded_patch = partial(self.decoded, is_snapshot=False)
            self.delta_at_once = lambda _frame: None
        #: the value before the first update
        self.initial: Map[str, Any] = EMPTY
        if self._is_single and not self._is_record:
            self.initial = EMPTY.set("state", EMPTY)
        self._is_numbered_by_caller = is_numbered_by_caller
        self._checks_flat = self._patch.is_flat and not (is_single or is_numbered_by_caller)

    def flat_patch(self, args: Any) -> dict[str, Any] | None:
        """Return the fields of a usual patch, checked and copied; HOT.

        They are what stands on the wire and what a replica decodes. None for what is not usual, of
        which `checked` tells more.

        :raises InvalidArguments: it fails the model
        """
        if not self._checks_flat or type(args) is not dict or "is_snapshot" in args:
            return None
        fields = self._patch.checked(args)
        for item in fields.values():
            if (type(item) is dict and len(item) > RUN) or type(item) is View:
                return None
        return fields

    def checked(self, args: Any) -> Update:
        """Check what a caller of `to_send` gives.

        What is published and what is kept are the same bytes and what they decode to, or of flat
        fields the copy that their check made: what the caller later does to its dicts changes
        neither.

        :raises InvalidArguments: it fails the model
        """
        is_snapshot, number, schema = False, None, self._patch
        if self._is_numbered_by_caller or (isinstance(args, dict) and "is_snapshot" in args):
            args, is_snapshot, number = self._parted(args)
            schema = self._whole if is_snapshot else self._patch
        fields = schema.checked(args)
        is_flat = schema.is_flat
        if _has_long(fields) or not (is_flat or weight_of(fields, LARGE) < LARGE):
            packing = self._packed_all(fields)
            if packing.cuts:
                large = self._joined(packing.raw, packing.cuts, is_snapshot=is_snapshot)
                return Update(packing.raw, large, is_snapshot, number, packing.cuts)
        if is_flat:
            content = fields.get("state", {}) if self._is_single else fields
            return Update(content, fields, is_snapshot, number, None)
        raw = encode(fields)
        typed = schema.decoded(raw)
        if self._is_single:
            raw = raw[len(_STATE_PREFIX) :] if fields else EMPTY_MAP
        return Update(raw, typed, is_snapshot, number, None)

    def decoded(
        self, raw: msgspec.Raw, *, is_snapshot: bool, cuts: list[Cut] | None = None
    ) -> Mapping[str, Any]:
        """Return the fields of an update that came in, frozen where they are large and whole.

        :raises InvalidMessage: they fail the model
        """
        if cuts:
            return self._joined(raw, cuts, is_snapshot=is_snapshot)
        return (self._whole if is_snapshot else self._patch).decoded(self._packed(raw))

    def decoded_value(self, raw: msgspec.Raw) -> dict[str, Any]:
        """Return the fields of a snapshot; deltas may not have built all of them yet.

        :raises InvalidMessage: they fail the model
        """
        return self._partial.decoded(self._packed(raw))

    def decoded_pieces(
        self, raw: bytes | msgspec.Raw, cuts: Iterable[Cut], *, is_patch: bool = False
    ) -> Iterator[dict[str, Any]]:
        """Give the fields of a large value or patch, a run of items at a time.

        :raises InvalidMessage: one of them fails the model, or is no part of the value
        """
        whole = memoryview(raw)
        schema = self._patch if is_patch else self._piece
        end = 0
        for run in cuts:
            try:
                piece = piece_of(whole, run, after=end)
            except ValueError as error:
                raise InvalidMessage(f"{self._where}: {error}") from None
            end = run.end
            yield schema.decoded(self._packed(piece))

    def require_all(self, value: Map[str, Any], *, is_snapshot: bool) -> None:
        """Refuse a value put together from pieces if a field is missing that must be there.

        :param is_snapshot: it was sent as a whole value, not as what deltas may be building up
        :raises InvalidMessage: naming what is missing
        """
        missing = [name for name in self._whole.required if is_snapshot and name not in value]
        if self._is_record and "state" in value:
            shape = self._whole.shape
            (kind,) = (*shape.required.values(), *shape.optional.values())
            if isinstance(kind, Record):
                missing += [f"state.{name}" for name in kind.required if name not in value["state"]]
        if missing:
            raise InvalidMessage(f"{self._where}: missing field {', '.join(map(repr, missing))}")

    def packing(self, value: Map[str, Any]) -> Packing:
        """Return what packs a whole value as it stands in a snapshot."""
        return Packing(self.content(value), self._shape)

    def content(self, value: Map[str, Any]) -> Map[str, Any]:
        """Return what readers see of a value: its fields, or the content of the one field."""
        if self._is_single:
            found: Map[str, Any] = value.get("state", EMPTY)
            return found
        return value

    def _joined(
        self, raw: bytes | msgspec.Raw, cuts: Iterable[Cut], *, is_snapshot: bool
    ) -> Mapping[str, Any]:
        """Return the fields of a large update, decoded a run at a time."""
        pieces = self.decoded_pieces(raw, cuts, is_patch=not is_snapshot)
        if is_snapshot:
            value: Map[str, Any] = EMPTY
            for piece in pieces:
                value = with_part(value, piece)
            self.require_all(value, is_snapshot=True)
            return cast("Mapping[str, Any]", value)
        fields: dict[str, Any] = {}
        for piece in pieces:
            _join(fields, piece)
        return fields

    def _schema_of_pieces(self) -> Schema:
        """Return the schema of a piece of a whole value, in which None deletes nothing.

        A record within the value lies in one piece.
        """
        if not self._is_record:
            return self._partial
        (type_,) = (self._whole.required | self._whole.optional).values()
        must, may = fields_of(type_)
        return Schema({}, {"state": record({}, must | may)}, where=self._whole.where)

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
        """Return what is on the wire as the fields of the model."""
        if not self._is_single:
            return raw
        content = bytes(raw)
        # a record is there or it is not: an empty one stands for none
        return content if self._is_record and content == EMPTY_MAP else _STATE_PREFIX + content

    def _parted(self, args: Any) -> tuple[dict[Any, Any], bool, int | None]:
        """Return the fields without those that are not the value's, and these."""
        fields = dict(args) if isinstance(args, Mapping) else {}
        is_snapshot: bool = self._taken(fields, "is_snapshot", bool)
        if not self._is_numbered_by_caller:
            return fields, is_snapshot, None
        number: int = self._taken(fields, "current_num", int)
        if number < 0:
            raise InvalidArguments(
                f"{self._where}: field 'current_num': expected 0 or more, got {number}"
            )
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
    """Return whether a table among the fields has more items than one run; HOT."""
    for item in fields.values():
        if (type(item) is dict or type(item) is View) and len(item) > RUN:
            return True
    return False


def _join(fields: dict[Any, Any], piece: dict[Any, Any]) -> None:
    """Add a part of a value to another."""
    for key, item in piece.items():
        held = fields.get(key)
        if type(held) is dict and type(item) is dict:
            _join(held, item)
        else:
            fields[key] = item
