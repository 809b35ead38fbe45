"""Snapshots on their way out: packed once for all requests, sent in one message or in parts."""

from __future__ import annotations

from collections import deque
from heapq import heapify, heappop, heappush
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import zmq

from sf_actors.replication.values.parts import Division
from sf_actors.sockets.frames import NOBLOCK, NOBLOCK_SNDMORE, send_frame
from sf_actors.wire.parts import ENVELOPE, Version, encode_first_part, encode_part

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sf_actors.counters import Counters
    from sf_actors.replication.values.pieces import Packing
    from sf_actors.sockets.frames import Socket

    #: The frames that lead back to the requester.
    ReturnPath = tuple[bytes, ...]

VERSIONS: Final = 8
"""Most packed versions of the value in memory: each is kept until all its parts are sent."""

LEAST_AGE_S: Final = 1.0
"""Least time in seconds that a version is sent before it may give way to a newer one."""

GIVEN_UP_AFTER_S: Final = 120.0
"""Seconds for which a peer may have no room for another part."""

#: The first and the longest pause before another try, in seconds; each is twice the one before.
_SHORTEST_PAUSE_S: Final = 0.002
_LONGEST_PAUSE_S: Final = 0.5


class ItemTooLarge(ValueError):
    """An item that cannot be divided is larger than a message.

    :param size: its bytes
    """

    def __init__(self, size: int) -> None:
        super().__init__(f"an item of {size} bytes")
        self.size = size


class PackedSnapshot:
    """A packed snapshot and its version.

    :ivar now: its epoch, number and count (None where numbers and counts are the same), and whether
        the publisher was still loading
    """

    def __init__(self, now: tuple[int, int, int | None, bool], packing: Packing) -> None:
        self.now = now
        self.packing = packing
        self._is_packed = False
        self._divisions: dict[int, Division] = {}

    def pack_on(self) -> bool:
        """Pack some more runs; return True if all was packed already."""
        was_packed = self._is_packed
        self._is_packed = was_packed or self.packing.step()
        return was_packed

    @property
    def version(self) -> Version:
        """The version that all its parts carry."""
        epoch, number, count, _ = self.now
        return Version(epoch, number, count)

    def division(self, size: int) -> Division:
        """Return its division into messages of `size` bytes, which may still have to `step`."""
        if size not in self._divisions:
            packing = self.packing
            self._divisions[size] = Division(
                packing.raw, packing.cuts, packing.shape, size - ENVELOPE
            )
        return self._divisions[size]


class Transfer:
    """A snapshot that one peer gets in parts.

    :param address: the frames that lead back to the requester
    :param size: most bytes of a part, unless it is one item that is larger
    :param limit: most bytes of that one
    """

    def __init__(
        self,
        address: ReturnPath,
        workflow_id: object,
        packed: PackedSnapshot,
        size: int,
        limit: int,
    ) -> None:
        self.address = address
        self.workflow_id = workflow_id
        self.packed = packed
        self.began_at = self.moved_at = monotonic()
        self.sent = 0
        self.pause_s = _SHORTEST_PAUSE_S
        self.size = size
        self.limit = limit
        self._division = packed.division(size)
        self._is_divided = False

    @property
    def rate(self) -> float:
        """Parts sent a second."""
        return self.sent / max(0.001, monotonic() - self.began_at)

    def divide(self) -> bool:
        """Divide some more of the value; return True if all was divided already.

        :raises ItemTooLarge: an item does not fit a message
        """
        was_divided = self._is_divided
        self._is_divided = was_divided or self._division.step()
        if self._is_divided and not was_divided:
            self._require_room()
        return was_divided

    def _require_room(self) -> None:
        largest = self._division.largest
        if largest is None:
            return
        size = self._division.size_at(largest)
        # packed to be measured only if it is close
        if size + ENVELOPE > self.limit and (
            size > self.limit or len(self._part(1 + largest)) > self.limit
        ):
            raise ItemTooLarge(size)

    @property
    def is_over(self) -> bool:
        """Whether all parts are sent."""
        return self.sent > len(self._division.parts)

    def next_part(self, *, interval_s: float, fields: Sequence[str]) -> bytes:
        """Return the next part to send, packed."""
        if self.sent:
            return self._part(self.sent)
        parts, version = 1 + len(self._division.parts), self.packed.version
        return encode_first_part(
            version, self.workflow_id, parts, self.size, interval_s=interval_s, fields=fields
        )

    def _part(self, place: int) -> bytes:
        parts, version = 1 + len(self._division.parts), self.packed.version
        pieces = self._division.pieces(place - 1)
        return encode_part(version, self.workflow_id, place, parts, pieces)


