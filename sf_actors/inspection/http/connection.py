"""One connection: reads a request, answers it, and closes the connection."""

from __future__ import annotations

import select
import socket
from time import monotonic
from typing import TYPE_CHECKING, Final

from sf_actors.inspection.http.answer import Answer
from sf_actors.inspection.http.request import END, MAX_HEAD, Rejection, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from sf_actors.inspection.http.request import Request

#: How long sending the request, and then reading the answer, may take, in seconds.
REQUEST_S: Final = 5.0
ANSWER_S: Final = 5.0

#: The most bytes after the request that are read and discarded.
MAX_REST: Final = 1024 * 1024


class HttpConnection:
    """One connection, in a thread of its own.

    :param answer: returns the answer to a request
    :param hosts: the host names that we accept
    """

    def __init__(
        self,
        connection: socket.socket,
        answer: Callable[[Request], Answer],
        hosts: Collection[str],
    ) -> None:
        self._socket = connection
        self._answer = answer
        self._hosts = hosts
        self._until = monotonic() + REQUEST_S

    def run(self) -> None:
        """Serve the connection; errors of the client end it."""
        try:
            self._serve()
        except OSError:
            # the client is gone or too slow, or the listener has closed the connection
            return

    def abort(self) -> None:
        """Shut the connection down; any thread, but not after `close`."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            # the client has closed it already
            return

    def close(self) -> None:
        """Free the descriptor."""
        self._socket.close()

    def _serve(self) -> None:
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        request: Request | None = None
        try:
            request = parse(self._read_head(), self._hosts)
            answer = self._answered(request)
        except Rejection as rejection:
            answer = Answer.text(str(rejection), status=rejection.status)
            if rejection.status == 405:
                answer = Answer.text(str(rejection), status=405, headers={"Allow": "GET, HEAD"})
        except TimeoutError:
            answer = Answer.text("the request took too long", status=408)
        self._until = monotonic() + ANSWER_S
        has_body = request is None or not request.is_head
        if answer.stream is None or not has_body:
            self._send(answer.head() + (answer.body if has_body else b""))
        else:
            self._send(answer.head())
            answer.stream(_Writer(self._socket))
            self._until = monotonic() + ANSWER_S
        self._see_off()

    def _answered(self, request: Request) -> Answer:
        try:
            return self._answer(request)
        except Exception as error:  # noqa: BLE001 - any error becomes an answer
            # imported here: the web page's server otherwise needs no logging
            from sf_actors.log import package_logger  # noqa: PLC0415

            package_logger().error("a request failed", path=request.path, exc_info=error)
            return Answer.text(f"it failed: {type(error).__name__}", status=500)

    def _read_head(self) -> bytes:
        """Return the bytes before the first empty line.

        :raises Rejection: they are too many
        :raises TimeoutError: reading them takes too long
        :raises OSError: the client is gone
        """
        head = b""
        while True:
            place = head.find(END)
            if max(place, len(head) - len(END) if place < 0 else 0) > MAX_HEAD:
                raise Rejection(431, f"expected at most {MAX_HEAD} bytes before the empty line")
            if place >= 0:
                return head[:place]
            piece = self._receive()
            if not piece:
                raise ConnectionError("it ended within the request")
            # skip an empty line before the request
            head = (head + piece).removeprefix(b"\r\n") if len(head) < 4 else head + piece

    def _receive(self) -> bytes:
        self._socket.settimeout(_left(self._until))
        return self._socket.recv(MAX_HEAD)

    def _send(self, whole: bytes) -> None:
        rest = memoryview(whole)
        while rest:
            self._socket.settimeout(_left(self._until))
            rest = rest[self._socket.send(rest) :]

    def _see_off(self) -> None:
        """Close our side, and wait until the client has read everything and closes its side.

        Closing while the client still sends would reset the connection and lose the answer.
        """
        self._socket.shutdown(socket.SHUT_WR)
        thrown_away = 0
        while thrown_away < MAX_REST and (piece := self._receive()):
            thrown_away += len(piece)


class _Writer:
    """Sends the pieces of a stream, and notices when nobody reads them."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._poll = select.poll()
        self._poll.register(connection, select.POLLIN)

    def __call__(self, piece: bytes) -> bool:
        """Send a piece; returns False once the reader is gone or too slow."""
        until = monotonic() + ANSWER_S
        rest = memoryview(piece)
        try:
            while rest:
                self._socket.settimeout(_left(until))
                rest = rest[self._socket.send(rest) :]
        except OSError:
            return False
        return True

    def wait(self, seconds: float) -> bool:
        """Wait; returns False as soon as the reader is gone or the listener is closed."""
        until = monotonic() + seconds
        while (left := until - monotonic()) > 0:
            if self._poll.poll(left * 1000):
                try:
                    if not self._socket.recv(MAX_HEAD):
                        return False
                except OSError:
                    return False
        return True


def _left(until: float) -> float:
    """Return how many seconds are left.

    :raises TimeoutError: no time is left
    """
    left = until - monotonic()
    if left <= 0:
        raise TimeoutError
    return left
