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
they came in. A workflow id that is no plain value stays packed as well (`PackedId`): it may be
anything, and nobody here looks into it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from sf_actors.wire.msgpack import EMPTY_MAP

HEARTBEAT_NUMBER = -2
NO_FIELDS = Raw(EMPTY_MAP)

if TYPE_CHECKING:
    #: what a message is given as its id may also be a `PackedId`, for which msgspec has no name
    PlainId = Any
else:
    PlainId = str | int | float | bool | None
"""Workflow ids that are read as what they are; all others stay packed."""


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
    workflow_id: PlainId = _written()
    request_id: str | int | None = None


class Reply(Struct, gc=False, omit_defaults=True):
    """The answer to a request: `return_args` unless `error` is set."""

    return_args: Raw | UnsetType = UNSET
    error: Failure | None = None
    workflow_id: PlainId = _written()


class Published(Struct, gc=False, omit_defaults=True):
    """A published message or a full update, numbered by its publisher's epoch."""

    args: Raw
    workflow_id: PlainId = _written()
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
    workflow_id: PlainId = _written()
    epoch: int | None = None
    head: int | None = None
    digest: bytes | None = None
    cuts: list[Cut] | None = None


class SnapshotRequest(Struct, gc=False, omit_defaults=True):
    """A replica's wish for the value, or for the deltas of `epoch` that follow `after`."""

    args: Raw = msgspec.field(default_factory=lambda: NO_FIELDS)  # as in `_written`
    workflow_id: PlainId = _written()
    epoch: int | None = None
    after: int | None = None


class SnapshotArgs(Struct, gc=False):
    """A whole value and the number of the last update in it, -1 before the first."""

    state: Raw
    current_num: int


class SnapshotReply(Struct, gc=False, omit_defaults=True):
    """The value (`return_args`), or the packed `DeltaArgs` that were asked for (`deltas`)."""

    return_args: SnapshotArgs | UnsetType = UNSET
    workflow_id: PlainId = _written()
    epoch: int | None = None
    deltas: Raw | UnsetType = UNSET
    error: Failure | None = None
    cuts: list[Cut] | None = None
