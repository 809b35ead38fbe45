"""A publisher of one message, standing in for a service's own at an address."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, Self

import zmq

from sf_actors.errors import AddressError, BindError, TargetError
from sf_actors.inspection.client import packed_or_refused
from sf_actors.sockets.bind_problems import bind_message
from sf_actors.sockets.endpoint import parse
from sf_actors.sync.seconds import poll_ms
from sf_actors.wire.topic import pack

if TYPE_CHECKING:
    from types import TracebackType

    from sf_actors.sockets.endpoint import Endpoint

#: How long the message may take to leave, in seconds.
LEAVING_S = 2.0

_SUBSCRIBED = 1


class BarePublisher:
    """A publishing socket at an address; closed by `with`.

    :param address: `host:port` or `tcp://…`, `ipc://…`
    :param topic: of its messages
    :param binds: True to bind the address, False to connect to a subscriber that binds it
    :raises AddressError: it is not an address
    :raises BindError: the address is taken
    """

    def __init__(self, address: str, topic: str | None, *, binds: bool = True) -> None:
        endpoint = parse(address, where="--address")
        self._topic = pack(topic)
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.XPUB)
        self._socket.linger = int(LEAVING_S * 1000)
        self.address = str(endpoint)
        if not binds:
            self._connect(endpoint)
            return
        try:
            resolved = endpoint.bindable()
            self._socket.setsockopt(zmq.IPV6, int(resolved.is_ipv6))
            self._socket.bind(resolved.zmq_endpoint)
        except (zmq.ZMQError, OSError) as error:
            self.close()
            raise BindError(bind_message("--address", endpoint, error)) from None
        self.address = endpoint.as_bound(self._socket.getsockopt_string(zmq.LAST_ENDPOINT))

    def _connect(self, endpoint: Endpoint) -> None:
        """Connect to a subscriber that is bound there, now or soon.

        :raises AddressError: libzmq refuses the address
        """
        try:
            self._socket.setsockopt(zmq.IPV6, 1)
            self._socket.connect(endpoint.zmq_endpoint)
        except zmq.ZMQError as error:
            self.close()
            raise AddressError(f"--address: cannot connect to {endpoint}: {error}") from None

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
        """Close the socket after sending what is queued."""
        self._socket.close()
        self._context.term()

    def publish(self, fields: dict[str, Any], *, wait_s: float) -> None:
        """Wait for a subscriber, then send a message.

        :param wait_s: how long to wait for that, in seconds
        :raises TargetError: nobody has subscribed in time
        :raises UsageError: MessagePack cannot hold a field
        """
        message = self._topic + packed_or_refused({"args": fields, "workflow_id": None})
        deadline = monotonic() + wait_s
        while (left := deadline - monotonic()) > 0:
            if self._socket.poll(poll_ms(left)):
                change = self._socket.recv()
                if change[:1] == bytes([_SUBSCRIBED]) and self._topic.startswith(change[1:]):
                    self._socket.send(message)
                    return
        raise TargetError(f"{self.address}: nobody has subscribed within {wait_s:g} s")
