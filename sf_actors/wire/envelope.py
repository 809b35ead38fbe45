"""What travels around the fields: one MessagePack map per message, readable by any language.

===============  ==============================================================================
request          ``args``, ``workflow_id``; ours: ``request_id``
reply            ``return_args`` or ``error`` (``type``, ``message``); ``workflow_id``
published        ``args``, ``workflow_id``; ours: ``epoch``, ``number``; full updates too
delta            ``args`` (``current_num``, ``is_snapshot``, ``state``), ``workflow_id``; ours:
                 ``epoch``, ``cuts`` (runs of items in ``state``, see `Cut`)
heartbeat        a delta with `HEARTBEAT_NUMBER` and no fields, long past for peers that know no
                 heartbeats; ours: ``epoch``, ``head`` (the last number), ``digest``
snapshot request ``args`` (empty), ``workflow_id``; ours: ``epoch``, ``after`` (what the replica
                 has, if deltas would do)
snapshot reply   ``return_args`` (``state``, ``current_num``), ``workflow_id``; ours: ``epoch``,
                 ``cuts``, or ``deltas`` (packed args to follow ``after``) in place of
                 ``return_args``
===============  ==============================================================================

Keys that are not listed are ignored, also those that are no text; those of ours may be absent. The
fields themselves stay packed (`msgspec.Raw`) until a `Schema` decodes them; they refer to the frame
they came in.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from sf_actors.errors import InvalidArguments, Undecodable
from sf_actors.wire.foreign import PackedId, exact_id, extension, sorted_out
from sf_actors.wire.words import cut

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

HEARTBEAT_NUMBER = -2
NO_FIELDS = Raw(b"\x80")
NAME_LENGTH = 200
MESSAGE_LENGTH = 10_000
"""What an error's name and text are cut to before they travel."""


CHANGED_IDS = frozenset({dict, list, datetime})
"""Types of workflow ids that are read another time, since to pack them again would change them."""

_PLACE = Raw(b"\xc4\x10" + secrets.token_bytes(16))
"""Where packed bytes go that are too many to be packed around."""


def _written() -> Any:
    """Return a default of None that is written all the same: the original looks its key up.

    `omit_defaults` leaves out what equals a default, but not what a factory made.
    """
    return msgspec.field(default_factory=type(None))


class Failure(Struct, gc=False):
    """Why the other side has no reply: the name of the error over there, and its text."""

    type: str = "Error"
    message: str = ""


class Request(Struct, gc=False, omit_defaults=True):
    """A question to a replyer; `request_id` is the same for each attempt at it."""

    args: Raw
    workflow_id: Any = _written()
    request_id: str | int | None = None


class Reply(Struct, gc=False, omit_defaults=True):
    """The answer to a request: `return_args` unless `error` is set."""

    return_args: Raw | UnsetType = UNSET
    error: Failure | None = None
    workflow_id: Any = _written()


class Published(Struct, gc=False, omit_defaults=True):
    """A published message or a full update, numbered by its publisher's epoch."""

    args: Raw
    workflow_id: Any = _written()
    epoch: int | None = None
    number: int | None = None


class Cut(Struct, gc=False, array_like=True):
    """Where a run of items lies in the bytes of a packed mapping.

    :ivar path: the packed keys that lead to the mapping that the run is of
    :ivar start: of the first key, in bytes from the start of the whole
    :ivar end: behind the last value
    :ivar count: items between the two
    """

    path: tuple[bytes, ...]
    start: int
    end: int
    count: int


class DeltaArgs(Struct, gc=False):
    """One delta, or a whole value if `is_snapshot`."""

    current_num: int
    is_snapshot: bool
    state: Raw


class DeltaMessage(Struct, gc=False, omit_defaults=True):
    """A published delta; a heartbeat if `args.current_num` is `HEARTBEAT_NUMBER`."""

    args: DeltaArgs
    workflow_id: Any = _written()
    epoch: int | None = None
    head: int | None = None
    digest: bytes | None = None
    cuts: list[Cut] | None = None


class _ArgsAlone(Struct, gc=False):
    """Of a published delta what a snapshot reply takes over."""

    args: Raw


class SnapshotRequest(Struct, gc=False, omit_defaults=True):
    """A replica's wish for the value, or for the deltas of `epoch` that follow `after`."""

    args: Raw = msgspec.field(default_factory=lambda: NO_FIELDS)  # as in `_written`
    workflow_id: Any = _written()
    epoch: int | None = None
    after: int | None = None


