"""One connection shared by concurrent calls: whichever caller is waiting reads the replies of all.

Each request has an id in its address frames, as with ZMQ_REQ_CORRELATE of a REQ socket: a REP or
ROUTER socket returns everything up to the empty frame (ZeroMQ RFC 28). A reply whose id no call
waits for is late, and dropped.

It has no thread of its own. The callers share the work by these rules, under one lock:

1. A call is waiting until its reply was read, and then ready until it may go.
2. One call at most has the baton, and one has it whenever a call is waiting or ready. Only who has
   it gives it away.
3. Who has the baton and may not go yet leads: it sends what is held back, reads all there is, and
   waits for libzmq's descriptor, the others for their gates.
4. Replies that were read let their callers go one after the other: each takes the baton with it and
   passes it on when it leaves, so that one thread at a time runs instead of all of them against
   each other. After the last of them a waiting call leads.
5. Meanwhile requests are held back, so that they leave with one wake-up of libzmq's thread: with
   the next who leads, or with the one that makes them too many.
6. Who comes through its gate late lets all others go at once, without the baton.
7. An open gate says only: look again. To open one too often costs a round, and nothing else.
8. Who leaves without a reply, for whatever reason, is forgotten, and passes on the baton as well.
   That needs no socket; what is wrong with the socket is met by the next who leads.
9. Only a leader waits for the descriptor, which signals a change, not a state. Who sends meanwhile
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

import zmq
from zmq import zmq_poll

from sf_actors.errors import ServiceStopped
from sf_actors.sockets.frames import (
    MAX_FRAMES,
    NOBLOCK,
    NOBLOCK_SNDMORE,
    POLLIN,
    receive_frames,
    send_frame,
)
from sf_actors.sync.wakeup import Wakeup

if TYPE_CHECKING:
    from sf_actors.sockets.frames import Socket

#: Most requests that are held back.
MAX_HELD_BACK = 32

#: Most messages read before the leader checks its deadline.
MAX_READ = 1_000

#: If a caller takes longer than this to come through its gate, in seconds, it lets all ready ones
#: go at once: the processors are busy, and each in turn would have to wait for one.
LATE_S = 0.001

#: Longest single wait, in seconds; a longer deadline takes several, since poll(2) has 32 bits.
LONGEST_WAIT_S = 3_600.0


class SharedCall:
    """A request that is under way, and its caller.

    :ivar gate: locked until the caller must look again
    :ivar may_go: set once, when `reply` or `error` is set
    """

    __slots__ = ("error", "gate", "id", "may_go", "opened_at", "reply")

    def __init__(self, call_id: bytes) -> None:
        self.id = call_id
        self.gate = threading.Lock()
        self.gate.acquire()
        self.opened_at = 0.0
        self.may_go = False
        self.reply: bytes | None = None
        self.error: zmq.ZMQError | None = None


class SharedConnection:
    """A DEALER socket and the calls under way through it; any thread.

    :param socket: connected with ZMQ_IMMEDIATE, so that nothing is sent without a connection
    :param closing_fd: readable when calls must give up
    :param where: the model, for messages
    :ivar users: number of callers; counted by the requester, which closes it after the last one
    """

    def __init__(self, socket: Socket, closing_fd: int, *, where: str) -> None:
        self.socket = socket
        self.users = 0
        self._where = where
        self._lock = threading.Lock()
        # random, so that no other frame equals an id by chance
        self._prefix = secrets.token_bytes(8)
        self._next_number = count(1).__next__
        self._waiting: dict[bytes, SharedCall] = {}
        self._held_back: dict[SharedCall, bytes] = {}
        self._ready: deque[SharedCall] = deque()
        self._holder: SharedCall | None = None
        self._is_closing = False
        self._polled = [(socket, POLLIN)]
        self._nudge = Wakeup()
        self._closing_fd = closing_fd
        self._poll = select.poll()
        for fd in (int(socket.getsockopt(zmq.FD)), closing_fd, self._nudge.fd):
            self._poll.register(fd, select.POLLIN)

    def ask(self, frame: bytes, deadline: float) -> bytes | None:
        """Send a request and wait for the reply.

        :param deadline: in seconds of `time.monotonic`
        :returns: the reply; None after the deadline
        :raises zmq.Again: it was not sent, since no peer is connected or its queue is full
        :raises ServiceStopped: our own service stops
        """
        call = SharedCall(self._prefix + self._next_number().to_bytes(8, "big"))
        try:
            self._begin(call, frame)
            while not call.may_go and (remaining_s := deadline - monotonic()) > 0:
                if self._is_closing:
                    raise ServiceStopped(
                        f"{self._where}: the service stops, its reply is not waited for"
                    )
                wait_s = min(remaining_s, LONGEST_WAIT_S)
                if self._holder is call:
                    self._lead(wait_s)
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

    def close(self) -> None:
        """Free its own descriptor; after the last caller has left."""
        self._nudge.close()

    def _begin(self, call: SharedCall, frame: bytes) -> None:
        with self._lock:
            self._waiting[call.id] = call
            if self._holder is None:
                self._holder = call
            elif self._holder.may_go:
                self._held_back[call] = frame
                if len(self._held_back) >= MAX_HELD_BACK:
                    self._send_held_back()
                return
            try:
                self._send(call.id, frame)
            finally:
                # also a send that was refused may have eaten the signal that the leader waits for
                if self._holder is not call and zmq_poll(self._polled, 0):
                    self._nudge.set()

    def _send(self, call_id: bytes, frame: bytes) -> None:
        send_frame(self.socket, call_id, NOBLOCK_SNDMORE)
        try:
            send_frame(self.socket, b"", NOBLOCK_SNDMORE)
        except zmq.Again:
            # the peer left in between; libzmq drops the rest of the message, so complete it
            send_frame(self.socket, frame, NOBLOCK)
            raise
        send_frame(self.socket, frame, NOBLOCK)

    def _send_held_back(self) -> None:
        while self._held_back:
            call = next(iter(self._held_back))
            frame = self._held_back.pop(call)
            try:
                self._send(call.id, frame)
            except zmq.ZMQError as error:
                del self._waiting[call.id]
                call.error = error
                self._ready.append(call)

    def _lead(self, wait_s: float) -> None:
        """Wait for replies, and pass on the turn if some came."""
        with self._lock:
            self._send_held_back()
            # messages that came while another call used the socket are not signalled again
            is_all = self._read()
            if self._ready:
                self._pass_on()
                return
            if not is_all:
                return
        # rounded up: waiting zero would be a busy loop
        readable = [fd for fd, _ in self._poll.poll(int(wait_s * 1000) + 1)]
        with self._lock:
            if self._nudge.fd in readable:
                self._nudge.clear()
            self._read()
            if self._closing_fd in readable:
                self._is_closing = True
                for waiting in self._waiting.values():
                    _open(waiting)
            if self._ready:
                self._pass_on()

    def _read(self) -> bool:
        """Read replies.

        :returns: True if none is left
        """
        for _ in range(MAX_READ):
            if not zmq_poll(self._polled, 0):
                return True
            try:
                frames = receive_frames(self.socket)
            except zmq.Again:
                return True
            if 3 <= len(frames) <= MAX_FRAMES and not frames[1]:
                call = self._waiting.get(frames[0])
                if call is not None and call not in self._held_back:
                    del self._waiting[call.id]
                    # a REP socket may send several frames: the last one is the reply
                    call.reply = frames[-1]
                    if call is self._holder:
                        self._ready.appendleft(call)
                    else:
                        self._ready.append(call)
        return False

    def _pass_on(self) -> None:
        """Let the first that is ready go, with the baton; without any, let one lead."""
        if self._ready:
            self._holder = call = self._ready.popleft()
            call.opened_at = monotonic()
            # only now: who may go asks whether it has the baton
            call.may_go = True
            _open(call)
            return
        self._holder = next(iter(self._waiting.values()), None)
        if self._holder is not None:
            _open(self._holder)

    def _leave(self, call: SharedCall) -> None:
        """Forget a call, and pass on the baton if it has it."""
        with self._lock:
            if not call.may_go:
                self._waiting.pop(call.id, None)
                self._held_back.pop(call, None)
                if call in self._ready:
                    self._ready.remove(call)
            if self._holder is call:
                if monotonic() - call.opened_at > LATE_S:
                    while len(self._ready) > 1:
                        other = self._ready.popleft()
                        other.may_go = True
                        _open(other)
                self._pass_on()
            elif self._holder is not None:
                # an interrupt may have come after the baton was passed on, and before this
                _open(self._holder)


def _open(call: SharedCall) -> None:
    """Let a caller look again; its gate may be open still."""
    if call.gate.locked():
        call.gate.release()