class Transfers:
    """The snapshots that are being sent in parts, one part at a time for each peer.

    A part is packed only when the socket has room for it: a peer that does not read takes no more
    of our memory than with a snapshot in one message.

    :param most: most peers
    :param contents: the contents of the first part: `interval_s` and `fields`
    """

    def __init__(
        self, socket: Socket, counters: Counters, most: int, contents: dict[str, Any]
    ) -> None:
        self._socket = socket
        self._counters = counters
        self._most = most
        self._contents = contents
        self._ready: deque[Transfer] = deque()
        #: a heap of the transfers to peers without room, by the time of the next try; the number
        #: sorts equal times
        self._blocked: list[tuple[float, int, Transfer]] = []
        self._tries = 0

    def __len__(self) -> int:
        return len(self._ready) + len(self._blocked)

    def __contains__(self, address: object) -> bool:
        return any(transfer.address == address for transfer in self._all())

    @property
    def can_go_on(self) -> bool:
        """Whether `step` has something to do now."""
        return bool(self._ready)

    @property
    def retry_at(self) -> float | None:
        """The time of the next try to a peer that had no room; None if there is none."""
        return self._blocked[0][0] if self._blocked else None

    def begin(self, transfer: Transfer) -> None:
        """Begin a transfer; if there are too many, the slowest is dropped."""
        if len(self) >= self._most:
            self._drop(min(self._all(), key=lambda one: one.rate))
        self._ready.append(transfer)

    def step(self) -> tuple[Transfer, ItemTooLarge] | None:
        """Send a part or prepare one; return a transfer that failed and why, else None."""
        transfer = self._ready.popleft()
        try:
            if not transfer.divide():
                self._ready.append(transfer)
                return None
        except ItemTooLarge as problem:
            return transfer, problem
        try:
            # without room the first frame is refused, so no part is packed in vain
            for frame in transfer.address:
                send_frame(self._socket, frame, NOBLOCK_SNDMORE)
        except zmq.Again:
            self._put_off(transfer)
            return None
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            self._counters.drop("peer_gone")
            return None
        send_frame(self._socket, transfer.next_part(**self._contents), NOBLOCK)
        transfer.sent += 1
        transfer.moved_at = monotonic()
        transfer.pause_s = _SHORTEST_PAUSE_S
        if not transfer.is_over:
            self._ready.append(transfer)
        return None

    def retry(self) -> None:
        """Make transfers ready again when their pause is over."""
        now = monotonic()
        while self._blocked and self._blocked[0][0] <= now:
            self._ready.append(heappop(self._blocked)[-1])

    def make_room(self) -> bool:
        """Return True if there is room for another version; drop the slowest one if need be."""
        versions: dict[int, list[Transfer]] = {}
        for transfer in self._all():
            versions.setdefault(id(transfer.packed), []).append(transfer)
        if len(versions) < VERSIONS:
            return True
        slowest = min(versions.values(), key=lambda those: max(one.rate for one in those))
        if monotonic() < max(one.began_at for one in slowest) + LEAST_AGE_S:
            return False
        for transfer in slowest:
            self._drop(transfer)
        return True

    def _all(self) -> list[Transfer]:
        return [*self._ready, *(blocked[-1] for blocked in self._blocked)]

    def _drop(self, transfer: Transfer) -> None:
        self._counters.drop("queue_full")
        if transfer in self._ready:
            self._ready.remove(transfer)
        else:
            self._blocked = [blocked for blocked in self._blocked if blocked[-1] is not transfer]
            heapify(self._blocked)

    def _put_off(self, transfer: Transfer) -> None:
        now = monotonic()
        if now >= transfer.moved_at + GIVEN_UP_AFTER_S:
            self._counters.drop("queue_full")
            return
        self._tries += 1
        heappush(self._blocked, (now + transfer.pause_s, self._tries, transfer))
        transfer.pause_s = min(2 * transfer.pause_s, _LONGEST_PAUSE_S)
