"""One connection for many calls at once, whose callers read it for each other.

Each request carries an id in its envelope, as that of a REQ socket with ZMQ_REQ_CORRELATE does: a
REP or ROUTER socket hands everything back up to the empty frame (ZeroMQ RFC 28). A reply with an id
that nobody waits for is late, and dropped.

No thread belongs to it. While nothing is there to be read, one caller, the leader, waits for
libzmq's descriptor, and the others for their gates. Once there are replies, the leader reads all of
them and opens the first gate; who comes through it opens the next one, so that one thread at a time
runs instead of all of them against each other. What is sent meanwhile waits for the last of them
and leaves at once with one wake-up of libzmq's thread. The last one looks for further replies, and
makes another caller the leader when there are none.
"""

from __future__ import annotations

import secrets
import select
import threading
from collections import deque
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING, Final

import zmq
import zmq.backend
from zmq import zmq_poll

from sf_actors.actors.frames import NOBLOCK, NOBLOCK_SNDMORE, POLLIN, send_frame
from sf_actors.actors.inbox import Wakeup
from sf_actors.errors import ServiceStopped

if TYPE_CHECKING:
    from sf_actors.actors.transport import Socket

#: How many requests wait at most for the last of those who get their replies.
MAX_HELD_BACK = 32

#: How many messages are read at most before the caller looks at its deadline.
MAX_READ = 1_000

#: A caller that needs longer to come through its gate, in seconds, opens all others at once: the
#: processors have other work, and threads that wait for them in turn would wait in vain.
LATE_S = 0.001

#: One wait; a longer deadline takes several, since the kernel counts in 32 bits.
LONGEST_WAIT_S = 3_600.0

# Plain integers and libzmq's own calls: pyzmq's enums and its wrapper cost more than the call.
_RCVMORE: Final = int(zmq.RCVMORE)
_option: Final = zmq.backend.Socket.get
_receive: Final = zmq.backend.Socket.recv


class Call:
    """A request that is under way, and its caller.

    :ivar gate: locked until the caller is to look up
    :ivar opens_next: whether the caller has to open the next gate when it comes through its own
    """

    __slots__ = ("gate", "id", "is_unsent", "opened_at", "opens_next", "reply")

    def __init__(self, call_id: bytes) -> None:
        self.id = call_id
        self.gate = threading.Lock()
        self.gate.acquire()
        self.opened_at = 0.0
        self.opens_next = False
        self.is_unsent = False
        self.reply: bytes | None = None


