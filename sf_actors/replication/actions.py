"""The actions that a replica returns to its owner, to be done in the order given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sf_actors.errors import MessageError
    from sf_actors.replication.status import Status
    from sf_actors.replication.values.persistent_map import Map


# msgspec's structs, since one is made for each update and dataclasses take far longer to make (the
# benchmark `shortcuts`).
class Updated(msgspec.Struct, frozen=True):
    """The value has changed.

    :ivar number: number of the last update in it, the caller's own if it numbers updates
    :ivar fields: the update's fields as given; with `is_resync` all fields of the value, frozen if
        they were given frozen
    :ivar value: the value right after this update
    :ivar is_resync: the whole value was replaced, and updates in between were not seen
    :ivar is_whole: `fields` are the whole value
    :ivar is_empty: nothing has changed: the publisher has not published yet, so that the number is
        -1, and the value was empty before
    :ivar workflow_id: of the update itself, which may have been buffered until now; None for a
        snapshot
    :ivar size: bytes of the message that brought it, 0 if it came decoded
    :ivar count: the publisher's own count of the last update in the value
    """

    number: int
    fields: Mapping[str, Any]
    value: Map[str, Any]
    is_resync: bool
    is_whole: bool = False
    is_empty: bool = False
    workflow_id: object = None
    size: int = 0
    count: int = -1


class Ask(msgspec.Struct, frozen=True):
    """Send a request for a snapshot.

    :ivar token: must be passed back with the answer
    :ivar epoch: None, or with `after`: the updates of this epoch after that number suffice
    :ivar after: see `epoch`
    """

    token: int
    epoch: int | None
    after: int | None


class PhaseChanged(msgspec.Struct, frozen=True):
    """The phase has changed; `reason` is a text for the log."""

    status: Status
    reason: str


class UpdateRefused(msgspec.Struct, frozen=True):
    """An update was refused: count and log it."""

    problem: MessageError


Action = Updated | Ask | PhaseChanged | UpdateRefused
