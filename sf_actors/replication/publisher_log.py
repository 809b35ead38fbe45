"""The publisher's side of a replicated state: its value, its numbers and a log of recent deltas."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any

from sf_actors.replication.values.digest import digest_after, digest_of, packed
from sf_actors.replication.values.patch import snapshot
from sf_actors.replication.values.pending import PendingPatches
from sf_actors.replication.values.persistent_map import EMPTY
from sf_actors.wire.envelope import MAX_FILL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sf_actors.replication.values.persistent_map import Map
    from sf_actors.schema.shape import Record


class PublisherLog:
    """The publisher's current value and a log of its last updates.

    Not thread-safe: it belongs to one actor. `value` is frozen and may be handed to any thread.

    :param value: the value before the first update
    :ivar count: the count of the last update, from 0, by which replicas order updates; -1 before
        the first
    :ivar epoch: the number of this run, larger than those of earlier runs
    :param log_size: most updates kept
    :param log_bytes: most bytes of their frames together; the last one is always kept
    :param is_loading: replicas must wait until `loaded` is called or an update is published
    :ivar skipped: deltas that the caller numbered at or below `number`: neither this value nor a
        replica's contains them, but they have a count
    """

    def __init__(
        self,
        shape: Record,
        *,
        epoch: int,
        log_size: int = MAX_FILL,
        log_bytes: int = 16 * 1024 * 1024,
        digest: bool = False,
        value: Map[str, Any] = EMPTY,
        is_loading: bool = False,
    ) -> None:
        self.count = -1
        self.epoch = epoch
        self.skipped = 0
        self._loads_at = self.count if is_loading else None
        self._given: int | None = None
        self._shape = shape
        self._pending = PendingPatches(shape, value, is_strict=True)
        #: the frames of the last updates, up to that of count `_logged`
        self._log: deque[bytes] = deque()
        self._logged = -1
        self._log_size = log_size
        self._log_bytes = log_bytes
        self._logged_bytes = 0
        self._digest = digest_of(value) if digest else None

    def resume(self, value: Map[str, Any], count: int, given: int | None) -> None:
        """Continue with the value of an earlier run.

        :param count: the count of its last update
        :param given: that update's number, if the caller numbers updates
        """
        self._pending.replace(value)
        self.count, self._given = count, given
        if self._loads_at is not None:
            self._loads_at = count
        if self._digest is not None:
            self._digest = digest_of(value)

    @property
    def value(self) -> Map[str, Any]:
        """The value after the last update."""
        return self._pending.value

    @property
    def number(self) -> int:
        """The number of the last update in the value: the caller's own if it numbers updates."""
        return self.count if self._given is None else self._given

    @property
    def own_count(self) -> int | None:
        """The count as messages carry it: None if numbers and counts are the same."""
        return None if self._given is None else self.count

    @property
    def is_loading(self) -> bool:
        """Whether replicas must wait, since the value is not complete yet."""
        return self._loads_at == self.count

    def loaded(self) -> None:
        """Declare the value complete, even if no update has been published."""
        self._loads_at = None

    def skips(self, is_snapshot: bool, number: int | None) -> bool:
        """Return True if an update with this number of the caller's will be skipped."""
        return number is not None and not is_snapshot and number <= self.number

    @property
    def digest(self) -> bytes | None:
        """The value's digest as sent in a heartbeat; None when digests are off."""
        return None if self._digest is None else packed(self._digest)

    def digest_of(self, value: Map[str, Any]) -> int | None:
        """Return the digest of a value, None when digests are off; any thread."""
        return None if self._digest is None else digest_of(value)

    def publish(
        self,
        fields: Mapping[str, Any],
        is_snapshot: bool,
        number: int | None = None,
        frame: bytes | None = None,
        digest: int | None = None,
    ) -> int | None:
        """Apply an update and return its number, None if it was skipped; HOT.

        Either way it takes the next count.

        :param fields: a merge patch, or with `is_snapshot` the whole value, which `snapshot` may
            have frozen already; checked and typed; must not be changed afterwards
        :param number: the caller's own number, any integer: a whole value restarts the numbering
            there, and a delta that is not above the value's number is skipped
        :param frame: the update as `since` should return it
        :param digest: the digest of a whole value, if `digest_of` has computed it already
        :raises PatchRefused: the update does not fit; nothing has changed
        """
        count = self.count + 1
        is_skipped = number is not None and self.skips(is_snapshot, number)
        if is_skipped:
            self.skipped += 1
            self._given = self.number
        elif is_snapshot:
            value = snapshot(fields, self._shape)
            self._pending.replace(value)
            if self._digest is not None:
                self._digest = digest_of(value) if digest is None else digest
        elif self._digest is not None or not self._pending.keep(fields):
            old = self._pending.value
            value = self._pending.merge(fields)
            if self._digest is not None:
                self._digest = digest_after(self._digest, old, value, fields)
        self.count = count
        if frame is not None:
            self._keep_frame(count, frame)
        if number is None:
            return count
        if is_skipped:
            return None
        self._given = number
        return number

    def _keep_frame(self, count: int, frame: bytes) -> None:
        log = self._log
        if self._logged != count - 1:
            log.clear()
            self._logged_bytes = 0
        self._logged = count
        log.append(frame)
        logged_bytes = self._logged_bytes + len(frame)
        while len(log) > self._log_size or (logged_bytes > self._log_bytes and len(log) > 1):
            logged_bytes -= len(log.popleft())
        self._logged_bytes = logged_bytes

    def since(self, epoch: int | None, after: int | None) -> list[bytes] | None:
        """Return the frames of all updates after a count, oldest first.

        None means that a snapshot is needed: the epoch is another, or the log has lost some.
        """
        if epoch != self.epoch or after is None or after > self.count:
            return None
        missing = self.count - after
        if missing == 0:
            return []
        if missing > len(self._log) or self._logged != self.count:
            return None
        return list(islice(self._log, len(self._log) - missing, None))
