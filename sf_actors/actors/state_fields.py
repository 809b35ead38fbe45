"""The fields of a delta state: between what users write and read and what goes over the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sf_actors.errors import InvalidArguments
from sf_actors.replication.value import thaw
from sf_actors.wire.envelope import encode

if TYPE_CHECKING:
    import msgspec
    from immutables import Map

    from sf_actors.definition.models import Model

#: The start of ``{'state': …}`` as MessagePack, for models whose one field is `state`.
_STATE_PREFIX = b"\x81\xa5state"


class Update(NamedTuple):
    """An update as it goes out.

    :ivar raw: the content of `state` on the wire
    :ivar typed: the fields as a replica will decode them
    :ivar number: the caller's own number, or None
    """

    raw: bytes
    typed: dict[str, Any]
    is_snapshot: bool
    number: int | None


class StateFields:
    """Checks, encodes and decodes the updates of one delta state; any thread.

    In a model whose one field is `state`, the content of that field is the state's value, on the
    wire and for the reader; inside it stands under its name like any other field.
    """

    def __init__(self, model: Model) -> None:
        self._where = model.where
        self._whole = model.arguments
        self._patch = model.arguments.patch()
        self._partial = model.arguments.partial()
        self._is_single = model.single_state
        self._is_numbered_by_caller = model.numbered_by_caller

    def checked(self, args: Any) -> Update:
        """Check what a caller of `to_send` gives.

        What is published and what is kept are two decodings of the same bytes: what the caller
        later does to its dicts changes neither.

        :raises InvalidArguments: it fails the model
        """
        is_snapshot = False
        number = None
        if isinstance(args, dict):
            if "is_snapshot" in args or self._is_numbered_by_caller:
                args = dict(args)
                is_snapshot = self._taken(args, "is_snapshot", bool)
                if self._is_numbered_by_caller:
                    number = self._taken(args, "current_num", int)
        schema = self._whole if is_snapshot else self._patch
        fields = schema.checked(args)
        raw = encode(fields)
        typed = schema.decoded(raw)
        if self._is_single:
            raw = raw[len(_STATE_PREFIX) :] if fields else b"\x80"
        return Update(raw, typed, is_snapshot, number)

    def decoded(self, raw: msgspec.Raw, *, is_snapshot: bool) -> dict[str, Any]:
        """Return the fields of an update that came in.

        :raises InvalidMessage: they fail the model
        """
        packed = _STATE_PREFIX + bytes(raw) if self._is_single else raw
        return (self._whole if is_snapshot else self._patch).decoded(packed)

    def decoded_value(self, raw: msgspec.Raw) -> dict[str, Any]:
        """Return the fields of a snapshot; deltas may not have built all of them yet.

        :raises InvalidMessage: they fail the model
        """
        packed = _STATE_PREFIX + bytes(raw) if self._is_single else raw
        return self._partial.decoded(packed)

    def encoded(self, value: Map[str, Any]) -> bytes:
        """Return a whole value as it stands in a snapshot."""
        return encode(thaw(self.content(value)))

    def content(self, value: Map[str, Any]) -> Map[str, Any]:
        """Return what readers see of a value: its fields, or the content of the one field."""
        if self._is_single:
            found: Map[str, Any] = value.get("state", type(value)())
            return found
        return value

    def _taken(self, args: dict[str, Any], name: str, expected: type) -> Any:
        taken = args.pop(name, None)
        if type(taken) is not expected:
            raise InvalidArguments(
                f"{self._where}: field {name!r}: expected {expected.__name__}, got {taken!r}"
            )
        return taken