class SharedConnection:
    """A DEALER socket and the calls that are under way through it; any thread.

    :param socket: connected with ZMQ_IMMEDIATE, so that nothing is sent while nobody is there
    :param closing_fd: readable when calls are to give up
    :param where: the model, for messages
    :ivar users: how many callers have it; counted by the requester, which closes it after the last
    """

    def __init__(self, socket: Socket, closing_fd: int, *, where: str) -> None:
        self.socket = socket
        self.users = 0
        self._where = where
        self._lock = threading.Lock()
        # no frame of a reply begins with it by chance
        self._prefix = secrets.token_bytes(8)
        self._next_number = count(1).__next__
        self._waiting: dict[bytes, Call] = {}
        self._held_back: list[tuple[bytes, bytes]] = []
        self._ready: deque[Call] = deque()
        # there is a leader, or gates are being opened one after the other, or nobody waits
        self._leader: Call | None = None
        self._is_handing_out = False
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
        :returns: the reply; None when the time is over
        :raises zmq.Again: it was not sent: nobody is there, or reads
        :raises ServiceStopped: our own service stops
        """
        call = self._begun(frame)
        try:
            while (remaining_s := deadline - monotonic()) > 0:
                wait_s = min(remaining_s, LONGEST_WAIT_S)
                if self._leader is call:
                    self._lead(call, wait_s)
                elif not call.gate.acquire(timeout=wait_s):
                    continue
                elif call.opens_next:
                    self._open_next(call)
                if call.reply is not None:
                    return call.reply
                if call.is_unsent:
                    raise zmq.Again
                if self._is_closing:
                    raise ServiceStopped(
                        f"{self._where}: the service stops, its reply is not waited for"
                    )
        except BaseException:
            self._withdraw(call)
            raise
        self._withdraw(call)
        return call.reply

    def close(self) -> None:
        """Free the descriptor that is its own; after the last caller has left."""
        self._nudge.close()

    def _begun(self, frame: bytes) -> Call:
        with self._lock:
            call = Call(self._prefix + self._next_number().to_bytes(8, "big"))
            if self._is_handing_out:
                self._held_back.append((call.id, frame))
            else:
                self._send(call.id, frame)
                if self._leader is None:
                    self._leader = call
                elif zmq_poll(self._polled, 0):
                    # to send may have eaten the signal that the leader waits for
                    self._nudge.set()
            self._waiting[call.id] = call
            return call

    def _send(self, call_id: bytes, frame: bytes) -> None:
        # whatever is refused is refused as a whole, with the first frame
        send_frame(self.socket, call_id, NOBLOCK_SNDMORE)
        send_frame(self.socket, b"", NOBLOCK_SNDMORE)
        send_frame(self.socket, frame, NOBLOCK)

    def _lead(self, call: Call, wait_s: float) -> None:
        """Wait for replies, and hand them out if there are some."""
        with self._lock:
            # those that came while somebody used the socket are not signalled again
            is_all = self._read()
            if self._ready:
                self._resign(call)
            if not is_all or self._leader is not call:
                return
        # rounded up: zero would be a busy loop
        readable = [fd for fd, _ in self._poll.poll(int(wait_s * 1000) + 1)]
        with self._lock:
            if self._nudge.fd in readable:
                self._nudge.clear()
            self._read()
            if self._closing_fd in readable:
                self._is_closing = True
                self._ready.extend(self._waiting.values())
                self._waiting.clear()
            if self._ready:
                self._resign(call)

    def _resign(self, call: Call) -> None:
        self._leader = None
        if call in self._ready:
            self._ready.remove(call)
        self._hand_out()

    def _open_next(self, call: Call) -> None:
        with self._lock:
            call.opens_next = False
            if monotonic() - call.opened_at > LATE_S:
                while len(self._ready) > 1:
                    _open(self._ready.popleft())
            self._hand_out()

    def _hand_out(self) -> None:
        """Let the next caller have its reply; without any, let one lead."""
        if self._held_back and (not self._ready or len(self._held_back) >= MAX_HELD_BACK):
            self._send_held_back()
        if not self._ready:
            self._read()
        self._is_handing_out = bool(self._ready)
        if self._ready:
            call = self._ready.popleft()
            call.opens_next = True
            call.opened_at = monotonic()
            _open(call)
        elif self._waiting:
            self._leader = next(iter(self._waiting.values()))
            _open(self._leader)

    def _send_held_back(self) -> None:
        for call_id, frame in self._held_back:
            try:
                self._send(call_id, frame)
            except zmq.Again:
                call = self._waiting.pop(call_id)
                call.is_unsent = True
                self._ready.append(call)
        self._held_back.clear()

    def _read(self) -> bool:
        """Read what is there.

        :returns: whether all of it was read
        """
        for _ in range(MAX_READ):
            if not zmq_poll(self._polled, 0):
                return True
            try:
                self._read_message()
            except zmq.Again:
                return True
        return False

    def _read_message(self) -> None:
        """Read a message; of several frames after the empty one the last is the reply.

        Whether a frame is the last one is asked only where it may be: to ask costs more than to
        read, and where a message ends early, the next one is known by its id.
        """
        call: Call | None = None
        is_delimited = False
        while True:
            frame = _receive(self.socket, NOBLOCK)
            if frame.startswith(self._prefix):
                call, is_delimited = self._waiting.get(frame), False
            elif frame or is_delimited or call is None:
                break
            else:
                is_delimited = True
        while _option(self.socket, _RCVMORE):
            frame = _receive(self.socket, NOBLOCK)
        if call is not None and is_delimited:
            del self._waiting[call.id]
            call.reply = frame
            self._ready.append(call)

    def _withdraw(self, call: Call) -> None:
        """Forget a call whose time is over, and let another do what it had to do."""
        with self._lock:
            self._waiting.pop(call.id, None)
            self._held_back = [held for held in self._held_back if held[0] != call.id]
            if call in self._ready:
                self._ready.remove(call)
            if self._leader is call:
                self._leader = None
                self._hand_out()
            elif call.opens_next:
                call.opens_next = False
                self._hand_out()


def _open(call: Call) -> None:
    """Let a caller look up; its gate is open still if it looked up before it had come to wait."""
    if call.gate.locked():
        call.gate.release()
