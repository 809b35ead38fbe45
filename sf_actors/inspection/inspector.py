"""The inspector: the actor that answers questions about all services of its process.

Its thread only waits at its sockets. It reads the answers from the objects of the services, without
taking any lock that is held while user code runs.
"""

from __future__ import annotations

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
from sf_actors.errors import MessageError, ServiceStopped
from sf_actors.inspection.deadlines import Deadlines
from sf_actors.inspection.folder import STREAM_SUFFIX, new_path
from sf_actors.inspection.socket_file import SocketFile
from sf_actors.log import package_logger
from sf_actors.sockets.endpoint import parse
from sf_actors.sockets.frames import BATCH, receive_frames, split_request
from sf_actors.sockets.thread_limit import is_no_thread_left, no_thread_left
from sf_actors.sockets.transport import Transport
from sf_actors.sync.event import LightEvent
from sf_actors.wire.envelope import decode_request

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

    from sf_actors.inspection.answers import Answers
    from sf_actors.inspection.question import Send
    from sf_actors.inspection.remote_socket import RemoteSocket
    from sf_actors.sockets.frames import Socket
    from sf_actors.wire.messages import Request

#: The size of the largest accepted frame, in bytes.
MAX_FRAME_BYTES = 2**20

#: How many answers may be queued for one client; further ones are dropped.
ANSWERS_QUEUED = 1_000

#: How many records of a stream may be queued in its socket for a slow reader.
RECORDS_QUEUED = 100

#: How many faults of its own it survives.
MAX_FAULTS = 10

#: The interpreter's switch interval while an answer is computed, in seconds.
TURN_S = 0.0002

#: Creation arguments, as in a model; the transport accepts twice `max_message_bytes`.
_CREATION = {
    "high_water_mark": ANSWERS_QUEUED,
    "max_message_bytes": MAX_FRAME_BYTES // 2,
    "topic": None,
}


class ListenRemotely:
    """A message: listen for other machines as well; the sender waits for `is_done`.

    :param address: `tcp://HOST:PORT`
    :param keys: the folder with our pair and `authorized/`
    :ivar bound_to: the actual address, or None, and then `error` says why
    """

    def __init__(self, address: str, keys: str | os.PathLike[str] | None) -> None:
        self.address = address
        self.keys = keys
        self.is_done = LightEvent()
        self.bound_to: str | None = None
        self.error: BaseException | None = None


class Opening:
    """The start of an inspector, seen by the one who started it; any thread.

    :ivar has_opened: set when its socket is open, or `error` says why not
    :ivar thread: the inspector's thread
    """

    def __init__(self) -> None:
        self.has_opened = LightEvent()
        self.error: BaseException | None = None
        self.thread: threading.Thread | None = None


