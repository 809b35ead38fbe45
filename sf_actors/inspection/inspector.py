"""The inspector: the actor that answers for all services of its process.

Its thread waits at its socket and does nothing else; what it is asked it reads from the objects of
the services, without any lock that is held while user code runs.
"""

from __future__ import annotations

import os
import stat
import sys
import threading
from contextlib import contextmanager, suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

import pykka
import zmq

from sf_actors.actors.inbox import TICK, SocketInbox, SocketSource, WaitFailed
from sf_actors.actors.pykka_actor import Actor
from sf_actors.counters import summary
from sf_actors.errors import MessageError
from sf_actors.inspection.deadlines import Deadlines
from sf_actors.inspection.folder import listening
from sf_actors.log import package_logger
from sf_actors.sockets.endpoint import parse
from sf_actors.sockets.frames import BATCH, receive_frames, split_request
from sf_actors.sockets.thread_limit import is_no_thread_left, no_thread_left
from sf_actors.sockets.transport import Transport
from sf_actors.sync.event import LightEvent
from sf_actors.sync.forks import FORKS
from sf_actors.wire.envelope import decode_request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sf_actors.inspection.answers import Answers
    from sf_actors.inspection.question import Send
    from sf_actors.sockets.frames import Socket
    from sf_actors.wire.messages import Request

#: Frames above this are not taken, in bytes.
MAX_FRAME_BYTES = 2**20

#: Answers that may wait for one asker; further ones are dropped.
ANSWERS_QUEUED = 16

#: How long another thread may keep the interpreter while an answer is made, in seconds.
TURN_S = 0.0002

#: As of a model: the transport takes twice `max_message_bytes`.
_CREATION = {
    "high_water_mark": ANSWERS_QUEUED,
    "max_message_bytes": MAX_FRAME_BYTES // 2,
    "topic": None,
}


class Door:
    """The file of a socket that listens, and its descriptor until ZeroMQ has it.

    In the child of a fork the descriptor is closed: else a socket of a parent that was killed would
    go on taking connections that nobody answers.

    :param path: where it listens
    :raises UsageError: it cannot
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fd = listening(path).detach()
        #: set once a socket of ZeroMQ closes the descriptor
        self.is_taken = False
        self._inode = os.fstat(self.fd).st_ino
        self._forks = FORKS.count

    def forget(self) -> None:
        """Close the copy of the descriptor, in the child of a fork."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            found = os.fstat(fd)
            if stat.S_ISSOCK(found.st_mode) and found.st_ino == self._inode:
                os.close(fd)

    def close(self) -> None:
        """Take the file away, unless it is a parent's, and the descriptor, unless it is taken."""
        fd, self.fd = self.fd, -1
        if FORKS.count == self._forks:
            self.path.unlink(missing_ok=True)
            if fd >= 0 and not self.is_taken:
                os.close(fd)


class Life:
    """How an inspector fares, for who has started it; any thread.

    :ivar has_opened: set when its socket is open, or `error` says why not
    :ivar thread: where it runs
    """

    def __init__(self) -> None:
        self.has_opened = LightEvent()
        self.error: BaseException | None = None
        self.thread: threading.Thread | None = None


class Inspector(Actor):
    """Reads questions and answers them; its hooks run in its own thread.

    :param door: where it listens
    :param life: is told how it fares
    """

    inbox_type = SocketInbox

    def __init__(self, door: Door, life: Life) -> None:
        super().__init__()
        self._life = life
        self._door = door
        self._inbox = cast("SocketInbox", self.actor_inbox)
        self._transport: Transport | None = None
        self._sources: list[SocketSource] = []
        self._deadlines = Deadlines()
        self._dropped = 0
        #: there when somebody asks first: it takes more than all the rest to import
        self._answers: Answers | None = None

    def not_started(self, error: RuntimeError) -> None:
        """Tell that the system has no thread left."""
        self._life.error = no_thread_left("the inspector") if is_no_thread_left(error) else error
        self._life.has_opened.set()

    def on_start(self) -> None:
        """Open the socket, and read from now on."""
        thread = self._life.thread = threading.current_thread()
        thread.name = "sf_actors/inspector"
        try:
            self._transport = Transport(name="the inspector")
            self._open(self._transport)
        except BaseException as error:  # noqa: BLE001 - told to who waits
            self._life.error = error
            self.stop()
        finally:
            self._life.has_opened.set()

    def on_receive(self, message: Any) -> None:
        """Read what is there."""
        with _short_turns():
            self._take(message)
        self._inbox.deadline = self._deadlines.next_at

    def _take(self, message: Any) -> None:
        try:
            if type(message) is SocketSource:
                self._read(message)
            elif message is TICK:
                self._deadlines.act(monotonic())
            elif type(message) is WaitFailed:
                raise message.error
            elif self._answers is not None:
                self._answers.go_on(message)
        except BaseException as error:  # noqa: BLE001 - pykka would stop the actors of all services
            package_logger().exception("the inspector failed", error=summary(error))
            self.stop()

    def _tell(self, message: object) -> None:
        """Bring a message here; any thread."""
        with suppress(pykka.ActorDeadError):
            self.actor_ref.tell(message)

    def on_stop(self) -> None:
        """Close the sockets and take the file away."""
        for source in self._sources:
            self._inbox.forget(source)
            if self._transport is not None:
                self._transport.close(source.socket, linger_ms=0)
        self._sources.clear()
        if self._transport is not None:
            self._transport.shut(lambda: None)
        self._door.close()
        self._inbox.close()

    def _open(self, transport: Transport) -> None:
        endpoint = parse(f"ipc://{self._door.path}", where="the inspector")
        socket, _ = transport.bound(
            zmq.ROUTER,
            endpoint,
            _CREATION,
            where="the inspector",
            listener_fd=self._door.fd,
        )
        self._door.is_taken = True
        source = SocketSource(socket)
        self._sources.append(source)
        self._inbox.watch(source)

    def _read(self, source: SocketSource) -> None:
        for _ in range(BATCH):
            try:
                frames = receive_frames(source.socket, 1)
            except zmq.Again:
                source.drained()
                return
            try:
                address, payload = split_request(frames)
                request = decode_request(payload)
            except MessageError:
                self._dropped += 1
                continue
            way = _Way(source.socket, address)
            self._take_request(request, way.send)

    def _take_request(self, request: Request, send: Send) -> None:
        from sf_actors.inspection.answers import Answers  # noqa: PLC0415 - see `_answers`
        from sf_actors.inspection.question import Question  # noqa: PLC0415

        if self._answers is None:
            self._answers = Answers(self._tell, self._deadlines)
        self._answers.dropped = self._dropped
        self._answers.take(Question(request.args, request.workflow_id, send))


@contextmanager
def _short_turns() -> Iterator[None]:
    """Get the interpreter back soon in this block, each time that the system is asked something.

    A handler that is stuck in a loop keeps it for the whole interval, and an answer asks the system
    for many things.
    """
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(min(interval_s, TURN_S))
    try:
        yield
    finally:
        sys.setswitchinterval(interval_s)


class _Way:
    """Leads back to who asked, however late; for the inspector's thread."""

    def __init__(self, socket: Socket, address: list[bytes]) -> None:
        self._socket = socket
        self._address = address

    def send(self, answer: bytes) -> None:
        """Send an answer; who is gone, or reads none of those before, does not get it."""
        if not self._socket.closed:
            try:
                self._socket.send_multipart([*self._address, answer], zmq.NOBLOCK)
            except zmq.ZMQError:
                return
