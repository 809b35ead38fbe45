"""Packs and decodes the envelopes of messages (see `messages`), but not their fields."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec import UNSET, Raw, UnsetType

from sf_actors.errors import InvalidArguments, Undecodable
from sf_actors.wire.foreign import MAX_ID_BYTES, PackedId, sorted_out
from sf_actors.wire.messages import (
    HEARTBEAT_NUMBER,
    NO_FIELDS,
    Cut,
    DeltaArgs,
    DeltaMessage,
    Failure,
    Published,
    Reply,
    Request,
    SnapshotReply,
    SnapshotRequest,
)
from sf_actors.wire.seen import on_the_wire
from sf_actors.wording import cut

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sf_actors.wire.seen import Seen

NAME_LENGTH = 200

MESSAGE_LENGTH = 10_000
"""Longest text of an error on the wire, in characters; its name is cut to `NAME_LENGTH`."""

MAX_REQUEST_ID = 1_024
"""Longest request id, in characters: a replyer that deduplicates remembers thousands of them."""

MAX_FILL = 1_024
"""Most deltas in a snapshot reply; a publisher keeps as many to fill gaps."""

BYTES_PER_CUT = 500
"""Least bytes of a value for each of its cuts, apart from the first `MAX_FILL`."""

_DOUBLE = struct.Struct(">d")
_LONGEST_NUMBER = 9
"""Bytes of the longest packed number."""
_NUMBER = msgspec.msgpack.Decoder(float)

PLACE = Raw(msgspec.msgpack.encode(os.urandom(16)))
"""Marks the place of packed bytes that are too large to be packed with the rest."""


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
_encoder = msgspec.msgpack.Encoder(enc_hook=_plain)
_encode = _encoder.encode
_encode_into = _encoder.encode_into


def encode(message: object) -> bytes:
    """Return a message as MessagePack, with a state's read-only mapping as a map; HOT.

    :raises InvalidArguments: a value in it cannot be packed
    """
    try:
        return _encode(message)
    except _UNPACKABLE as error:
        raise _refused(error) from error


def encode_into(message: object, buffer: bytearray) -> None:
    """Append a message as MessagePack to a buffer; HOT.

    :raises InvalidArguments: a value in it cannot be packed
    """
    try:
        _encode_into(message, buffer, -1)
    except _UNPACKABLE as error:
        raise _refused(error) from error


def encode_request(  # noqa: PLR0917 - in the order of the message
    args: object,
    workflow_id: object,
    request_id: str | int | None = None,
    expires_in_s: float | UnsetType = UNSET,
    seen: Seen | UnsetType = UNSET,
    traceparent: Raw | UnsetType = UNSET,
) -> bytes:
    """Return a packed request; `args` are checked fields, or packed ones as `Raw`. HOT."""
    try:
        return _encode(
            Request(
                args,  # type: ignore[arg-type]
                workflow_id,
                request_id,
                seen if seen is UNSET else on_the_wire(seen),  # type: ignore[arg-type]
                traceparent,
                expires_in_s,  # type: ignore[arg-type]
            )
        )
    except _UNPACKABLE as error:
        raise _refused(error) from error


def expiring_in(frame: bytes, seconds: float) -> bytes:
    """Return one of our packed requests with another value of its `expires_in_s`."""
    return frame[: -_DOUBLE.size] + _DOUBLE.pack(seconds)


def seconds_left(request: Request) -> float | None:
    """Return how long the caller of a request still waits; None if it is not given as a number."""
    packed = request.expires_in_s
    if isinstance(packed, UnsetType) or memoryview(packed).nbytes > _LONGEST_NUMBER:
        return None
    try:
        return _NUMBER.decode(packed)
    except msgspec.MsgspecError:
        return None


def encode_reply(return_args: object, workflow_id: object, seen: Seen | UnsetType = UNSET) -> bytes:
    """Return a packed reply; `return_args` are checked fields, or packed ones as `Raw`. HOT."""
    try:
        return _encode(
            Reply(
                return_args,  # type: ignore[arg-type]
                None,
                workflow_id,
                seen if seen is UNSET else on_the_wire(seen),  # type: ignore[arg-type]
            )
        )
    except _UNPACKABLE as error:
        raise _refused(error) from error


def encode_failure(
    type_: str,
    message: str,
    workflow_id: object,
    *,
    unhandled: bool = False,
    seen: Seen | UnsetType = UNSET,
) -> bytes:
    """Return a packed error reply; long texts are cut, lone surrogates escaped."""
    failure = Failure(_sound(type_, NAME_LENGTH), _sound(message, MESSAGE_LENGTH), unhandled)
    return encode(Reply(UNSET, failure, workflow_id, on_the_wire(seen)))  # type: ignore[arg-type]


def encode_published(  # noqa: PLR0917 - in the order of the message
    args: object,
    workflow_id: object,
    epoch: int | None = None,
    number: int | None = None,
    interval_s: float | None = None,
    traceparent: Raw | UnsetType = UNSET,
) -> bytes:
    """Return a packed published message or full update, without its topic; HOT."""
    try:
        return _encode(
            Published(
                args,  # type: ignore[arg-type]
                workflow_id,
                epoch,
                number,
                interval_s,
                traceparent,
            )
        )
    except _UNPACKABLE as error:
        raise _refused(error) from error


def encode_delta(  # noqa: PLR0917 - in the order of the message
    number: int,
    is_snapshot: bool,
    state: bytes | Mapping[Any, Any],
    workflow_id: object,
    epoch: int | None = None,
    cuts: list[Cut] | None = None,
    count: int | None = None,
    traceparent: Raw | UnsetType = UNSET,
) -> bytes:
    """Return a packed delta, without its topic; HOT.

    :param state: its fields, packed or not; with `cuts` always packed
    :param count: the publisher's own count, if `number` is its caller's
    """
    if type(state) is bytes:
        if cuts:
            args = DeltaArgs(number, is_snapshot, PLACE)
            delta = DeltaMessage(args, workflow_id, epoch, None, None, cuts, count)
            delta.traceparent = traceparent
            return around(state, delta)
        state = Raw(state)
    args = DeltaArgs(number, is_snapshot, state)  # type: ignore[arg-type]
    try:
        return _encode(
            DeltaMessage(
                args, workflow_id, epoch, None, None, None, count, False, None, traceparent
            )
        )
    except _UNPACKABLE as error:
        raise _refused(error) from error


def encode_heartbeat(
    epoch: int,
    head: int,
    digest: bytes | None = None,
    *,
    loading: bool = False,
    interval_s: float | None = None,
) -> bytes:
    """Return a packed heartbeat of a delta state whose last count is `head`.

    :param loading: the publisher has not published since its start, but will
    :param interval_s: the time between heartbeats
    """
    args = DeltaArgs(HEARTBEAT_NUMBER, is_snapshot=False, state=NO_FIELDS)
    beat = DeltaMessage(args, None, epoch, head, digest, loading=loading, interval_s=interval_s)
    return encode(beat)


def encode_snapshot_request(
    workflow_id: object = None,
    *,
    epoch: int | None = None,
    after: int | None = None,
    max_message_bytes: int | None = None,
) -> bytes:
    """Return a packed request for a snapshot, or for the deltas of `epoch` after `after`."""
    limit = UNSET if max_message_bytes is None else Raw(encode(max_message_bytes))
    return encode(SnapshotRequest(NO_FIELDS, workflow_id, epoch, after, limit))


def around(state_raw: bytes, message: object) -> bytes:
    """Return a packed message with packed bytes in place of `PLACE`, copied only once."""
    before, _, after = encode(message).partition(PLACE)
    return b"".join((before, state_raw, after))


def _sound(text: str, length: int) -> str:
    return text[:length].encode("utf-8", "backslashreplace").decode()


def _decoder(kind: type[Message], noun: str) -> Callable[[bytes | memoryview], Message]:
    """Return the decoder of one kind of message, which raises only Undecodable; HOT."""
    decode_frame = msgspec.msgpack.Decoder(kind).decode

    def decode(frame: bytes | memoryview) -> Message:
        try:
            message = decode_frame(frame)
        except Exception as error:  # noqa: BLE001 - a peer's bytes may provoke any error
            return look_again(frame, f"expected a {noun}, got {cut(str(error), 200)}")
        id_ = message.workflow_id
        if type(id_) is str and len(id_) > MAX_ID_BYTES:
            raise Undecodable(
                f"expected a workflow id of at most {MAX_ID_BYTES} bytes, got {len(id_)} characters"
            )
        return message

    def look_again(frame: bytes | memoryview, problem: str) -> Message:
        try:
            rest, id_ = sorted_out(frame)
            message = decode_frame(rest)
        except Undecodable:
            raise
        except Exception:  # noqa: BLE001 - as above; the first error is the one to report
            raise Undecodable(problem) from None
        message.workflow_id = id_
        return message

    return decode


_decode_reply = _decoder(Reply, "reply")
_decode_snapshot_reply = _decoder(SnapshotReply, "snapshot reply")

_decode_request = _decoder(Request, "request")
decode_published = _decoder(Published, "published message")
_decode_delta = _decoder(DeltaMessage, "delta")
decode_snapshot_request = _decoder(SnapshotRequest, "snapshot request")


def decode_request(frame: bytes | memoryview) -> Request:
    """Return a request.

    :raises Undecodable: it is not a request
    """
    request = _decode_request(frame)
    id_ = request.request_id
    if type(id_) is str and len(id_) > MAX_REQUEST_ID:
        raise Undecodable(
            f"expected a request id of at most {MAX_REQUEST_ID} characters, got {len(id_)}"
        )
    return request


def decode_delta(frame: bytes | memoryview) -> DeltaMessage:
    """Return a delta or heartbeat.

    :raises Undecodable: it is neither
    """
    message = _decode_delta(frame)
    _require_few(message.cuts, message.args.state)
    return message


def decode_reply(frame: bytes | memoryview) -> Reply:
    """Return a reply that has `return_args`, `error` or both.

    :raises Undecodable: it is not a reply
    """
    reply = _decode_reply(frame)
    if reply.return_args is UNSET and reply.error is None:
        raise Undecodable("expected a reply with return_args or error, got neither")
    return reply


def decode_snapshot_reply(frame: bytes | memoryview) -> SnapshotReply:
    """Return a snapshot reply that has `return_args`, `deltas` or `error`.

    :raises Undecodable: it is not a snapshot reply
    """
    reply = _decode_snapshot_reply(frame)
    if reply.return_args is UNSET and reply.deltas is UNSET and reply.error is None:
        raise Undecodable("expected a snapshot reply with return_args or deltas, got neither")
    if reply.return_args is not UNSET:
        _require_few(reply.cuts, reply.return_args.state)
    return reply


def with_workflow_id(frame: bytes, workflow_id: object) -> bytes:
    """Return one of our packed replies with another workflow id."""
    reply = decode_reply(frame)
    reply.workflow_id = workflow_id
    return encode(reply)


def _require_few(cuts: list[Cut] | None, state: Raw) -> None:
    """Refuse more cuts than a publisher makes, since each costs the reader a step."""
    if cuts is not None:
        size = memoryview(state).nbytes
        if len(cuts) > MAX_FILL + size // BYTES_PER_CUT:
            raise Undecodable(f"expected fewer cuts in {size} bytes, got {len(cuts)}")
