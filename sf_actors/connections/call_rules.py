"""The rules that choose an address for each call of a requester; no threads, sockets or clocks.

A call is sent as one or more attempts. An attempt is under way at its peer until it is answered or
the peer's connection is lost, even if its call ended long before.

=============================== ==================================================================
event                           result
=============================== ==================================================================
a call begins                   it goes to the connected peer with the fewest attempts under way
                                that is not stopping, by its key if it has one; else it waits
an attempt is answered          that is the call's reply, however old the attempt is
an attempt comes back unhandled its peer stops; if no attempt of the call is under way and none was
                                lost, the call is sent again: no retry is used up
a try times out                 a retry, if one is left: at the same peer, unless the call is
                                idempotent; the attempt stays under way
a peer says that it stops       it gets no more calls until its connection is lost and made again
a connection is lost            the fate of its attempts is unknown: a call that had one there goes
                                nowhere else, unless it is idempotent
=============================== ==================================================================
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import blake2b

#: Most attempts of ended calls that are remembered for each peer.
MAX_LATE = 10_000


class Peer:
    """The service at one address, as calls see it.

    :ivar under_way: the attempts by id, in order, with None for those of calls that have ended
    :ivar is_away: whether the last try to connect failed, or the connection was lost
    :ivar is_full: whether the last send found no room
    """

    __slots__ = ("is_away", "is_connected", "is_full", "is_stopping", "name", "under_way", "used")

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_connected = False
        self.is_stopping = False
        self.is_away = False
        self.is_full = False
        self.under_way: dict[bytes, CallState | None] = {}
        self.used = 0

    @property
    def is_usable(self) -> bool:
        """Whether a request can be sent there."""
        return self.is_connected and not self.is_stopping and not self.is_full


class CallState:
    """The state of one call.

    :param key: the packed value that decides its peer among several; None: the load decides
    :ivar peer: where it was sent last
    :ivar attempts: the ids of its attempts that are under way
    :ivar has_lost: whether an attempt was lost with its connection
    :ivar is_unsent: whether it still has to be sent
    """

    __slots__ = ("attempts", "has_lost", "is_unsent", "key", "peer", "retries_left", "tries")

    def __init__(self, retries: int = 0, key: bytes | None = None) -> None:
        self.key = key
        self.retries_left = retries
        self.tries = 1
        self.peer: Peer | None = None
        self.attempts: list[bytes] = []
        self.has_lost = False
        self.is_unsent = True


class CallRules:
    """The peers of one requester, and the rules at the top of the file. For one thread at a time.

    :param is_idempotent: whether retries may go to another peer
    """

    def __init__(self, peers: list[Peer], *, is_idempotent: bool = False) -> None:
        self.peers = peers
        self.is_idempotent = is_idempotent
        #: peers that get no further call, but still have some to answer
        self.retired: list[Peer] = []
        self._uses = 0

    def choose(self, call: CallState) -> Peer | None:
        """Return the peer to send the call to now, or None if it must wait; HOT."""
        if call.peer is not None and (call.attempts or call.has_lost) and not self.is_idempotent:
            return call.peer if call.peer.is_usable else None
        peers = self.peers
        if len(peers) == 1:
            (peer,) = peers
            # `is_usable`, written out since a call of the property would cost more
            is_usable = peer.is_connected and not peer.is_stopping and not peer.is_full
            return peer if is_usable else None
        if call.key is not None:
            there = [peer for peer in peers if not peer.is_away and not peer.is_stopping]
            if not there:
                return None
            chosen = max(there, key=lambda peer: _weight(call.key, peer))
            return chosen if chosen.is_usable else None
        usable = [peer for peer in peers if peer.is_usable]
        return min(usable, key=_load) if usable else None

    def sent(self, call: CallState, peer: Peer, attempt: bytes) -> None:
        """Note that an attempt was sent; HOT."""
        self._uses += 1
        peer.used = self._uses
        peer.under_way[attempt] = call
        call.peer = peer
        call.attempts.append(attempt)
        call.is_unsent = False

    def answered(self, peer: Peer, attempt: bytes) -> CallState | None:
        """Note a reply; HOT.

        :returns: the call that it answers, if that still waits
        """
        call = peer.under_way.pop(attempt, None)
        if call is not None:
            call.attempts.remove(attempt)
        return call

    def unhandled(self, peer: Peer, attempt: bytes) -> CallState | None:
        """Note that a request came back unhandled.

        :returns: the call, if it must be sent again
        """
        peer.is_stopping = True
        call = self.answered(peer, attempt)
        if call is None or call.attempts or call.has_lost:
            return None
        call.is_unsent = True
        return call

    def time_is_over(self, call: CallState) -> bool:
        """Note that a try has timed out.

        :returns: True if there is another try
        """
        if not call.retries_left:
            return False
        call.retries_left -= 1
        call.tries += 1
        call.is_unsent = True
        return True

    def ended(self, call: CallState) -> None:
        """Note that nobody waits for the call any more; HOT."""
        call.is_unsent = False
        if not call.attempts:
            return
        for peer in (*self.peers, *self.retired):
            for attempt in call.attempts:
                if attempt in peer.under_way:
                    peer.under_way[attempt] = None
            if len(peer.under_way) > MAX_LATE:
                late = (id_ for id_, waiting in peer.under_way.items() if waiting is None)
                oldest = next(late, None)
                if oldest is not None:
                    del peer.under_way[oldest]
        call.attempts.clear()

    def connected(self, peer: Peer) -> None:
        """Note that a connection was made."""
        peer.is_connected = True
        peer.is_away = peer.is_stopping = peer.is_full = False

    def lost(self, peer: Peer) -> None:
        """Note that a connection was lost, or could not be made."""
        peer.is_connected = peer.is_stopping = peer.is_full = False
        peer.is_away = True
        for attempt, call in peer.under_way.items():
            if call is not None:
                call.attempts.remove(attempt)
                call.has_lost = True
        peer.under_way.clear()


def _load(peer: Peer) -> tuple[int, int]:
    return len(peer.under_way), peer.used


def _weight(key: bytes | None, peer: Peer) -> bytes:
    """Return a peer's weight for a key (rendezvous hashing); the same in every process."""
    digest = _hash_of(peer.name).copy()
    digest.update(key or b"")
    return digest.digest()


@lru_cache(1024)
def _hash_of(name: str) -> blake2b:
    """Return the hash of a peer's name, to continue with a key."""
    from hashlib import blake2b  # noqa: PLC0415 - loads OpenSSL, and few requesters have keys

    return blake2b(name.encode() + b"\0", digest_size=8)
