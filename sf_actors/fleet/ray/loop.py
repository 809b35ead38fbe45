"""A thread that waits for descriptors and for calls from other threads."""

from __future__ import annotations

import socket
import threading
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from selectors import EVENT_READ, DefaultSelector
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Loop:
    """Calls the callables registered in its selector, without arguments, and those that are posted.

    :param name: of its thread, a daemon
    """

    def __init__(self, name: str) -> None:
        self.selector = DefaultSelector()
        self._posted: deque[Callable[[], None]] = deque()
        self._is_over = False
        self._waking, self._woken = socket.socketpair()
        self._waking.setblocking(False)
        self.selector.register(self._woken, EVENT_READ, lambda: self._woken.recv(4096))
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def post(self, call: Callable[[], None]) -> None:
        """Have the loop's thread call a function; any thread."""
        self._posted.append(call)
        with suppress(BlockingIOError):
            # if the socket is full, the loop is awake anyway
            self._waking.send(b"\0")

    def call(self, function: Callable[[], T], wait_s: float = 10.0) -> T:
        """Have the loop's thread call a function, and return the result; any other thread.

        :raises TimeoutError: it did not return in time
        """
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(function())
            except BaseException as error:  # noqa: BLE001 - raised where it is waited for
                future.set_exception(error)

        self.post(run)
        return future.result(wait_s)

    def end(self) -> None:
        """End its thread; the selector stays open."""
        self.post(self._end)
        self._thread.join()
        self.selector.unregister(self._woken)
        for one in (self._waking, self._woken):
            one.close()

    def _end(self) -> None:
        self._is_over = True

    def _run(self) -> None:
        while not self._is_over:
            while self._posted:
                self._posted.popleft()()
            for key, _ in self.selector.select(0 if self._is_over else None):
                if key.fileobj in self.selector.get_map():
                    key.data()
