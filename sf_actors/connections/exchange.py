"""The connections of one requester: whichever caller is waiting reads the replies of all.

An attempt has an id in the frame before the empty one, as with ZMQ_REQ_CORRELATE of a REQ
socket: a REP or ROUTER socket returns everything up to the empty frame (ZeroMQ RFC 28). It has none
while it is alone on its connection, which saves both sides a frame. What
becomes of a call is for `call_rules`; here are the sockets, and who uses them.

It has no thread of its own. The callers share the work by these rules, under one lock:

1. A call is waiting until its reply was read, and then ready until it may go.
2. One call at most has the baton, and one has it whenever a call is waiting or ready. Only who has
   it gives it away.
3. Who has the baton and may not go yet leads: it connects, sends what is unsent, reads all there
   is, and waits for libzmq's descriptors, the others for their gates.
4. Replies that were read let their callers go one after the other: each takes the baton with it and
   passes it on when it leaves, so that one thread at a time runs instead of all of them against
   each other. After the last of them a waiting call leads.
5. Meanwhile requests are held back, so that they leave with one wake-up of libzmq's thread: with
   the next who leads, or with the one that makes them too many.
6. Who comes through its gate late lets all others go at once, without the baton.
7. An open gate says only: look again. To open one too often costs a round, and nothing else.
8. Who leaves without a reply, for whatever reason, is forgotten, and passes on the baton as well.
   That needs no socket; what is wrong with the socket is met by the next who leads.
9. Only a leader waits for the descriptors, which signal a change, not a state. Who sends meanwhile
   may eat the signal, and nudges it when there is something to be read.
"""

from __future__ import annotations

import secrets
import select
import threading
from collections import deque
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING

from sf_actors.connections.call_rules import CallRules
from sf_actors.connections.link import LONGEST_WAIT_S, MAX_READ, Link, hurry_others, is_unhandled
from sf_actors.connections.waiting_call import WaitingCall
from sf_actors.errors import ServiceStopped
from sf_actors.sockets.frames import CALL_ID, STOPPING
from sf_actors.sync.wakeup import Wakeup
from sf_actors.wire.envelope import MESSAGE_LENGTH, expiring_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sf_actors.connections.call_rules import Place

#: Most requests that are held back.
MAX_HELD_BACK = 32

#: If a caller takes longer than this to come through its gate, in seconds, it lets all ready ones
#: go at once: the processors are busy, and each in turn would have to wait for one.
LATE_S = 0.001

#: How long after the last reply a call may begin without a look, in seconds: a replyer that stops
#: reads on for longer than this after it has said so.
SETTLED_S = 0.005

#: How long a leader waits that has sent and not looked since, in seconds: what comes in between may
#: not be signalled.
FIRST_WAIT_S = 0.005