class SnapshotArgs(Struct, gc=False):
    """A whole value and the number of the last update in it, -1 before the first."""

    state: Raw
    current_num: int


class SnapshotReply(Struct, gc=False, omit_defaults=True):
    """The value (`return_args`), or the packed `DeltaArgs` that were asked for (`deltas`)."""

    return_args: SnapshotArgs | UnsetType = UNSET
    workflow_id: Any = _written()
    epoch: int | None = None
    deltas: list[Raw] | None = None
    error: Failure | None = None
    cuts: list[Cut] | None = None


Message = TypeVar(
    "Message", Request, Reply, Published, DeltaMessage, SnapshotRequest, SnapshotReply
)


def _plain(value: object) -> object:
    if type(value) is PackedId:
        return value.__packed__()
    plain = getattr(type(value), "__plain__", None)
    if plain is None:
        raise TypeError(f"a {type(value).__qualname__}")
    return plain(value)


def _refused(error: Exception) -> InvalidArguments:
    return InvalidArguments(
        f"expected a message that MessagePack can hold, got {cut(str(error), 200)}"
    )


_UNPACKABLE = (TypeError, ValueError, OverflowError, RuntimeError)
_encode = msgspec.msgpack.Encoder(enc_hook=_plain).encode


def encode(message: object) -> bytes:
    """Return any message as MessagePack, a state's read-only mapping as a map; HOT.

    :raises InvalidArguments: something in it cannot be packed
    """
    try:
        return _encode(message)
    except _UNPACKABLE as error:
        raise _refused(error) from error


def encode_request(args: object, workflow_id: object, request_id: str | int | None = None) -> bytes:
    """Return a packed request; `args` are checked fields, or packed ones as `Raw`. HOT."""
    try:
        return _encode(Request(args, workflow_id, request_id))  # type: ignore[arg-type]
    except _UNPACKABLE as error:
        raise _refused(error) from error


def encode_reply(return_args: object, workflow_id: object) -> bytes:
    """Return a packed reply; `return_args` are checked fields, or packed ones as `Raw`. HOT."""
    try:
        return _encode(Reply(return_args, None, workflow_id))  # type: ignore[arg-type]
    except _UNPACKABLE as error:
        raise _refused(error) from error


def encode_failure(type_: str, message: str, workflow_id: object) -> bytes:
    """Return a packed reply that is an error, whatever characters its long text may hold."""
    failure = Failure(_sound(type_, NAME_LENGTH), _sound(message, MESSAGE_LENGTH))
    return encode(Reply(UNSET, failure, workflow_id))


def encode_published(
    args: object, workflow_id: object, epoch: int | None = None, number: int | None = None
) -> bytes:
    """Return a packed published message or full update, without its topic; HOT."""
    try:
        return _encode(Published(args, workflow_id, epoch, number))  # type: ignore[arg-type]
    except _UNPACKABLE as error:
        raise _refused(error) from error


def encode_delta(  # noqa: PLR0917 - in the order of the message
    number: int,
    is_snapshot: bool,
    state: bytes | Mapping[Any, Any],
    workflow_id: object,
    epoch: int | None = None,
    cuts: list[Cut] | None = None,
) -> bytes:
    """Return a packed delta, without its topic; HOT.

    :param state: its fields, packed (with `cuts` always) or not
    """
    if type(state) is bytes:
        if cuts:
            args = DeltaArgs(number, is_snapshot, _PLACE)
            return _around(state, DeltaMessage(args, workflow_id, epoch, None, None, cuts))
        state = Raw(state)
    args = DeltaArgs(number, is_snapshot, state)  # type: ignore[arg-type]
    try:
        return _encode(DeltaMessage(args, workflow_id, epoch))
    except _UNPACKABLE as error:
        raise _refused(error) from error


def encode_heartbeat(epoch: int, head: int, digest: bytes | None = None) -> bytes:
    """Return the packed sign of life of a delta state whose last number is `head`."""
    args = DeltaArgs(HEARTBEAT_NUMBER, is_snapshot=False, state=NO_FIELDS)
    return encode(DeltaMessage(args, None, epoch, head, digest))