class Inspector(Actor):
    """Reads questions and answers them; its hooks run in its own thread.

    :param file: the file of the socket where it listens
    :param opening: set once its socket is open, or once it cannot be
    """

    inbox_type = SocketInbox

    def __init__(self, file: SocketFile, opening: Opening) -> None:
        super().__init__()
        self._opening = opening
        self._file = file
        self._socket: Socket | None = None
        #: the sockets for other machines
        self._remote_sockets: list[RemoteSocket] = []
        self._inbox = cast("SocketInbox", self.actor_inbox)
        self._transport: Transport | None = None
        self._sources: list[SocketSource] = []
        self._deadlines = Deadlines()
        self._dropped = 0
        self._faults = 0
        self._streams: dict[Socket, tuple[SocketSource, SocketFile]] = {}
        #: created at the first question: its imports take longer than all others
        self._answers: Answers | None = None

    def not_started(self, error: RuntimeError) -> None:
        """Report that no thread could be started."""
        self._opening.error = no_thread_left("the inspector") if is_no_thread_left(error) else error
        self._opening.has_opened.set()

    def on_start(self) -> None:
        """Open the socket, and start reading."""
        thread = self._opening.thread = threading.current_thread()
        thread.name = "sf_actors/inspector"
        try:
            self._transport = Transport(name="the inspector")
            self._open(self._transport)
        except BaseException as error:  # noqa: BLE001 - passed to the waiting thread
            self._opening.error = error
            self.stop()
        finally:
            self._opening.has_opened.set()

    def on_receive(self, message: Any) -> None:
        """Handle a message of the inbox."""
        with _short_turns():
            self._take(message)
        self._inbox.deadline = self._deadlines.next_at

    def _take(self, message: Any) -> None:
        try:
            if type(message) is SocketSource:
                if message.take is None:
                    self._read(message)
                else:
                    message.take(message)
            elif message is TICK:
                self._deadlines.act(monotonic())
            elif type(message) is WaitFailed:
                raise message.error
            elif type(message) is ListenRemotely:
                self._listen_remotely(message)
            elif self._answers is not None:
                self._answers.go_on(message)
        except BaseException as error:  # noqa: BLE001 - pykka would stop the actors of all services
            package_logger().exception("the inspector failed", error=summary(error))
            self._faults += 1
            if self._faults > MAX_FAULTS:
                # the fault keeps coming back
                self.stop()

    def _tell(self, message: object) -> None:
        """Send a message to this actor; any thread."""
        with suppress(pykka.ActorDeadError):
            self.actor_ref.tell(message)

    def on_stop(self) -> None:
        """Close the sockets and remove the files."""
        if self._answers is not None:
            self._answers.close()
        for source in self._sources:
            self._inbox.forget(source)
        if self._transport is not None and self._socket is not None:
            self._transport.close(self._socket, linger_ms=0)
        if self._transport is not None:
            self._transport.shut(lambda: None)
        for remote in self._remote_sockets:
            remote.close()
        self._file.close()
        self._inbox.close()

    def _open(self, transport: Transport) -> None:
        endpoint = parse(f"ipc://{self._file.path}", where="the inspector")
        self._socket, _ = transport.bound(
            zmq.ROUTER,
            endpoint,
            _CREATION,
            where="the inspector",
            listener_fd=self._file.fd,
        )
        self._file.is_taken = True
        self._watch(self._socket)

    def _watch(self, socket: Socket) -> None:
        source = SocketSource(socket)
        self._sources.append(source)
        self._inbox.watch(source)

    def _listen_remotely(self, message: ListenRemotely) -> None:
        from sf_actors.inspection.remote_socket import RemoteSocket  # noqa: PLC0415 - seldom used

        try:
            remote = RemoteSocket(message.address, message.keys, _CREATION)
            self._remote_sockets.append(remote)
            self._watch(remote.socket)
            message.bound_to = remote.address
        except BaseException as error:  # noqa: BLE001 - passed to the waiting thread
            message.error = error
        finally:
            message.is_done.set()

    def open_stream(self, name: str, read: Callable[[], None]) -> tuple[Socket, str]:
        """Return a publishing socket and its address.

        :param name: the name of the service, for the file
        :param read: called when the socket may be readable
        :raises UserError: the socket cannot be opened
        """
        if self._transport is None:
            raise ServiceStopped("the inspector ends")
        file = SocketFile(new_path(self._file.path.parent, name, STREAM_SUFFIX))
        try:
            socket, address = self._transport.bound(
                zmq.XPUB,
                parse(f"ipc://{file.path}", where="the inspector"),
                _CREATION | {"high_water_mark": RECORDS_QUEUED},
                where="the inspector",
                listener_fd=file.fd,
            )
        except BaseException:
            file.close()
            raise
        file.is_taken = True
        # raise when the queue is full, so that drops can be counted
        socket.setsockopt(zmq.XPUB_NODROP, 1)

        def take(source: SocketSource) -> None:
            read()
            source.drained()

        source = SocketSource(socket, take=take)
        self._streams[socket] = source, file
        self._inbox.watch(source)
        return socket, address

    def close_stream(self, socket: Socket) -> None:
        """Close a stream's socket, and remove its file."""
        source, file = self._streams.pop(socket)
        self._inbox.forget(source)
        if self._transport is not None:
            self._transport.close(socket, linger_ms=0)
        file.close()

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
            route = _Route(source.socket, address)
            self._take_request(request, route.send)

    def _take_request(self, request: Request, send: Send) -> None:
        from sf_actors.inspection.answers import Answers  # noqa: PLC0415 - see `_answers`
        from sf_actors.inspection.question import OpenQuestion  # noqa: PLC0415

        if self._answers is None:
            self._answers = Answers(self._tell, self._deadlines, self)
        self._answers.dropped = self._dropped
        self._answers.take(OpenQuestion(request.args, request.workflow_id, send))


@contextmanager
def _short_turns() -> Iterator[None]:
    """Shorten the switch interval in the block, to get the GIL back soon after each system call.

    A handler that is stuck in a loop holds the GIL for the whole interval each time, and an answer
    makes many system calls.
    """
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(min(interval_s, TURN_S))
    try:
        yield
    finally:
        sys.setswitchinterval(interval_s)


class _Route:
    """The route back to a client, however late; in the inspector's thread."""

    def __init__(self, socket: Socket, address: list[bytes]) -> None:
        self._socket = socket
        self._address = address

    def send(self, answer: bytes) -> None:
        """Send an answer; dropped if the client is gone or its queue is full."""
        if not self._socket.closed:
            try:
                self._socket.send_multipart([*self._address, answer], zmq.NOBLOCK)
            except zmq.ZMQError:
                return
