"""The inspector's socket for other machines: a TCP socket for clients with authorized keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import zmq

from sf_actors.actors.authenticator import Authenticator
from sf_actors.actors.run_context import RunContext
from sf_actors.counters import summary
from sf_actors.errors import BindError, UsageError
from sf_actors.log import package_logger
from sf_actors.log.scope import NOT_A_SERVICE
from sf_actors.sockets.endpoint import parse
from sf_actors.sockets.keys import load
from sf_actors.sockets.transport import Transport
from sf_actors.sync.event import LightEvent
from sf_actors.user_code.states_view import States

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from sf_actors.sockets.frames import Socket

WHERE: Final = "the inspector"

#: How long the authenticator may take to open its socket, in seconds.
OPENING_S: Final = 10.0

#: How often the authenticator is restarted after faults of its own.
MAX_RESTARTS: Final = 3


class RemoteSocket:
    """The socket, and the actor that admits peers; created and closed in the inspector's thread.

    :param address: `tcp://HOST:PORT`, port 0 for a free one
    :param keys: the folder with our pair and `authorized/`
    :param creation: the creation arguments of the socket, as in a model
    :ivar address: the address that it is bound to
    :raises UserError: it cannot be opened
    """

    def __init__(
        self, address: str, keys: str | os.PathLike[str] | None, creation: Mapping[str, Any]
    ) -> None:
        endpoint = parse(address, where="--inspect")
        if endpoint.scheme != "tcp":
            raise UsageError(f"--inspect: expected tcp://HOST:PORT, got {address!r}")
        if keys is None:
            raise UsageError(
                f"--inspect {address}: expected --keys DIR as well: whoever reaches it can stop "
                "what runs, on loopback too"
            )
        loaded = load(keys)
        self._transport = Transport(loaded, name=WHERE)
        self._authenticator: Authenticator | None = None
        self._has_opened = LightEvent()
        self._error: BaseException | None = None
        self._restarts = 0
        self._is_closed = False
        run_context = RunContext(
            name=WHERE,
            scope=NOT_A_SERVICE,
            log=package_logger(),
            transport=self._transport,
            supervisor=self,
            states=States({}),
        )
        self.socket: Socket
        try:
            Authenticator.start(run_context, loaded)
            # the authenticator must run before the socket is bound
            if not self._has_opened.wait(OPENING_S) or self._error is not None:
                raise BindError(f"{WHERE}: nobody can be admitted: {self._error}")
            self.socket, self.address = self._transport.bound(
                zmq.ROUTER, endpoint, creation, where=WHERE
            )
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the socket and end the authenticator."""
        self._is_closed = True
        if hasattr(self, "socket"):
            self._transport.unbind(self.socket, linger_ms=0)
        if self._authenticator is not None:
            self._authenticator.stop()
            thread = self._authenticator.thread
            if thread is not None:
                thread.join(OPENING_S)
        self._transport.shut(lambda: None)

    # reports of the authenticator to its supervisor

    def created(self, actor: Any) -> None:
        """Note the authenticator."""
        self._authenticator = actor

    def opened(self, actor: Any, error: BaseException | None) -> None:
        """Note that it is open, or why it could not open."""
        del actor
        self._error = error
        self._has_opened.set()

    def died(self, actor: Any, error: BaseException) -> None:
        """Start another one: without an authenticator nobody is admitted."""
        package_logger().error("the inspector's authenticator died", error=summary(error))
        self._restarts += 1
        if self._restarts <= MAX_RESTARTS and not self._is_closed:
            Authenticator.start(*actor.restart_arguments)

    def bound(self, model: Any, socket: str, address: str) -> None:
        """Do nothing: it binds no socket of a model."""

    def moved(self, actor: Any, arguments: tuple[Any, ...]) -> None:
        """Do nothing: it does not connect."""

    def router_faulted(self, error: BaseException) -> None:
        """Do nothing: there is no router."""

    def worker_faulted(self, name: str, error: BaseException) -> None:
        """Do nothing: there are no workers."""
