"""The value of a replica: its epoch, its count, and how updates change it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sf_actors.errors import MessageError
from sf_actors.replication.actions import Action, Updated
from sf_actors.replication.buffer import Buffer
from sf_actors.replication.digest_check import DigestCheck
from sf_actors.replication.failures import ApplyFailures
from sf_actors.replication.publisher_progress import PublisherProgress
from sf_actors.replication.values.patch import PatchRefused, snapshot
from sf_actors.replication.values.pending import PendingPatches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sf_actors.replication.buffer import UpdateFields
    from sf_actors.replication.values.persistent_map import Map
    from sf_actors.schema.shape import Record


class FollowedValue:
    """A value that follows a publisher's updates: deltas, whole values and snapshots.

    :ivar count: the publisher's count of the last update, -1 before the first; orders the updates
    :ivar epoch: epoch of the value; None for a peer without epochs
    :ivar resyncs: snapshots taken after the first synchronisation
    :ivar skipped: deltas that were left out, since their caller's number is not above the value's
    """

    def __init__(self, shape: Record, buffer_size: int, heartbeat_s: float) -> None:
        self.count = -1
        self.epoch: int | None = None
        self.resyncs = self.skipped = 0
        self._given: int | None = None
        self._shape, self._pending = shape, PendingPatches(shape)
        self._comparison = DigestCheck()
        self._heard, self._buffer = PublisherProgress(heartbeat_s), Buffer(buffer_size)
        self._trouble = ApplyFailures()
        # sound: deltas may be applied; not if a digest or a low number has put the value in doubt
        self._is_synced, self._is_sound = False, True

    @property
    def value(self) -> Map[str, Any]:
        """The value: the result of the publisher's updates up to `count` of `epoch`."""
        return self._pending.value

    @property
    def number(self) -> int:
        """The last update's number: the caller's own if it numbers updates, else `count`."""
        return self.count if self._given is None else self._given

    def is_followed(self, epoch: int) -> bool:
        """Return True if this is the run whose updates are applied now; any thread."""
        return epoch == self._heard.epoch

    def is_known(self, epoch: int) -> bool:
        """Return True if this run was heard, whether followed or not; any thread."""
        return self._heard.is_known(epoch)

    @property
    def heard_at(self) -> float | None:
        """When its publisher was last heard, in seconds of the caller's clock; any thread."""
        return self._heard.at

    @property
    def has_many(self) -> bool:
        """Whether it has many publishers: a delta state has one."""
        return False

    def _advance(  # noqa: PLR0917 - as a buffer keeps them
        self,
        count: int,
        is_snapshot: bool,
        fields: UpdateFields,
        given: int | None = None,
        workflow_id: object = None,
        is_resync: bool = False,
    ) -> Updated:
        size = 0
        if type(fields) is not dict and callable(fields):
            size = getattr(fields, "size", 0)
            fields = fields()
        if is_snapshot:
            value = snapshot(fields, self._shape)
            self._pending.replace(value)
            self._comparison.forget()
            self._is_sound = True
        else:
            old = None if self._comparison.digest is None else self._pending.value
            value = self._pending.merge(fields)
            if old is not None:
                self._comparison.follow(old, value, fields)
        self.count, self._given = count, given
        number = count if given is None else given
        return Updated(
            number, fields, value, is_resync, is_snapshot, False, workflow_id, size, count
        )

    def _install(
        self, epoch: int | None, count: int, fields: UpdateFields, given: int | None = None
    ) -> Updated:
        fields = fields() if callable(fields) else fields
        value = snapshot(fields, self._shape, partial=True)
        had_any = bool(self._pending.value)
        self._pending.replace(value)
        self.resyncs += self._is_synced
        self.epoch, self.count, self._given = epoch, count, given
        self._is_synced = self._is_sound = True
        self._trouble.needs_whole = False
        self._comparison.forget()
        is_empty = count < 0 and (epoch is not None or not value) and not had_any
        return Updated(self.number, fields, value, True, True, is_empty, count=count)

    def _try(  # noqa: PLR0917 - as a buffer keeps them
        self,
        actions: list[Action],
        count: int,
        is_snapshot: bool,
        fields: UpdateFields,
        given: int | None = None,
        workflow_id: object = None,
        *,
        is_resync: bool = False,
    ) -> str | None:
        """Apply a delta; if that fails, keep it for after the resync and return the reason."""
        if given is not None and not is_snapshot and given != self.number + 1:
            return self._pass_over(count, given)
        try:
            actions.append(self._advance(count, is_snapshot, fields, given, workflow_id, is_resync))
        except (PatchRefused, MessageError) as problem:
            self._buffer.keep(count, is_snapshot, fields, given, workflow_id)
            return self._trouble.fail(count, self._heard.head, problem)
        return None

    def _pass_over(self, count: int, given: int) -> str | None:
        """Skip a delta whose caller's number is not the next; return the reason for a resync."""
        if given > self.number:
            self._heard.gaps += 1
            self._trouble.needs_whole = True
            return f"a gap: the caller numbered an update {given} after {self.number}"
        self._given = self.number
        self.count = count
        self.skipped += 1
        return None

    def _drain(self, actions: list[Action]) -> str | None:
        """Apply the buffered deltas that follow the value; drop those it already contains."""
        if self._is_followed():
            self._buffer.drop_up_to(self.count)
            while (delta := self._buffer.pop(self.count + 1, None)) is not None:
                failure = self._try(actions, self.count + 1, *delta)
                if failure is not None:
                    return failure
        return None

    def _is_news(self, epoch: int | None, count: int) -> bool:
        """Return True if a snapshot must be taken; one that is older than the value is not.

        Once a low number has put the value of a peer without epochs in doubt, any number is news.
        """
        if not self._is_synced or epoch != self.epoch or count > self.count:
            return True
        return not self._is_sound and (epoch is None or count == self.count)

    def _is_followed(self) -> bool:
        return self._is_synced and self._is_sound and self._heard.epoch == self.epoch

    def _lacking(self, names: Sequence[str] | None) -> list[str]:
        """Return the required fields that are not among those of the publisher's model."""
        known = self._shape.required if names is None else frozenset(names)
        return [name for name in self._shape.required if name not in known]
