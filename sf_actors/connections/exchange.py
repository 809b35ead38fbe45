"""The connections of one requester: whichever caller is waiting reads the replies of all.

An attempt has an id in the frame before the empty one, as with ZMQ_REQ_CORRELATE of a REQ
socket: a REP or ROUTER socket returns everything up to the empty frame (ZeroMQ RFC 28). An attempt
that is alone on its connection has none, which saves both sides a frame. `call_rules` decides where
calls go; this module does the input and output, and decides which thread does it.

An exchange has no thread of its own. The callers share the work by these rules, under one lock:

1. A call is waiting until its reply has been read, and then ready until it may go.
2. At most one call has the baton, and one has it whenever a call is waiting or ready. Only its
   holder passes it on.
3. The holder leads until it may go: it connects, sends unsent requests, reads all replies, and
   waits for libzmq's descriptors; the other callers wait for their gates.
4. Callers whose replies were read go one after the other: each takes the baton along and passes it
   on when it leaves, so that one thread runs at a time instead of all of them contending. After the
   last of them a waiting call leads.
5. Meanwhile new requests are held back, so that they leave with one wake-up of libzmq's thread: the
   next leader sends them, or the caller whose request reaches `MAX_HELD_BACK`.
6. A caller that gets through its gate late lets all other ready ones go at once, without the baton.
7. An open gate only means: look again. Opening one too often costs one more look, no more.
8. A caller that leaves without a reply, for whatever reason, is forgotten and passes on the baton
   too. That needs no socket; the next leader meets any fault of the socket.
9. Only the leader waits for the descriptors, which signal a change, not a state. A send by another
   caller may consume the signal, so that caller nudges the leader if there is something to read.
"""

from __future__ import annotations

import os
import select
from collections import deque
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING

from sf_actors.connections.call_rules import CallRules
from sf_actors.connections.link import LONGEST_WAIT_S, MAX_READ, Link, hurry_others, is_unhandled
from sf_actors.connections.waiting_call import WaitingCall
from sf_actors.errors import ServiceStopped
from sf_actors.sockets.frames import CALL_ID, STOPPING
from sf_actors.sync.reentry import owned_lock, reentered
from sf_actors.sync.wakeup import Wakeup
from sf_actors.wire.envelope import MESSAGE_LENGTH, expiring_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sf_actors.connections.call_rules import Peer

#: Most requests that are held back.
MAX_HELD_BACK = 32

#: A caller that takes longer than this to get through its gate, in seconds, lets all ready ones go
#: at once: the processors are busy, and one after the other each would have to wait for one.
LATE_S = 0.001

#: How long after the last reply a call may begin without a look, in seconds: a replyer goes on
#: reading for longer than this after it has said that it stops.
SETTLED_S = 0.005

#: Longest wait of a leader that has sent and not looked since, in seconds: what arrived in between
#: may not be signalled.
FIRST_WAIT_S = 0.005

#: Longest reply that can say that a request was not handled, in bytes.
_LONGEST_FAILURE = 6 * MESSAGE_LENGTH


