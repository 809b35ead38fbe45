"""Reads one stream that an inspector's `tap` has opened; one thread."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import msgspec
import zmq

from sf_actors.sync.seconds import poll_ms

if TYPE_CHECKING:
    from types import TracebackType


class StreamLost(Exception):
    """The stream has ended: its service has stopped, or its process is gone."""


class StreamRecord(NamedTuple):
    """A record of the stream, and its size in bytes."""

    fields: dict[str, Any]
    size: int


class StreamReader:
    """The connection to a stream; closed by `with`.

    :param address: from the answer to `tap`
    """

    def __init__(self, address: str) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        self._socket.linger = 0
        # after its end, no other stream appears at its address
        self._socket.reconnect_ivl = -1
        self._socket.subscribe(b"")
        ended = zmq.EVENT_DISCONNECTED | zmq.EVENT_CLOSED | zmq.EVENT_CONNECT_RETRIED
        self._events = self._socket.get_monitor_socket(ended)
        self._socket.connect(address)
        self._poller = zmq.Poller()
        self._poller.register(self._socket, zmq.POLLIN)
        self._poller.register(self._events, zmq.POLLIN)
        self._output: int | None = None
        #: True once a record has come
        self.has_begun = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._socket.disable_monitor()
        self._events.close(0)
        self._socket.close(0)
        self._context.term()

    def end_with(self, output: int) -> None:
        """Have `next` raise BrokenPipeError once the reader of a descriptor of ours is gone."""
        self._output = output
        self._poller.register(output, zmq.POLLERR)

    def next(self, until: float | None) -> StreamRecord | None:
        """Return the next record, None at the timeout.

        :param until: of the monotonic clock; None: no timeout
        :raises StreamLost: the stream has ended, and all records were returned
        :raises BrokenPipeError: see `end_with`
        """
        while True:
            try:
                frame = self._socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                pass
            else:
                self.has_begun = True
                return StreamRecord(msgspec.msgpack.decode(frame), len(frame))
            left_s = None if until is None else until - monotonic()
            if left_s is not None and left_s <= 0:
                return None
            ready = dict(self._poller.poll(None if left_s is None else poll_ms(left_s)))
            if self._output is not None and self._output in ready:
                raise BrokenPipeError
            if self._events in ready and self._socket not in ready:
                raise StreamLost


def patched(value: Any, patch: Any) -> Any:
    """Return a value with a merge patch applied (RFC 7396); neither is changed."""
    if not isinstance(patch, dict):
        return patch
    found = dict(value) if isinstance(value, dict) else {}
    for key, item in patch.items():
        if item is None:
            found.pop(key, None)
        else:
            found[key] = patched(found.get(key), item)
    return found
