"""A shared connection to a bare ROUTER socket, and what tests need to take part in it."""

from __future__ import annotations

import queue
import threading
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any

import zmq

from sf_actors import ServiceStopped
from sf_actors.connections.shared_connection import SharedCall, SharedConnection
from sf_actors.sync.wakeup import Wakeup
from tests.support.bare_sockets import PATIENCE_MS, bare
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.bare_sockets import Socket

#: The timeout of a call that is to end in none, in seconds.
SHORT_S = 0.05


class Shared:
    """A shared connection to a bare ROUTER socket, and callers in threads of their own."""

    def __init__(self, connection: SharedConnection, router: Socket, closing: Wakeup) -> None:
        self.connection = connection
        self.router = router
        self.closing = closing
        self.outcomes: queue.Queue[tuple[bytes, Any]] = queue.Queue()
        self.threads: list[threading.Thread] = []

    def ask(self, frame: bytes, timeout_s: float = PATIENCE_S) -> bytes | None:
        return self.connection.ask(frame, monotonic() + timeout_s)

    def start(self, frame: bytes, timeout_s: float = PATIENCE_S) -> None:
        """Ask in a thread; what comes of it goes to `outcomes`."""

        def call() -> None:
            try:
                self.outcomes.put((frame, self.ask(frame, timeout_s)))
            except (zmq.ZMQError, ServiceStopped) as error:
                self.outcomes.put((frame, type(error)))

        self.threads.append(threading.Thread(target=call))
        self.threads[-1].start()

    def begin(self, frame: bytes) -> SharedCall:
        """Begin a call in this thread, which then has the baton, and does not wait for it."""
        call = SharedCall(b"it")
        self.connection._begin(call, frame)
        return call

    def received(self, count: int) -> list[list[bytes]]:
        return [self.router.recv_multipart() for _ in range(count)]

    def outcome(self, count: int) -> dict[bytes, Any]:
        return dict(self.outcomes.get(timeout=PATIENCE_S) for _ in range(count))


@contextmanager
def sharing(address: str) -> Iterator[Shared]:
    closing = Wakeup()
    with bare(zmq.ROUTER, bind=address) as router, bare(zmq.DEALER) as dealer:
        dealer.immediate = True
        dealer.connect(address)
        assert dealer.poll(PATIENCE_MS, zmq.POLLOUT)
        connection = SharedConnection(dealer, closing.fd, where="here")
        shared = Shared(connection, router, closing)
        try:
            yield shared
        finally:
            for thread in shared.threads:
                thread.join(PATIENCE_S)
            connection.close()
            closing.close()
        assert not connection._waiting
        assert not connection._ready
        assert not connection._held_back
        assert connection._holder is None


def on_its_way(connection: SharedConnection) -> SharedCall:
    """Return a call that has its reply and the baton, and does not leave by itself."""
    call = SharedCall(b"on its way")
    call.may_go = True
    call.opened_at = monotonic()
    connection._holder = call
    return call
