"""Packs and decodes the answers to requests for a snapshot, but not the value in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from sf_actors.errors import Undecodable
from sf_actors.wire.envelope import MAX_FILL, PLACE, around, encode
from sf_actors.wire.foreign import id_of
from sf_actors.wire.messages import DeltaArgs, FilledDelta, SnapshotArgs, SnapshotReply
from sf_actors.wire.msgpack import count_of
from sf_actors.wording import cut

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sf_actors.wire.messages import Cut

MAX_NAMES = 10_000
"""Most fields of a model that a snapshot reply names; for a larger model it names none."""


_NIL = msgspec.msgpack.encode(None)


class _ArgsAlone(Struct, gc=False):
    """The part of a published delta that a snapshot reply contains."""

    args: Raw
    workflow_id: Raw | UnsetType = UNSET


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

    :param count: the publisher's own count of its last update, if `number` is its caller's
    :param loading: as in `encode_heartbeat`: there is no value yet, `state_raw` is empty
    :param interval_s: as in `encode_heartbeat`
    :param fields: the names of the fields of the publisher's model
    """
    names = UNSET if fields is None or len(fields) > MAX_NAMES else Raw(encode(list(fields)))
    args = SnapshotArgs(PLACE if cuts else Raw(state_raw), number)
    reply = SnapshotReply(args, workflow_id, epoch, UNSET, None, cuts or None, count)
    reply.loading, reply.interval_s, reply.fields = loading, interval_s, names
    return around(state_raw, reply) if cuts else encode(reply)


def encode_fill(
    deltas: Sequence[bytes],
    workflow_id: object,
    *,
    epoch: int,
    count: int | None = None,
    interval_s: float | None = None,
) -> bytes:
    """Return a packed snapshot reply with the args of packed deltas in place of the value.

    :param count: the publisher's own count of the last delta, if their numbers are its caller's
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

    :raises Undecodable: they are not texts, or more than `MAX_NAMES`
    """
    raw = reply.fields
    if isinstance(raw, UnsetType):
        return None
    try:
        # before decoding: a name may be one byte here and fifty in Python
        count = count_of(raw)
        if count > MAX_NAMES:
            raise Undecodable(f"expected at most {MAX_NAMES} names of fields, got {count}")
        return _NAMES.decode(raw)
    except Undecodable:
        raise
    except Exception as error:  # noqa: BLE001 - as in `_decoder`
        raise Undecodable(f"expected the names of fields, got {cut(str(error), 200)}") from None


_NAMES = msgspec.msgpack.Decoder(list[str])
_FILL = msgspec.msgpack.Decoder(list[FilledDelta])
_ARGS = msgspec.msgpack.Decoder(DeltaArgs)
_ARGS_ALONE = msgspec.msgpack.Decoder(_ArgsAlone)
