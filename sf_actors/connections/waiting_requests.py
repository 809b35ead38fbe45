"""The requests of a replyer that wait for states, kept apart from those that wait for the handler.

They block neither the actor nor the router: while there are such requests, the threads of the
states notify the actor of each change, and its inbox has the deadline of the first.
"""

from __future__ import annotations

from time import monotonic, time_ns
from typing import TYPE_CHECKING

from sf_actors.replication.catching_up import CatchingUp
from sf_actors.sockets.frames import CALL_ID
from sf_actors.wire.seen import decode_seen

if TYPE_CHECKING:
    from msgspec import Raw, UnsetType

    from sf_actors.actors.deliveries import Deliveries
    from sf_actors.actors.socket_actor import SocketActor
    from sf_actors.connections.request_call import RequestCall

#: One in `PART_OF_QUEUE` of the requests that may be queued may wait for states.
PART_OF_QUEUE = 4


class StatesChanged:
    """A state has changed that requests may wait for."""


class WaitingRequests:
    """The requests that wait; all but `_note_change` runs in the thread of the replyer.

    :param deliveries: counts them together with those that wait for the handler
    """

    def __init__(self, replyer: SocketActor, deliveries: Deliveries) -> None:
        creation = replyer.model.creation
        states = replyer.run_context.states
        self._replyer = replyer
        self._deliveries = deliveries
        self._changes = states.changes
        self._catching_up: CatchingUp[RequestCall] = CatchingUp(
            states.followed,
            catch_up_s=creation["catch_up_s"],
            most=max(1, creation["high_water_mark"] // PART_OF_QUEUE),
            count_behind=self._count_behind,
            wall_ns=time_ns,
        )
        #: whether it is called at changes of states
        self._is_subscribed = False
        #: whether a notice of a change is on its way
        self._is_notice_sent = False

    def keep(self, request: RequestCall, packed: Raw | UnsetType | None) -> bool:
        """Keep a request if the service lacks an update that its caller had seen; HOT.

        :param packed: `seen` of the request
        :returns: False if the request may go on
        """
        waiting = self._catching_up
        seen = decode_seen(packed)
        if not seen and not waiting:
            return False
        peer = _peer_of(request.address)
        if not waiting.keep(monotonic(), request, peer, seen, request.expires_at):
            return False
        self._deliveries.keep_apart(request.size)
        if not self._is_subscribed:
            self._is_subscribed = True
            self._changes.add_callback(self._note_change)
        # changes since the check above were not reported
        self.take_up_ready()
        return True

    def on_change(self) -> None:
        """Schedule a check of the waiting requests, in turn with reading.

        A state may change more often than they can be checked.
        """
        self._replyer.inbox.has_work = True

    def on_step(self) -> None:
        """Check the waiting requests, since a state has changed."""
        # before checking, so that a change meanwhile is reported again
        self._replyer.inbox.has_work = self._is_notice_sent = False
        self.take_up_ready()

    def take_up_ready(self) -> None:
        """Queue the requests that need not wait for states any longer."""
        waiting = self._catching_up
        if not waiting:
            return
        for request in waiting.take_ready(monotonic()):
            self._deliveries.take_up(request)
        self._replyer.inbox.deadline = waiting.next_deadline
        if not waiting:
            self._unsubscribe()

    def close(self) -> list[RequestCall]:
        """Stop waiting, and return the requests that waited."""
        self._unsubscribe()
        self._replyer.inbox.deadline = None
        self._replyer.inbox.has_work = False
        return self._catching_up.take_all()

    def _unsubscribe(self) -> None:
        self._is_subscribed = False
        self._changes.remove_callback(self._note_change)

    def _note_change(self) -> None:
        """Notify the replyer that a state has changed; in the thread of that state."""
        if not self._is_notice_sent:
            self._is_notice_sent = True
            self._replyer.tell(StatesChanged())

    def _count_behind(self) -> None:
        self._replyer.counters.behind += 1


def _peer_of(address: list[bytes]) -> tuple[bytes, ...]:
    """Return the frames that lead back to the requester's socket, without the id of a call."""
    has_id = len(address) > 2 and address[-2].startswith(CALL_ID)
    return tuple(address[: -2 if has_id else -1])
