"""Packs and decodes the parts of a snapshot that is too large for one message.

The first part has no piece of the value, but what applies to all of it: the names of the fields.
Each further part has some pieces. Every part has its place among them all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Raw, Struct, UnsetType

from sf_actors.errors import Undecodable
from sf_actors.wire.envelope import BYTES_PER_CUT, MAX_FILL, encode
from sf_actors.wire.messages import NO_FIELDS, SnapshotArgs, SnapshotReply
from sf_actors.wire.msgpack import count_of
from sf_actors.wire.snapshots import MAX_NAMES
from sf_actors.wording import cut

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sf_actors.wire.messages import SnapshotRequest

MAX_PARTS: Final = 2**20
"""Most messages of one snapshot."""

LEAST_PART: Final = 1_024
"""Lowest limit of a peer, in bytes, for which a snapshot is divided."""

LARGEST_PART: Final = 2**20
"""Most bytes of a part, unless it is one larger item: a peer that reads slowly makes the publisher
hold one or two."""

ENVELOPE: Final = 256
"""Most bytes that a part has around its pieces."""

_MAX_ID: Final = 64
"""Most bytes of a workflow id for that; our own replicas use numbers."""

_MAX_INT: Final = 9


class Version(Struct, frozen=True):
    """The version that all parts of one snapshot have in common.

    :ivar count: None if numbers and counts are the same
    """

    epoch: int | None
    number: int
    count: int | None


def limit_of(request: SnapshotRequest) -> int | None:
    """Return the most bytes of a message that a peer accepts; None if it gives no limit."""
    raw = request.max_message_bytes
    if isinstance(raw, UnsetType) or memoryview(raw).nbytes > _MAX_INT:
        return None
    try:
        limit = _INT.decode(raw)
    except msgspec.MsgspecError:
        return None
    return limit if limit > 0 else None


def size_of_parts(limit: int) -> int | None:
    """Return the bytes of the parts for a peer with this limit, None if it is too low.

    It is rounded, so that peers with many limits make us divide a value in only a few ways.
    """
    return None if limit < LEAST_PART else min(LARGEST_PART, 1 << (limit.bit_length() - 1))


def may_come_in_parts(workflow_id: object) -> bool:
    """Return True if a workflow id is short enough to be in each part."""
    return len(encode(workflow_id)) <= _MAX_ID


def encode_first_part(
    version: Version,
    workflow_id: object,
    parts: int,
    limit: int,
    *,
    interval_s: float,
    fields: Sequence[str],
) -> bytes:
    """Return the packed first part; without the names of the fields if they do not fit.

    :param parts: the number of all parts
    """
    reply = _part(version, workflow_id, 0, parts)
    reply.interval_s = interval_s
    bare = encode(reply)
    if len(fields) > MAX_NAMES:
        return bare
    reply.fields = Raw(encode(list(fields)))
    named = encode(reply)
    return named if len(named) <= limit else bare


def encode_part(
    version: Version, workflow_id: object, part: int, parts: int, pieces: list[bytes]
) -> bytes:
    """Return a packed part of a snapshot.

    :param pieces: packed maps, each with a part of the value
    """
    reply = _part(version, workflow_id, part, parts)
    reply.pieces = Raw(encode(pieces))
    return encode(reply)


def _part(version: Version, workflow_id: object, part: int, parts: int) -> SnapshotReply:
    args = SnapshotArgs(NO_FIELDS, version.number)
    reply = SnapshotReply(args, workflow_id, version.epoch, count=version.count)
    reply.part, reply.parts = part, parts
    return reply


def decode_pieces(reply: SnapshotReply) -> list[bytes]:
    """Return the pieces of a part; none for the first.

    :raises Undecodable: its place is invalid, or it has no pieces or too many
    """
    part, parts, raw = reply.part, reply.parts, reply.pieces
    if part is None or parts is None or not 0 <= part < parts or not 1 < parts <= MAX_PARTS:
        raise Undecodable(f"expected a part of at most {MAX_PARTS}, got number {part} of {parts}")
    if isinstance(raw, UnsetType):
        if part:
            raise Undecodable("expected a part with pieces, got one without")
        return []
    try:
        count, size = count_of(raw), memoryview(raw).nbytes
        if not 0 < count <= MAX_FILL + size // BYTES_PER_CUT:
            raise Undecodable(f"expected fewer pieces in {size} bytes, but not none, got {count}")
        return _PIECES.decode(raw)
    except Undecodable:
        raise
    except Exception as error:  # noqa: BLE001 - a peer's bytes may provoke any error
        raise Undecodable(f"expected pieces of a value, got {cut(str(error), 200)}") from None


_INT = msgspec.msgpack.Decoder(int)
_PIECES = msgspec.msgpack.Decoder(list[bytes])
