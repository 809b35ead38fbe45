"""Data on its way into a replica: a delta's packed fields, or a large snapshot piece by piece."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping  # noqa: TC003 - of a Struct's fields
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

import msgspec

from sf_actors.errors import MessageError, Undecodable
from sf_actors.replication.values.patch import PatchRefused, with_part
from sf_actors.replication.values.persistent_map import EMPTY
from sf_actors.replication.values.pieces import RUNS_AT_ONCE
from sf_actors.wire.parts import Version, decode_pieces
from sf_actors.wire.snapshots import decode_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sf_actors.replication.values.fields import MemoryOfPieces, StateFields
    from sf_actors.replication.values.persistent_map import Map
    from sf_actors.wire.messages import Cut, SnapshotArgs, SnapshotReply


class LazyFields(msgspec.Struct, frozen=True, gc=False):
    """The fields of a delta, decoded only when the replica needs them."""

    decode: Callable[[msgspec.Raw], Mapping[str, Any]]
    raw: msgspec.Raw
    #: bytes of the whole message, which `raw` keeps alive
    size: int = 0

    def __call__(self) -> Mapping[str, Any]:
        """Return the fields.

        :raises InvalidMessage: they fail the model
        """
        return self.decode(self.raw)


class SnapshotInProgress:
    """A snapshot that is decoded piece by piece.

    :param cuts: the positions of its pieces
    """

    def __init__(
        self, reply: SnapshotReply, snapshot: SnapshotArgs, cuts: list[Cut], fields: StateFields
    ) -> None:
        self.token = reply.workflow_id
        self.version = Version(reply.epoch, snapshot.current_num, reply.count)
        self.interval_s = reply.interval_s
        self.names = decode_names(reply)
        self._fields = fields
        self._pieces: Iterator[dict[str, Any]] = fields.decoded_pieces(snapshot.state, cuts)
        self._value: Map[str, Any] = EMPTY
        self._problem: MessageError | PatchRefused | None = None

    @property
    def is_all_here(self) -> bool:
        """Whether all of it has arrived."""
        return True

    @property
    def is_waiting(self) -> bool:
        """Whether all that has arrived is read, and more is to come."""
        return False

    def step(self) -> bool:
        """Read some more pieces; return True if the snapshot is complete or cannot be read."""
        count = 0
        try:
            for piece in islice(self._pieces, RUNS_AT_ONCE):
                self._value = with_part(self._value, piece)
                count += 1
        except (MessageError, PatchRefused) as problem:
            self._problem = problem
            return True
        return count < RUNS_AT_ONCE

    def fields(self) -> Mapping[str, Any]:
        """Return the whole value.

        :raises InvalidMessage: it fails the model
        :raises PatchRefused: too many of its keys have one hash
        """
        if self._problem is not None:
            raise self._problem
        self._fields.require_fitting(self._value, is_snapshot=False)
        return cast("Mapping[str, Any]", self._value)

    def let_go(self) -> Map[str, Any]:
        """Give up the part of the value that was read, and return it to be freed."""
        value, self._value = self._value, EMPTY
        return value


class SnapshotInParts(SnapshotInProgress):
    """A snapshot that arrives in several messages, its parts; it is complete only with the last.

    :param reply: the first part
    :raises Undecodable: it is not a first part
    """

    def __init__(self, reply: SnapshotReply, snapshot: SnapshotArgs, fields: StateFields) -> None:
        super().__init__(reply, snapshot, [], fields)
        self._parts = reply.parts
        self._next = 0
        self._waiting: deque[bytes] = deque()
        self._memory: MemoryOfPieces = fields.memory_of_pieces()
        self._pieces = self._read()
        self.add(reply, snapshot)

    def add(self, reply: SnapshotReply, snapshot: SnapshotArgs) -> None:
        """Add the next part.

        :raises Undecodable: it is not the next one of the same snapshot
        """
        pieces = decode_pieces(reply)
        version = Version(reply.epoch, snapshot.current_num, reply.count)
        if (reply.part, reply.parts, version) != (self._next, self._parts, self.version):
            raise Undecodable(
                f"expected part {self._next} of {self._parts} of the snapshot at number "
                f"{self.version.number}, got {reply.part} of {reply.parts} at {version.number}"
            )
        self._next += 1
        self._waiting += pieces

    @property
    def is_all_here(self) -> bool:
        """Whether all of it has arrived."""
        return self._next == self._parts

    @property
    def is_waiting(self) -> bool:
        """Whether all that has arrived is read, and more is to come."""
        return not (self._waiting or self.is_all_here)

    def step(self) -> bool:
        """Read some more pieces; return True if the snapshot is complete or cannot be read."""
        is_over = super().step()
        if self._problem is None and is_over and not self.is_all_here:
            # the iterator ended with the parts that had arrived
            self._pieces = self._read()
            return False
        return is_over

    def _read(self) -> Iterator[dict[str, Any]]:
        while self._waiting:
            yield self._fields.decoded_piece(self._waiting.popleft(), self._memory)
