"""Requests that wait until their service has caught up with their callers'.

A request waits for the updates that its service lacks (`lack`), and those of its peer that come
after it stand behind it, so that a peer's calls stay in order. Others pass. When too many wait, the
first of the peer that has most of them goes on without: a peer that claims to have seen what there
never was loses its own place, not that of others.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from heapq import heapify, heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from sf_actors.replication.lack import NOTHING, lack, progress

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from sf_actors.replication.lack import Following
    from sf_actors.wire.seen import Seen

#: So many entries of those that have gone may be left, besides as many as wait.
OUTDATED: Final = 16

R = TypeVar("R")
Peer = Hashable


class Wait(Generic[R]):
    """A request that waits, or stands behind one that does.

    :ivar seen: what its caller had seen, where it is to be looked at again
    :ivar until: when it goes on without, in seconds of `time.monotonic`
    :ivar coming: the updates that it lacks: epochs to counts
    """

    __slots__ = (
        "coming",
        "expires_at",
        "is_behind",
        "is_ready",
        "peer",
        "request",
        "seen",
        "until",
    )

    def __init__(self, request: R, peer: Peer, expires_at: float | None) -> None:
        self.request = request
        self.peer = peer
        self.seen: Seen = {}
        self.expires_at = expires_at
        self.until = 0.0
        self.coming: Seen = {}
        self.is_behind = False
        self.is_ready = False


class CatchingUp(Generic[R]):
    """The requests of one replyer that wait; for one thread, each time given is `time.monotonic`.

    :param states: those that the service follows
    :param catch_up_s: the longest wait, in seconds
    :param most: so many requests wait at the same time
    :param count_behind: called for each request that goes on without
    """

    def __init__(
        self,
        states: Collection[Following],
        *,
        catch_up_s: float,
        most: int,
        count_behind: Callable[[], None],
    ) -> None:
        self._states = states
        self._catch_up_s = catch_up_s
        self._most = most
        self._count_behind = count_behind
        self._next_number = count().__next__
        #: those of each peer, in order
        self._lines: dict[Peer, deque[Wait[R]]] = {}
        self._length = 0
        #: how many of them may not go yet
        self._unready = 0
        #: of these, those that may wait for a state that has heard of no run yet
        self._unheard: dict[Wait[R], None] = {}
        #: who lacks which update of a run: the least first; some may have gone on without
        self._lacking: dict[int, list[tuple[int, int, Wait[R]]]] = {}
        #: when whose time is over: the first first; some may have gone
        self._deadlines: list[tuple[float, int, Wait[R]]] = []
        #: entries of those that have gone, in these heaps
        self._outdated = 0
        #: the peers of those that may go since the last look
        self._released: dict[Peer, None] = {}

    def __len__(self) -> int:
        return self._length

    def keep(
        self, now: float, request: R, peer: Peer, seen: Seen, expires_at: float | None = None
    ) -> bool:
        """Keep a request that has to wait, or to stand behind another of its peer; HOT.

        `take_ready` is to be called after a request was kept: perhaps nothing wakes it any more.

        :param expires_at: when nobody waits for its answer any more; None: never
        :returns: False if it may go on
        """
        found = lack(seen, self._states) if seen else NOTHING
        is_early = found.unheard_since is not None and now < found.unheard_since + self._catch_up_s
        if not found.coming and not is_early:
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
            if found.unheard_since is not None and not found.coming:
                wait.until = min(wait.until, found.unheard_since + self._catch_up_s)
            if expires_at is not None:
                wait.until = min(wait.until, expires_at)
            self._unready += 1
            heappush(self._deadlines, (wait.until, self._next_number(), wait))
            if is_early:
                wait.seen = seen
                self._unheard[wait] = None
            self._await(wait, found.coming)
        self._lines.setdefault(peer, deque()).append(wait)
        self._length += 1
        if self._length > self._most:
            self._let_one_go(now)
        return True

    def take_ready(self, now: float) -> list[R]:
        """Return the requests that may go on now, and forget them; each peer's are in order."""
        self._reach()
        if self._unheard and all(state.unheard_since is None for state in self._states):
            self._hear()
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
        """Return all requests, and forget them."""
        requests = [wait.request for line in self._lines.values() for wait in line]
        for kept in (self._lines, self._unheard, self._lacking, self._deadlines, self._released):
            kept.clear()
        self._length = self._unready = self._outdated = 0
        return requests

    @property
    def next_deadline(self) -> float | None:
        """When `take_ready` is due although no state has changed, or before; None: never."""
        return self._deadlines[0][0] if self._deadlines else None

    def _await(self, wait: Wait[R], coming: Seen) -> None:
        wait.coming |= coming
        for epoch, number in coming.items():
            heappush(self._lacking.setdefault(epoch, []), (number, self._next_number(), wait))

    def _reach(self) -> None:
        """Let those go whose updates have come, or come no more."""
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
                if not wait.coming and wait not in self._unheard:
                    self._end(wait)
            if not lacking:
                del self._lacking[epoch]

    def _hear(self) -> None:
        """Look again at those that waited for a state to hear of its run."""
        unheard, self._unheard = self._unheard, {}
        for wait in unheard:
            found = lack(wait.seen, self._states)
            wait.is_behind = wait.is_behind or found.is_behind
            more = {epoch: n for epoch, n in found.coming.items() if epoch not in wait.coming}
            self._await(wait, more)
            if not wait.coming:
                self._end(wait)

    def _give_up(self, wait: Wait[R], now: float) -> None:
        """Let a request go on without what it lacks, if its caller still waits for it."""
        is_expired = wait.expires_at is not None and now >= wait.expires_at
        # what may be of another state's run is not known to be lacking
        wait.is_behind = not is_expired and (wait.is_behind or bool(wait.coming))
        self._unheard.pop(wait, None)
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
        """Make room: the first of the peer that has most of those that wait goes on without."""
        line = max(self._lines.values(), key=len)
        if not line[0].is_ready:
            self._give_up(line[0], now)

    def _drop_outdated(self) -> None:
        """Drop what the heaps have of those that have gone."""
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
