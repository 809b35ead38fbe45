"""Holds requests until their service has caught up with the services of their callers.

A request waits for the updates that its service lacks (`missing_updates`). Later requests of the
same peer wait behind it, so that a peer's calls stay in order; those of other peers pass. When too
many wait, the peer with the most of them has its first one go on without: a peer that claims to
have seen updates that never existed loses its own place, not that of others.

A request that waits for an unknown run, which a state may still hear of, is not checked after each
message of a state, since a check takes time, but every `LOOK_AGAIN_S`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from heapq import heapify, heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from sf_actors.replication.missing_updates import NOTHING, missing_updates, progress

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from sf_actors.replication.missing_updates import FollowedState, MissingUpdates
    from sf_actors.wire.seen import Seen

#: Outdated entries that the heaps may have, besides as many as there are waiting requests.
OUTDATED: Final = 16

#: Time between two checks of the requests that wait for unknown runs, in seconds.
LOOK_AGAIN_S: Final = 0.01

R = TypeVar("R")
Peer = Hashable


class Wait(Generic[R]):
    """A request that waits, or is queued behind one that does.

    :ivar unknown: the updates that its service may lack, of runs that it has not heard of: epochs
        to counts
    :ivar is_unknown_likely: at least one of those is probably of a state that the service follows
    :ivar until: when it goes on without them, in seconds of `time.monotonic`
    :ivar coming: the updates that its service lacks: epochs to counts
    """

    __slots__ = (
        "coming",
        "expires_at",
        "is_behind",
        "is_ready",
        "is_unknown_likely",
        "peer",
        "request",
        "unknown",
        "until",
    )

    def __init__(self, request: R, peer: Peer, expires_at: float | None) -> None:
        self.request = request
        self.peer = peer
        self.unknown: Seen = {}
        self.is_unknown_likely = False
        self.expires_at = expires_at
        self.until = 0.0
        self.coming: Seen = {}
        self.is_behind = False
        self.is_ready = False


class CatchingUp(Generic[R]):
    """The waiting requests of one replyer; for one thread. All times are of `time.monotonic`.

    :param states: the states that the service follows
    :param catch_up_s: the longest wait, in seconds
    :param most: most requests that wait at the same time
    :param count_behind: called for each request that goes on without an update
    :param wall_ns: the clock of epochs
    """

    def __init__(
        self,
        states: Collection[FollowedState],
        *,
        catch_up_s: float,
        most: int,
        count_behind: Callable[[], None],
        wall_ns: Callable[[], int],
    ) -> None:
        self._wall_ns = wall_ns
        self._states = states
        self._catch_up_s = catch_up_s
        self._most = most
        self._count_behind = count_behind
        self._next_number = count().__next__
        #: the requests of each peer, in order
        self._lines: dict[Peer, deque[Wait[R]]] = {}
        self._length = 0
        #: number of requests that must still wait
        self._unready = 0
        #: the requests that wait for unknown runs
        self._unknowing: dict[Wait[R], None] = {}
        self._look_again_at = 0.0
        #: whether a message came since they were last checked
        self._is_look_due = False
        #: by run, a heap of requests by the count that they lack; some may have gone on already
        self._lacking: dict[int, list[tuple[int, int, Wait[R]]]] = {}
        #: a heap of requests by the end of their wait; some may have gone on already
        self._deadlines: list[tuple[float, int, Wait[R]]] = []
        #: number of entries in these heaps whose requests have gone on
        self._outdated = 0
        #: the peers of the requests that have become ready since the last `take_ready`
        self._released: dict[Peer, None] = {}

    def __len__(self) -> int:
        return self._length

    def keep(
        self, now: float, request: R, peer: Peer, seen: Seen, expires_at: float | None = None
    ) -> bool:
        """Keep a request if it must wait, itself or behind another of its peer; HOT.

        Call `take_ready` after a request was kept: the update may have come in between.

        :param expires_at: when its caller stops waiting for the answer; None: never
        :returns: False if it may go on
        """
        found = self._missing_updates(seen, now) if seen else NOTHING
        if not found.coming and not found.unknown:
            if found.is_behind:
                self._count_behind()
            if peer not in self._lines:
                return False
            wait = Wait(request, peer, expires_at)
            wait.is_ready = True
        else:
            wait = Wait(request, peer, expires_at)
            wait.is_behind = found.is_behind
            wait.until = now + self._catch_up_s
            if not found.coming:
                wait.until = min(wait.until, found.unknown_until)
            if expires_at is not None:
                wait.until = min(wait.until, expires_at)
            self._unready += 1
            heappush(self._deadlines, (wait.until, self._next_number(), wait))
            if found.unknown:
                wait.unknown, wait.is_unknown_likely = found.unknown, found.is_unknown_likely
                if not self._unknowing:
                    self._look_again_at = now
                self._unknowing[wait] = None
            self._await(wait, found.coming)
        self._lines.setdefault(peer, deque()).append(wait)
        self._length += 1
        if self._length > self._most:
            self._let_one_go(now)
        return True

    def take_ready(self, now: float) -> list[R]:
        """Remove and return the requests that may go on now; each peer's are in order."""
        self._reach()
        self._is_look_due = bool(self._unknowing) and now < self._look_again_at
        if self._unknowing and not self._is_look_due:
            self._look_again_at = now + LOOK_AGAIN_S
            self._look_for_runs(now)
        deadlines = self._deadlines
        while deadlines and (deadlines[0][2].is_ready or now >= deadlines[0][0]):
            wait = heappop(deadlines)[2]
            if not wait.is_ready:
                self._give_up(wait, now)
            self._outdated -= 1
        if self._outdated > OUTDATED + self._unready:
            self._drop_outdated()
        ready: list[R] = []
        for peer in self._released:
            line = self._lines[peer]
            while line and line[0].is_ready:
                ready.append(line.popleft().request)
            if not line:
                del self._lines[peer]
        self._released.clear()
        self._length -= len(ready)
        return ready

    def take_all(self) -> list[R]:
        """Remove and return all requests."""
        requests = [wait.request for line in self._lines.values() for wait in line]
        for kept in (self._lines, self._unknowing, self._lacking, self._deadlines, self._released):
            kept.clear()
        self._length = self._unready = self._outdated = 0
        self._is_look_due = False
        return requests

    @property
    def next_deadline(self) -> float | None:
        """When `take_ready` is due at the latest, even if no state changes; None: never."""
        if not self._deadlines:
            return None
        first = self._deadlines[0][0]
        return min(first, self._look_again_at) if self._is_look_due else first

    def _missing_updates(self, seen: Seen, now: float) -> MissingUpdates:
        return missing_updates(seen, self._states, now, self._catch_up_s, self._wall_ns)

    def _await(self, wait: Wait[R], coming: Seen) -> None:
        wait.coming |= coming
        for epoch, number in coming.items():
            heappush(self._lacking.setdefault(epoch, []), (number, self._next_number(), wait))

    def _reach(self) -> None:
        """Release requests whose updates have come, or can no longer come."""
        for epoch, lacking in list(self._lacking.items()):
            reached = progress(epoch, self._states)
            is_over = reached is None or not reached.is_followed
            least = -1 if reached is None else reached.last
            while lacking and (is_over or lacking[0][0] <= least):
                number, _, wait = heappop(lacking)
                if wait.is_ready:
                    self._outdated -= 1
                    continue
                wait.is_behind = wait.is_behind or number > least
                wait.coming.pop(epoch, None)
                if not wait.coming and wait not in self._unknowing:
                    self._end(wait)
            if not lacking:
                del self._lacking[epoch]

    def _look_for_runs(self, now: float) -> None:
        """Check again whether unknown runs have been heard of, or must belong to other states."""
        for wait in list(self._unknowing):
            if now >= wait.until:
                # its time is over, so it goes on without them in any case
                continue
            found = self._missing_updates(wait.unknown, now)
            wait.unknown, wait.is_unknown_likely = found.unknown, found.is_unknown_likely
            wait.is_behind = wait.is_behind or found.is_behind
            self._await(wait, found.coming)
            if not wait.unknown:
                del self._unknowing[wait]
                if not wait.coming:
                    self._end(wait)

    def _give_up(self, wait: Wait[R], now: float) -> None:
        """Let a request go on without the updates; count it if its caller still waits."""
        is_expired = wait.expires_at is not None and now >= wait.expires_at
        may_lack = wait.coming or (wait.unknown and wait.is_unknown_likely)
        wait.is_behind = not is_expired and bool(wait.is_behind or may_lack)
        self._unknowing.pop(wait, None)
        self._outdated += len(wait.coming)
        self._end(wait)

    def _end(self, wait: Wait[R]) -> None:
        wait.is_ready = True
        self._unready -= 1
        # its deadline
        self._outdated += 1
        self._released[wait.peer] = None
        if wait.is_behind:
            self._count_behind()

    def _let_one_go(self, now: float) -> None:
        """Make room: the first request of the peer with the most of them goes on without."""
        line = max(self._lines.values(), key=len)
        if not line[0].is_ready:
            self._give_up(line[0], now)

    def _drop_outdated(self) -> None:
        """Drop the heap entries whose requests have gone on."""
        self._outdated = 0
        self._deadlines = [entry for entry in self._deadlines if not entry[2].is_ready]
        heapify(self._deadlines)
        for epoch, lacking in list(self._lacking.items()):
            left = [entry for entry in lacking if not entry[2].is_ready]
            if left:
                heapify(left)
                self._lacking[epoch] = left
            else:
                del self._lacking[epoch]
