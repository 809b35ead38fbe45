"""The publisher's side of a replicated state: its value, numbers and the log of recent deltas."""

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
    """The publisher's current value and its last updates.

    Not thread-safe: it belongs to one actor. `value` is frozen and may be handed to any thread.

    :param value: the value before the first update
    :ivar number: the last update's number, -1 before the first
    :ivar epoch: the random number of this run
    :param log_size: most updates kept
    :param log_bytes: most bytes of their frames together; the last one is always kept
    :ivar skipped: updates that the caller numbered at or below `number`; replicas skip them, so
        this value skips them too
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
    ) -> None:
        self.number = -1
        self.epoch = epoch
        self.skipped = 0
        self._shape = shape
        self._pending = PendingPatches(shape, value)
        #: the frames of the last updates, which end with that of `_logged`
        self._log: deque[bytes] = deque()
        self._logged = -1
        self._log_size = log_size
        self._log_bytes = log_bytes
        self._logged_bytes = 0
        self._digest = digest_of(value) if digest else None

    @property
    def value(self) -> Map[str, Any]:
        """The value after the last update."""
        return self._pending.value

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
    ) -> int:
        """Apply an update and return its number; HOT.

        :param fields: a merge patch, or with `is_snapshot` the whole value, which `snapshot` may
            have frozen already; checked and typed; must not be changed afterwards
        :param number: the caller's own number; at or below the last it is counted in `skipped` and
            changes nothing, since every replica skips it
        :param frame: the update as `since` is to return it
        :param digest: of a whole value, if `digest_of` has computed it already
        :raises PatchRefused: the update does not fit; nothing has changed
        """
        if number is None:
            number = self.number + 1
        elif number <= self.number:
            self.skipped += 1
            return number
        if is_snapshot:
            value = snapshot(fields, self._shape)
            self._pending.replace(value)
            if self._digest is not None:
                self._digest = digest_of(value) if digest is None else digest
        elif self._digest is not None or not self._pending.keep(fields):
            old = self._pending.value
            value = self._pending.merge(fields)
            if self._digest is not None:
                self._digest = digest_after(self._digest, old, value, fields)
        self.number = number
        if frame is not None:
            self._keep_frame(number, frame)
        return number

    def _keep_frame(self, number: int, frame: bytes) -> None:
        log = self._log
        if self._logged != number - 1:
            log.clear()
            self._logged_bytes = 0
        self._logged = number
        log.append(frame)
        logged_bytes = self._logged_bytes + len(frame)
        while len(log) > self._log_size or (logged_bytes > self._log_bytes and len(log) > 1):
            logged_bytes -= len(log.popleft())
        self._logged_bytes = logged_bytes

    def since(self, epoch: int | None, after: int | None) -> list[bytes] | None:
        """Return the frames of all updates after a number, oldest first.

        None means that the log lacks some: another epoch, too long ago, or the caller has left
        numbers out. A snapshot is needed then.
        """
        if epoch != self.epoch or after is None or after > self.number:
            return None
        missing = self.number - after
        if missing == 0:
            return []
        if missing > len(self._log) or self._logged != self.number:
            return None
        return list(islice(self._log, len(self._log) - missing, None))
