"""What a replica wants done, in the order in which it wants it done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sf_actors.errors import MessageError
    from sf_actors.replication.status import Status
    from sf_actors.replication.values.persistent_map import Map


# msgspec's structs instead of dataclasses, which take far longer to make (the benchmark
# `shortcuts`): one is made for each update.
class Updated(msgspec.Struct, frozen=True):
    """The value is another one now.

    :ivar number: number of the last update in it; -1 when the publisher has published none yet,
        and then there is no update that a handler could be called for
    :ivar fields: the update's fields as they were given; with `is_resync` all fields of the value,
        frozen where they came so
    :ivar value: the value right after this update
    :ivar is_resync: the value was replaced whole, with updates in between that were not seen
    """

    number: int
    fields: Mapping[str, Any]
    value: Map[str, Any]
    is_resync: bool


class Ask(msgspec.Struct, frozen=True):
    """Send a request for a snapshot.

    :ivar token: to be given back with the answer
    :ivar epoch: None, or with `after`: the updates after that number of that epoch would do
    :ivar after: see `epoch`
    """

    token: int
    epoch: int | None
    after: int | None


class PhaseChanged(msgspec.Struct, frozen=True):
    """The phase is another one now; `reason` is a text for the log."""

    status: Status
    reason: str


class Refused(msgspec.Struct, frozen=True):
    """An update cannot be taken: it is to be counted and told of."""

    problem: MessageError


Action = Updated | Ask | PhaseChanged | Refused