def encode_snapshot_request(
    workflow_id: object = None, *, epoch: int | None = None, after: int | None = None
) -> bytes:
    """Return a packed wish for a snapshot, or for the deltas of `epoch` that follow `after`."""
    return encode(SnapshotRequest(NO_FIELDS, workflow_id, epoch, after))


def encode_snapshot_reply(
    state_raw: bytes,
    number: int,
    workflow_id: object = None,
    *,
    epoch: int | None = None,
    cuts: list[Cut] | None = None,
) -> bytes:
    """Return a packed snapshot; `number` is -1 before the first update."""
    if cuts:
        args = SnapshotArgs(_PLACE, number)
        return _around(state_raw, SnapshotReply(args, workflow_id, epoch, None, None, cuts))
    args = SnapshotArgs(Raw(state_raw), number)
    return encode(SnapshotReply(args, workflow_id, epoch))


def encode_fill(deltas: Sequence[bytes], workflow_id: object, *, epoch: int) -> bytes:
    """Return a packed snapshot reply with the args of packed deltas in place of the value."""
    args = [_ARGS_ALONE.decode(delta).args for delta in deltas]
    return encode(SnapshotReply(UNSET, workflow_id, epoch, args))


def decode_delta_args(raw: bytes | memoryview | Raw) -> DeltaArgs:
    """Return one of the packed deltas of a `SnapshotReply`.

    :raises Undecodable: it is none
    """
    try:
        return _DELTA_ARGS.decode(raw)
    except Exception as error:  # noqa: BLE001 - as in `_decoder`
        raise Undecodable(f"expected a delta's args, got {cut(str(error), 200)}") from None


def _around(state_raw: bytes, message: object) -> bytes:
    """Return a packed message with packed bytes at `_PLACE`, copied once however many they are."""
    before, _, after = encode(message).partition(_PLACE)
    return b"".join((before, state_raw, after))


def _sound(text: str, length: int) -> str:
    return text[:length].encode("utf-8", "backslashreplace").decode()


def _decoder(kind: type[Message], noun: str) -> Callable[[bytes | memoryview], Message]:
    """Return the function that decodes one kind of message; HOT, raises Undecodable alone."""
    decode_frame = msgspec.msgpack.Decoder(kind, ext_hook=extension).decode

    def decode(frame: bytes | memoryview) -> Message:
        try:
            message = decode_frame(frame)
            id_ = message.workflow_id
            if type(id_) in CHANGED_IDS:
                message.workflow_id = exact_id(id_, frame)
        except Undecodable:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a peer's bytes provoke is its message
            message = look_again(frame, f"expected a {noun}, got {cut(str(error), 200)}")
        return message

    def look_again(frame: bytes | memoryview, problem: str) -> Message:
        try:
            rest, id_ = sorted_out(frame)
            message = decode_frame(rest)
        except Undecodable:
            raise
        except Exception:  # noqa: BLE001 - as above; what went wrong at first is what to tell
            raise Undecodable(problem) from None
        message.workflow_id = id_
        return message

    return decode


_DELTA_ARGS = msgspec.msgpack.Decoder(DeltaArgs)
_ARGS_ALONE = msgspec.msgpack.Decoder(_ArgsAlone)
_decode_reply = _decoder(Reply, "reply")
_decode_snapshot_reply = _decoder(SnapshotReply, "snapshot reply")

decode_request = _decoder(Request, "request")
decode_published = _decoder(Published, "published message")
decode_delta = _decoder(DeltaMessage, "delta")
decode_snapshot_request = _decoder(SnapshotRequest, "snapshot request")


def decode_reply(frame: bytes | memoryview) -> Reply:
    """Return a reply that has `return_args`, `error` or both.

    :raises Undecodable: it is no reply
    """
    reply = _decode_reply(frame)
    if reply.return_args is UNSET and reply.error is None:
        raise Undecodable("expected a reply with return_args or error, got neither")
    return reply


def decode_snapshot_reply(frame: bytes | memoryview) -> SnapshotReply:
    """Return a snapshot reply that has `return_args`, `deltas` or `error`.

    :raises Undecodable: it is no snapshot reply
    """
    reply = _decode_snapshot_reply(frame)
    if reply.return_args is UNSET and reply.deltas is None and reply.error is None:
        raise Undecodable("expected a snapshot reply with return_args or deltas, got neither")
    return reply