class Exchange:
    """The connections and the calls under way through them; any thread.

    :param closing_fd: readable when calls must give up
    :param where: the model, for messages
    """

    def __init__(
        self,
        links: Sequence[Link],
        closing_fd: int,
        *,
        where: str,
        is_idempotent: bool,
    ) -> None:
        self.rules = CallRules(list(links), is_idempotent=is_idempotent)
        self._where = where
        self._lock, self._is_held_here = owned_lock()
        # random, so that no other frame equals an id by chance
        self._prefix = CALL_ID + os.urandom(8)
        self._next_number = count(1).__next__
        self._waiting: dict[WaitingCall, None] = {}
        self._unsent: dict[WaitingCall, None] = {}
        self._ready: deque[WaitingCall] = deque()
        self._holder: WaitingCall | None = None
        self._is_closing = False
        #: whether something was sent since the last look
        self._has_sent = False
        #: until when a call may begin without a look, in seconds of `time.monotonic`
        self._settled_until = 0.0
        self._is_closed = False
        self._nudge = Wakeup()
        self._closing_fd = closing_fd
        self._follow(list(links))

    def ask(self, call: WaitingCall) -> bytes | None:
        """Send a request and wait for the reply.

        :returns: None after the last try
        :raises ServiceStopped: our own service stops
        """
        if self._is_held_here():
            raise reentered(self._where)
        try:
            has_looked = self._begin(call)
            while not call.may_go:
                remaining_s = call.try_ends_at - monotonic()
                if remaining_s <= 0:
                    if not self._try_again(call):
                        break
                    continue
                if self._is_closing:
                    raise ServiceStopped(
                        f"{self._where}: the service stops, its reply is not waited for"
                    )
                wait_s = min(remaining_s, LONGEST_WAIT_S)
                if self._holder is call:
                    if self._lead(call, wait_s, has_looked=has_looked):
                        return call.reply
                    has_looked = False
                else:
                    call.gate.acquire(timeout=wait_s)
            # a call that may go without the baton is already forgotten
            if not call.may_go or self._holder is call:
                self._leave(call)
        except BaseException:
            self._leave(call)
            raise
        if call.error is not None:
            raise call.error
        return call.reply

    def connect(self, links: Sequence[Link]) -> None:
        """Send new calls to these peers; calls under way stay where they are."""
        with self._lock:
            rules = self.rules
            rules.retired += [peer for peer in rules.peers if peer not in links]
            rules.retired = [peer for peer in rules.retired if peer not in links]
            rules.peers = list(links)
            self._follow([*links, *(link for link in self._links if link not in links)])
            if self._holder is None:
                self._look(monotonic())
            self._nudge.set()

    @property
    def links(self) -> list[Link]:
        """The peers that calls are sent to now."""
        return [peer for peer in self.rules.peers if isinstance(peer, Link)]

    def close(self) -> None:
        """Close the sockets; after the last caller has left."""
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                for link in self._links:
                    link.close()
                self._nudge.close()

    def _follow(self, links: list[Link]) -> None:
        """Wait for the sockets of these peers from now on."""
        self._links = links
        self._by_fd = {link.fds[0]: link for link in links}
        poll = select.poll()
        for link in links:
            link.wake = self._wake
            for fd in link.fds:
                poll.register(fd, select.POLLIN)
        poll.register(self._closing_fd, select.POLLIN)
        poll.register(self._nudge.fd, select.POLLIN)
        self._poll = poll

    def _wake(self) -> None:
        """Make the leader look; runs in a thread that looked up a name."""
        with self._lock:
            if not self._is_closed:
                self._nudge.set()

    def _begin(self, call: WaitingCall) -> bool:
        """Send a request, or leave it to the leader.

        :returns: True if the caller leads and has looked
        """
        with self._lock:
            self._waiting[call] = None
            holder = self._holder
            if holder is None:
                self._holder = call
                # read what came while nobody looked: the other side may have said that it stops
                now = monotonic()
                if now >= self._settled_until:
                    self._look(now)
                if self._send(call, is_fresh=True):
                    return True
                self._unsent[call] = None
                return False
            if holder.may_go:
                self._unsent[call] = None
                if len(self._unsent) >= MAX_HELD_BACK:
                    self._send_unsent()
                return False
            self._send_beside(call)
            return False

    def _send_beside(self, call: WaitingCall) -> None:
        """Send while another caller leads."""
        is_sent = self._send(call)
        if not is_sent:
            self._unsent[call] = None
        # even a refused send may have consumed the signal that the leader waits for
        if not is_sent or any(link.has_something() for link in self._links):
            self._nudge.set()

    def _try_again(self, call: WaitingCall) -> bool:
        """Begin the next try of a call that has timed out; return False if none is left."""
        with self._lock:
            if call.may_go or call in self._ready:
                return True
            if not self.rules.time_is_over(call):
                return False
            call.try_ends_at += call.timeout_s
            if self._holder is call or (self._holder is not None and self._holder.may_go):
                self._unsent[call] = None
            else:
                self._send_beside(call)
            return True

    def _send(self, call: WaitingCall, *, is_fresh: bool = False) -> bool:
        """Send a request to the peer that the rules choose; return False if it must wait; HOT.

        :param is_fresh: the call begins just now
        """
        rules = self.rules
        while True:
            peer = rules.choose(call)
            if peer is None:
                return False
            frame = call.frame
            if not is_fresh:
                frame = expiring_in(frame, call.ends_at - monotonic())
            attempt = b""
            if peer.under_way or not peer.answers_once:  # type: ignore[attr-defined]
                attempt = self._prefix + self._next_number().to_bytes(8, "big")
            if peer.send(attempt, frame):  # type: ignore[attr-defined]
                rules.sent(call, peer, attempt)
                call.sent += 1
                self._has_sent = True
                return True
            peer.is_full = True

    def _send_unsent(self) -> None:
        for call in list(self._unsent):
            if self._send(call):
                del self._unsent[call]

    def _lead(self, call: WaitingCall, wait_s: float, *, has_looked: bool) -> bool:
        """Wait for replies and pass on the baton if some came; return True if the call is over."""
        if has_looked:
            wait_s = min(wait_s, FIRST_WAIT_S)
        else:
            with self._lock:
                # what arrived while another call used the sockets is not signalled again
                is_all = self._look(now := monotonic())
                if self._ready or not is_all:
                    return bool(self._ready) and self._go_or_pass_on(call)
                if self._has_sent:
                    wait_s = min(wait_s, FIRST_WAIT_S)
                wait_s = min(wait_s, *(link.longest_wait_s(now) for link in self._links))
        # rounded up: waiting zero would be a busy loop
        readable = self._poll.poll(int(wait_s * 1000) + 1)
        with self._lock:
            signalled = self._by_fd.get(readable[0][0]) if len(readable) == 1 else None
            if signalled is None:
                self._take_signals([fd for fd, _ in readable])
                self._look(monotonic())
            else:
                for attempt, frame in signalled.replies():
                    self._take(signalled, attempt, frame)
            return bool(self._ready) and self._go_or_pass_on(call)

    def _take_signals(self, fds: list[int]) -> None:
        if self._nudge.fd in fds:
            self._nudge.clear()
        if self._closing_fd in fds:
            self._is_closing = True
            for waiting in self._waiting:
                waiting.wake()

    def _go_or_pass_on(self, call: WaitingCall) -> bool:
        """Let the first ready call go; return True if it is this one and no other waits."""
        if len(self._ready) == 1 and self._ready[0] is call and not self._waiting:
            self._ready.clear()
            self._holder = None
            if call.attempts:
                self.rules.ended(call)
            call.may_go = True
            for link in self._links:
                if not link.is_connected or link.retry_at is not None or link.events is None:
                    return True
            self._settled_until = monotonic() + SETTLED_S
            return True
        self._pass_on()
        return False

    def _look(self, now: float) -> bool:
        """Read replies, note changes of the connections, and send what was unsent; HOT.

        :returns: False if there may be more to read
        """
        is_all = True
        self._has_sent = False
        for link in self._links:
            replies = link.look()
            for attempt, frame in replies:
                self._take(link, attempt, frame)
            is_all = is_all and len(replies) < MAX_READ
            link.is_full = False
            if link.needs_care(now):
                for is_there in link.changes(now):
                    if is_there:
                        self.rules.connected(link)
                    else:
                        if link.is_connected:
                            hurry_others(self._links, link)
                        self.rules.lost(link)
        if self._unsent:
            self._send_unsent()
        if self.rules.retired:
            self._close_retired()
        return is_all

    def _close_retired(self) -> None:
        over = [peer for peer in self.rules.retired if not any(peer.under_way.values())]
        if over:
            self.rules.retired = [peer for peer in self.rules.retired if peer not in over]
            self._follow([link for link in self._links if link not in over])
            for peer in over:
                peer.close()  # type: ignore[attr-defined]

    def _take(self, peer: Peer, attempt: bytes, frame: bytes) -> None:
        if attempt == STOPPING:
            peer.is_stopping = True
            hurry_others(self._links, peer)
            return
        if len(frame) < _LONGEST_FAILURE and b"unhandled" in frame and is_unhandled(frame):
            again = self.rules.unhandled(peer, attempt)
            if isinstance(again, WaitingCall):
                self._unsent[again] = None
            return
        call = self.rules.answered(peer, attempt)
        if isinstance(call, WaitingCall) and call in self._waiting:
            del self._waiting[call]
            self._unsent.pop(call, None)
            call.reply = frame
            if call is self._holder:
                self._ready.appendleft(call)
            else:
                self._ready.append(call)

    def _pass_on(self) -> None:
        """Give the baton to the first ready call, to go, or else to a waiting one, to lead."""
        if self._ready:
            self._holder = call = self._ready.popleft()
            call.opened_at = monotonic()
            # only now: a caller that may go asks whether it has the baton
            call.may_go = True
            call.wake()
            return
        self._holder = next(iter(self._waiting), None)
        if self._holder is not None:
            self._holder.wake()

    def _leave(self, call: WaitingCall) -> None:
        """Forget a call, and pass on the baton if it has it."""
        with self._lock:
            self._settled_until = 0.0
            self.rules.ended(call)
            if not call.may_go:
                self._waiting.pop(call, None)
                self._unsent.pop(call, None)
                if call in self._ready:
                    self._ready.remove(call)
            if self._holder is call:
                if monotonic() - call.opened_at > LATE_S:
                    while len(self._ready) > 1:
                        other = self._ready.popleft()
                        other.may_go = True
                        other.wake()
                self._pass_on()
            elif self._holder is not None:
                # an interrupt may have come between passing on the baton and this point
                self._holder.wake()
