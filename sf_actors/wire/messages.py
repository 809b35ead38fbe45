"""The envelopes of messages: one MessagePack map per message, readable from any language.

===============  ==============================================================================
request          ``args``, ``workflow_id``; ours: ``request_id``, ``seen`` (how far its caller's
                 service is with states, see `seen`), ``expires_in_s`` (how long its
                 caller still waits for the whole call as it is sent; never handled after that)
reply            ``return_args`` or ``error`` (``type``, ``message``; ours: ``unhandled``, if the
                 handler was never called and never will be); ``workflow_id``; ours: ``seen``, as
                 of the end of the handler
notice           an unasked reply of a replyer that stops: error ``ServiceStopped`` with
                 ``unhandled``. It goes to every peer whose requests have a frame with the call's
                 id before the empty one, as ours do, and has an id of its own there (`STOPPING`
                 in `sockets.frames`): our sockets then send no more, REQ sockets skip it
published        ``args``, ``workflow_id``; ours: ``epoch``, ``number``; full updates too, which
                 are also their own heartbeats and have ``interval_s``
delta            ``args`` (``current_num``, ``is_snapshot``, ``state``), ``workflow_id``; ours:
                 ``epoch``, ``cuts`` (runs of items in ``state``, see `Cut`), ``count`` (the
                 publisher's own, if its caller gives the numbers)
heartbeat        a delta with `HEARTBEAT_NUMBER` and no fields, which other peers skip as outdated;
                 ours: ``epoch``, ``head`` (the last count; with it and without ``count`` it is no
                 delta that a caller gave this number), ``digest``, ``loading`` (true: it has
                 not published since its start, but will), ``interval_s`` (of its heartbeats)
snapshot request ``args`` (empty), ``workflow_id``; ours: ``epoch``, ``after`` (the replica's
                 number, if deltas suffice), ``max_message_bytes`` (the replica takes none larger)
snapshot reply   ``return_args`` (``state``, ``current_num``), ``workflow_id``; ours: ``epoch``,
                 ``cuts``, ``count`` (of the last update in it), or ``deltas`` (packed args to
                 follow ``after``, each with its ``workflow_id``) in place of ``return_args``;
                 ``loading``, ``interval_s``, and ``fields`` (the names of the publisher's fields)
part             a snapshot reply to a peer whose ``max_message_bytes`` is too low for the value:
                 ``state`` is empty; ``part`` (its place, from 0), ``parts`` (how many), and, except
                 in the first, ``pieces`` (packed maps that each hold a part of the value)
===============  ==============================================================================

Requests, published messages and deltas may have a ``traceparent`` (a text, W3C Trace Context): the
span that they belong to.

Keys that are not listed are ignored, even if they are not texts; the keys marked as ours are
optional. The fields stay packed (`msgspec.Raw`) until a `Schema` decodes them; they refer to the
frame they came in. A workflow id that is not a plain value stays packed too (`PackedId`): it may be
anything, and its content is never used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from sf_actors.wire.msgpack import EMPTY_MAP

HEARTBEAT_NUMBER = -2
NO_FIELDS = Raw(EMPTY_MAP)

if TYPE_CHECKING:
    #: an outgoing message's id may also be a `PackedId`, which msgspec's types cannot express
    PlainId = Any
else:
    PlainId = str | int | float | bool | None
"""Workflow ids that are decoded; all others stay packed."""


def _written() -> Any:
    """Return a default of None that is written all the same, since the original needs the key.

    `omit_defaults` leaves out fields equal to a default, but not the results of a factory.
    """
    return msgspec.field(default_factory=type(None))


class Failure(Struct, gc=False, omit_defaults=True):
    """An error in place of a reply: the name of the error on the other side, and its text.

    `unhandled` tells that the request may be sent again, since its handler was never called.
    """

    # from a factory, since both are always written
    type: str = msgspec.field(default_factory=lambda: "Error")
    message: str = msgspec.field(default_factory=str)
    unhandled: bool = False


class Request(Struct, gc=False, omit_defaults=True):
    """A request to a replyer; `request_id` is the same in all its attempts.

    `expires_in_s` is last, so that it can be changed in a packed request (`expiring_in`). It,
    `traceparent` and `seen` stay packed, since a peer may put anything there.
    """

    args: Raw
    workflow_id: PlainId = _written()
    request_id: str | int | None = None
    seen: Raw | UnsetType = UNSET
    traceparent: Raw | UnsetType = UNSET
    expires_in_s: Raw | UnsetType = UNSET


class Reply(Struct, gc=False, omit_defaults=True):
    """The answer to a request: `return_args` unless `error` is set."""

    return_args: Raw | UnsetType = UNSET
    error: Failure | None = None
    workflow_id: PlainId = _written()
    seen: Raw | UnsetType = UNSET


class Published(Struct, gc=False, omit_defaults=True):
    """A published message or a full update; `number` counts within the publisher's epoch."""

    args: Raw
    workflow_id: PlainId = _written()
    epoch: int | None = None
    number: int | None = None
    interval_s: float | None = None
    traceparent: Raw | UnsetType = UNSET


class Cut(Struct, gc=False, array_like=True):
    """The position of a run of items in the bytes of a packed mapping.

    :ivar path: the packed keys that lead to the mapping of the run
    :ivar start: position of the first key, in bytes
    :ivar end: position after the last value, in bytes
    :ivar count: number of items
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


class FilledDelta(DeltaArgs):
    """A delta in a snapshot reply, with the workflow id that it was published with."""

    workflow_id: Raw | UnsetType = UNSET


class DeltaMessage(Struct, gc=False, omit_defaults=True):
    """A published delta or a heartbeat."""

    args: DeltaArgs
    workflow_id: PlainId = _written()
    epoch: int | None = None
    head: int | None = None
    digest: bytes | None = None
    cuts: list[Cut] | None = None
    count: int | None = None
    loading: bool = False
    interval_s: float | None = None
    traceparent: Raw | UnsetType = UNSET

    @property
    def is_heartbeat(self) -> bool:
        """Whether it is a heartbeat: unlike a delta, it has its number, a `head` and no `count`."""
        is_numbered_so = self.args.current_num == HEARTBEAT_NUMBER
        return is_numbered_so and self.head is not None and self.count is None


class SnapshotRequest(Struct, gc=False, omit_defaults=True):
    """A replica's request for the value, or for the deltas of `epoch` after `after`."""

    args: Raw = msgspec.field(default_factory=lambda: NO_FIELDS)  # as in `_written`
    workflow_id: PlainId = _written()
    epoch: int | None = None
    after: int | None = None
    max_message_bytes: Raw | UnsetType = UNSET


class SnapshotArgs(Struct, gc=False):
    """A whole value and the number of the last update in it, -1 before the first."""

    state: Raw
    current_num: int


class SnapshotReply(Struct, gc=False, omit_defaults=True):
    """The value (`return_args`), or the requested `DeltaArgs`, packed (`deltas`)."""

    return_args: SnapshotArgs | UnsetType = UNSET
    workflow_id: PlainId = _written()
    epoch: int | None = None
    deltas: Raw | UnsetType = UNSET
    error: Failure | None = None
    cuts: list[Cut] | None = None
    count: int | None = None
    loading: bool = False
    interval_s: float | None = None
    fields: Raw | UnsetType = UNSET
    part: int | None = None
    parts: int | None = None
    pieces: Raw | UnsetType = UNSET
