"""The socket that HTTP clients connect to, and a thread for each of them."""

from __future__ import annotations

import select
import socket
import threading
from time import monotonic
from typing import TYPE_CHECKING, Final

from sf_actors.errors import AddressError, BindError
from sf_actors.inspection.http.connection import HttpConnection
from sf_actors.sockets.endpoint import parse
from sf_actors.sync.locks import new_lock
from sf_actors.sync.wakeup import Wakeup
from sf_actors.wording import reason_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from sf_actors.inspection.http.answer import Answer
    from sf_actors.inspection.http.request import Request

#: The most connections at once; a further one closes the oldest unfinished one.
MOST: Final = 64

#: How long to wait when no descriptor or thread is available, in seconds.
_SHORTAGE_S: Final = 0.1
#: How long connections may take to end after they were shut down, in seconds.
_ENDING_S: Final = 5.0


class Listener:
    """Answers HTTP at one address until `close`; any thread.

    :param address: `HOST:PORT`; port 0 takes a free one
    :param answer: returns the answer to a request; called in several threads at once
    :param hosts: the host names that we accept, besides localhost and IP addresses
    :param where: the place of the address, for messages
    :raises AddressError: the address is not valid
    :raises BindError: it cannot be bound
    :ivar address: the address with the actual port
    """

    def __init__(
        self,
        address: str,
        answer: Callable[[Request], Answer],
        *,
        hosts: Collection[str] = (),
        where: str = "http",
    ) -> None:
        self._answer = answer
        self._hosts = frozenset(host.lower() for host in hosts)
        self._socket, self.address = _bound(address, where)
        self._lock = new_lock()
        #: the oldest first
        self._connections: dict[HttpConnection, threading.Thread] = {}
        self._is_closed = False
        self._wakeup = Wakeup()
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            self._free()
            raise

    def __repr__(self) -> str:
        return f"<Listener {self.address}>"

    def close(self) -> None:
        """Accept no more connections, and end the open ones; may be called twice."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            threads = list(self._connections.values())
            for one in self._connections:
                one.abort()
        self._wakeup.set()
        until = monotonic() + _ENDING_S
        for thread in (self._thread, *threads):
            if thread is not threading.current_thread():
                thread.join(max(0.0, until - monotonic()))

    def forget(self) -> None:
        """Free the copied descriptors, in the child of a fork, which has none of the threads."""
        self._lock = new_lock()
        for one in self._connections:
            one.close()
        self._connections = {}
        if not self._is_closed:
            self._is_closed = True
            self._free()

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        poll.register(self._wakeup.fd, select.POLLIN)
        while True:
            poll.poll()
            if self._is_closed:
                break
            try:
                connection, _ = self._socket.accept()
            except (BlockingIOError, ConnectionError):
                continue
            except OSError:
                self._wait_for_room()
                continue
            self._admit(connection)
        self._free()

    def _admit(self, connection: socket.socket) -> None:
        one = HttpConnection(connection, self._answer, self._hosts)
        thread = threading.Thread(target=self._serve, args=(one,), name="http request", daemon=True)
        with self._lock:
            if self._is_closed:
                connection.close()
                return
            if len(self._connections) >= MOST:
                next(iter(self._connections)).abort()
                del self._connections[next(iter(self._connections))]
            self._connections[one] = thread
        try:
            thread.start()
        except RuntimeError:
            # no thread can be started
            self._end(one)

    def _serve(self, one: HttpConnection) -> None:
        try:
            one.run()
        finally:
            self._end(one)

    def _end(self, one: HttpConnection) -> None:
        with self._lock:
            self._connections.pop(one, None)
            one.close()

    def _wait_for_room(self) -> None:
        """Close the oldest connection, since no descriptor is left for another one."""
        with self._lock:
            for one in list(self._connections)[:1]:
                one.abort()
        poll = select.poll()
        poll.register(self._wakeup.fd, select.POLLIN)
        poll.poll(_SHORTAGE_S * 1000)

    def _free(self) -> None:
        self._socket.close()
        self._wakeup.close()


def _bound(address: str, where: str) -> tuple[socket.socket, str]:
    endpoint = parse(address, where=where)
    if endpoint.scheme != "tcp":
        raise AddressError(f"{where}: expected HOST:PORT, got {address!r}")
    host = endpoint.bindable().host
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setblocking(False)
        made.bind(("" if host == "*" else host, endpoint.port))
        made.listen(2 * MOST)
    except OSError as error:
        made.close()
        raise BindError(f"{where}: cannot listen at {address!r}: {reason_of(error)}") from None
    return made, endpoint.as_bound(f"tcp://{host}:{made.getsockname()[1]}")