#: Longest answer that may say that a request is unhandled, in bytes.
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
        self._lock = threading.Lock()
        # random, so that no other frame equals an id by chance
        self._prefix = CALL_ID + secrets.token_bytes(8)
        self._next_number = count(1).__next__
        self._waiting: dict[WaitingCall, None] = {}
        self._unsent: dict[WaitingCall, None] = {}
        self._ready: deque[WaitingCall] = deque()
        self._holder: WaitingCall | None = None
        self._is_closing = False
        #: whether something was sent since the last look
        self._has_sent = False
        #: until when nothing is to be read that matters, in seconds of `time.monotonic`
        self._settled_until = 0.0
        self._is_closed = False
        self._nudge = Wakeup()
        self._closing_fd = closing_fd
        self._links: list[Link] = []
        self._poll = select.poll()
        self._follow(list(links))

    def ask(self, call: WaitingCall) -> bytes | None:
        """Send a request and wait for the reply.

        :returns: None after the last try
        :raises ServiceStopped: our own service stops
        """
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
            # who may go without the baton was forgotten before
            if not call.may_go or self._holder is call:
                self._leave(call)
        except BaseException:
            self._leave(call)
            raise
        if call.error is not None:
            raise call.error
        return call.reply

    def connect(self, links: Sequence[Link]) -> None:
        """Send further calls to other places; those under way keep theirs until they are over."""
        with self._lock:
            rules = self.rules
            rules.retired += [place for place in rules.places if place not in links]
            rules.retired = [place for place in rules.retired if place not in links]
            rules.places = list(links)
            self._follow([*links, *(link for link in self._links if link not in links)])
            if self._holder is None:
                self._look(monotonic())
            self._nudge.set()

    @property
    def links(self) -> list[Link]:
        """The places that calls are sent to now."""
        return [place for place in self.rules.places if isinstance(place, Link)]

    def close(self) -> None:
        """Close the sockets; after the last caller has left."""
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                for link in self._links:
                    link.close()
                self._nudge.close()

    def _follow(self, links: list[Link]) -> None:
        """Wait for these places from now on."""
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
        """Make the leader look; in a thread that looked up a name."""
        with self._lock:
            if not self._is_closed:
                self._nudge.set()

    def _begin(self, call: WaitingCall) -> bool:
        """Send a request, or keep it for who leads.

        :returns: whether the caller leads, and has looked
        """
        with self._lock:
            self._waiting[call] = None
            holder = self._holder
            if holder is None:
                self._holder = call
                # what came while nobody was here: perhaps that the other side stops
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
        """Send while another leads."""
        is_sent = self._send(call)
        if not is_sent:
            self._unsent[call] = None
        # also a send that was refused may have eaten the signal that the leader waits for
        if not is_sent or any(link.has_something() for link in self._links):
            self._nudge.set()

    def _try_again(self, call: WaitingCall) -> bool:
        """Begin the next try of a call whose time is over, if there is one."""
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
        """Send a request to the place that fits, if it can be sent now; HOT.

        :param is_fresh: the call begins just now
        """
        rules = self.rules
        while True:
            place = rules.choose(call)
            if place is None:
                return False
            frame = call.frame
            if not is_fresh:
                frame = expiring_in(frame, call.ends_at - monotonic())
            attempt = b""
            if not place.needs_no_id:  # type: ignore[attr-defined]
                attempt = self._prefix + self._next_number().to_bytes(8, "big")
            if place.send(attempt, frame):  # type: ignore[attr-defined]
                rules.sent(call, place, attempt)
                call.sent += 1
                self._has_sent = True
                return True
            place.is_full = True

    def _send_unsent(self) -> None:
        for call in list(self._unsent):
            if self._send(call):
                del self._unsent[call]

    def _lead(self, call: WaitingCall, wait_s: float, *, has_looked: bool) -> bool:
        """Wait for replies, pass on the baton if some came, and return whether the call is over."""
        if has_looked:
            wait_s = min(wait_s, FIRST_WAIT_S)
        else:
            with self._lock:
                # what came while another call used the sockets is not signalled again
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
        """Let the first that is ready go; at once, if it is this one and nobody else is there."""
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
        """Read replies, see what became of the connections, and send what waits for one; HOT.

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
        over = [place for place in self.rules.retired if not any(place.under_way.values())]
        if over:
            self.rules.retired = [place for place in self.rules.retired if place not in over]
            self._follow([link for link in self._links if link not in over])
            for place in over:
                place.close()  # type: ignore[attr-defined]

    def _take(self, place: Place, attempt: bytes, frame: bytes) -> None:
        if attempt == STOPPING:
            place.is_stopping = True
            hurry_others(self._links, place)
            return
        if len(frame) < _LONGEST_FAILURE and b"unhandled" in frame and is_unhandled(frame):
            again = self.rules.unhandled(place, attempt)
            if isinstance(again, WaitingCall):
                self._unsent[again] = None
            return
        call = self.rules.answered(place, attempt)
        if isinstance(call, WaitingCall) and call in self._waiting:
            del self._waiting[call]
            self._unsent.pop(call, None)
            call.reply = frame
            if call is self._holder:
                self._ready.appendleft(call)
            else:
                self._ready.append(call)

    def _pass_on(self) -> None:
        """Let the first that is ready go, with the baton; without any, let one lead."""
        if self._ready:
            self._holder = call = self._ready.popleft()
            call.opened_at = monotonic()
            # only now: who may go asks whether it has the baton
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
                # an interrupt may have come after the baton was passed on, and before this
                self._holder.wake()
