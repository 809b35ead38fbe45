"""Packs and decodes the envelopes of messages, not their fields (see `messages`)."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from sf_actors.errors import InvalidArguments, Undecodable
from sf_actors.wire.foreign import MAX_ID_BYTES, PackedId, id_of, sorted_out
from sf_actors.wire.messages import (
    HEARTBEAT_NUMBER,
    NO_FIELDS,
    Cut,
    DeltaArgs,
    DeltaMessage,
    Failure,
    FilledDelta,
    Published,
    Reply,
    Request,
    SnapshotArgs,
    SnapshotReply,
    SnapshotRequest,
)
from sf_actors.wire.msgpack import count_of
from sf_actors.wording import cut

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

NAME_LENGTH = 200

MESSAGE_LENGTH = 10_000
"""Longest text of an error on the wire, in characters; its name is cut to `NAME_LENGTH`."""

MAX_REQUEST_ID = 1_024
"""Longest request id, in characters: a replyer that deduplicates remembers thousands of them."""

MAX_NAMES = 10_000
"""Most fields of a model that a snapshot reply names; of a larger model it names none."""

MAX_FILL = 1_024
"""Most deltas in a snapshot reply; a publisher keeps as many to fill gaps."""

BYTES_PER_CUT = 500
"""Least bytes of a value for each of its cuts, apart from the first `MAX_FILL`."""

_NIL = msgspec.msgpack.encode(None)

_PLACE = Raw(msgspec.msgpack.encode(secrets.token_bytes(16)))
"""Where packed bytes go that are too many to be packed around."""


class _ArgsAlone(Struct, gc=False):
    """The part of a published delta that a snapshot reply contains."""

    args: Raw
    workflow_id: Raw | UnsetType = UNSET


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
    """Return a message as MessagePack, with a state's read-only mapping as a map; HOT.

    :raises InvalidArguments: a value in it cannot be packed
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
    """Return a packed error reply; long texts are cut, lone surrogates escaped."""
    failure = Failure(_sound(type_, NAME_LENGTH), _sound(message, MESSAGE_LENGTH))
    return encode(Reply(UNSET, failure, workflow_id))


def encode_published(
    args: object,
    workflow_id: object,
    epoch: int | None = None,
    number: int | None = None,
    interval_s: float | None = None,
) -> bytes:
    """Return a packed published message or full update, without its topic; HOT."""
    try:
        return _encode(
            Published(args, workflow_id, epoch, number, interval_s)  # type: ignore[arg-type]
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
) -> bytes:
    """Return a packed delta, without its topic; HOT.

    :param state: its fields, packed or not; with `cuts` always packed
    :param count: the publisher's own, if `number` is its caller's
    """
    if type(state) is bytes:
        if cuts:
            args = DeltaArgs(number, is_snapshot, _PLACE)
            return _around(state, DeltaMessage(args, workflow_id, epoch, None, None, cuts, count))
        state = Raw(state)
    args = DeltaArgs(number, is_snapshot, state)  # type: ignore[arg-type]
    try:
        return _encode(DeltaMessage(args, workflow_id, epoch, None, None, None, count))
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

    :param loading: it has not published since its start, and will
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


def encode_snapshot_reply(
    state_raw: bytes,
    number: int,
    workflow_id: object = None,
    *,
    epoch: int | None = None,
    cuts: list[Cut] | None = None,
    count: int | None = None,
    loading: bool = False,
    interval_s: float | None = None,
    fields: Sequence[str] | None = None,
) -> bytes:
    """Return a packed snapshot; `number` is -1 before the first update.

    :param count: the publisher's own of its last update, if `number` is its caller's
    :param loading: as in `encode_heartbeat`: there is no value yet, `state_raw` is empty
    :param interval_s: as in `encode_heartbeat`
    :param fields: the names of the fields of the publisher's model
    """
    names = UNSET if fields is None or len(fields) > MAX_NAMES else Raw(encode(list(fields)))
    args = SnapshotArgs(_PLACE if cuts else Raw(state_raw), number)
    reply = SnapshotReply(args, workflow_id, epoch, UNSET, None, cuts or None, count)
    reply.loading, reply.interval_s, reply.fields = loading, interval_s, names
    return _around(state_raw, reply) if cuts else encode(reply)


def encode_fill(
    deltas: Sequence[bytes],
    workflow_id: object,
    *,
    epoch: int,
    count: int | None = None,
    interval_s: float | None = None,
) -> bytes:
    """Return a packed snapshot reply with the args of packed deltas in place of the value.

    :param count: the publisher's own of the last delta, if their numbers are its caller's
    :param interval_s: as in `encode_heartbeat`
    """
    args = Raw(encode([_filled(delta) for delta in deltas]))
    reply = SnapshotReply(UNSET, workflow_id, epoch, args, count=count, interval_s=interval_s)
    return encode(reply)


def _filled(delta: bytes) -> FilledDelta:
    alone = _ARGS_ALONE.decode(delta)
    args = _ARGS.decode(alone.args)
    id_ = alone.workflow_id
    known = UNSET if isinstance(id_, UnsetType) or bytes(id_) == _NIL else id_
    return FilledDelta(args.current_num, args.is_snapshot, args.state, known)


def decode_fill(raw: Raw) -> list[tuple[DeltaArgs, object]]:
    """Return the packed deltas of a `SnapshotReply`, each with its workflow id.

    :raises Undecodable: they are invalid, or more than `MAX_FILL`
    """
    try:
        count = count_of(raw)
        if count > MAX_FILL:
            raise Undecodable(f"expected at most {MAX_FILL} deltas in an answer, got {count}")
        deltas = _FILL.decode(raw)
        return [(delta, _id_in(delta.workflow_id)) for delta in deltas]
    except Undecodable:
        raise
    except Exception as error:  # noqa: BLE001 - as in `_decoder`
        raise Undecodable(f"expected the args of deltas, got {cut(str(error), 200)}") from None


def _id_in(raw: Raw | UnsetType) -> object:
    return None if isinstance(raw, UnsetType) else id_of(raw)


def decode_names(reply: SnapshotReply) -> list[str] | None:
    """Return the names of the fields of the publisher's model, None if there are none.

    :raises Undecodable: they are no texts, or more than `MAX_NAMES`
    """
    raw = reply.fields
    if isinstance(raw, UnsetType):
        return None
    try:
        # before they are decoded: a name may be a byte here and fifty in Python
        count = count_of(raw)
        if count > MAX_NAMES:
            raise Undecodable(f"expected at most {MAX_NAMES} names of fields, got {count}")
        return _NAMES.decode(raw)
    except Undecodable:
        raise
    except Exception as error:  # noqa: BLE001 - as in `_decoder`
        raise Undecodable(f"expected the names of fields, got {cut(str(error), 200)}") from None


def _around(state_raw: bytes, message: object) -> bytes:
    """Return a packed message with packed bytes in place of `_PLACE`, copied only once."""
    before, _, after = encode(message).partition(_PLACE)
    return b"".join((before, state_raw, after))


def _sound(text: str, length: int) -> str:
    return text[:length].encode("utf-8", "backslashreplace").decode()


def _decoder(kind: type[Message], noun: str) -> Callable[[bytes | memoryview], Message]:
    """Return the decoder of one kind of message; HOT, it raises only Undecodable."""
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


_NAMES = msgspec.msgpack.Decoder(list[str])
_FILL = msgspec.msgpack.Decoder(list[FilledDelta])
_ARGS = msgspec.msgpack.Decoder(DeltaArgs)
_ARGS_ALONE = msgspec.msgpack.Decoder(_ArgsAlone)
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
