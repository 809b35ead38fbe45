"""`sf_actors.http()`: the one listener of a process, for probes and Prometheus."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from sf_actors.errors import UsageError
from sf_actors.inspection.http.listener import Listener
from sf_actors.inspection.http.site import Site
from sf_actors.lifecycle.residents import RESIDENTS, STUCK_AFTER_S
from sf_actors.sync.locks import new_lock
from sf_actors.sync.seconds import EXPECTED, is_seconds
from sf_actors.wording import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class HttpServer:
    """The open listener that `http()` returns; any thread.

    :ivar address: `host:port`, with the actual port
    """

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self.address = listener.address

    def __repr__(self) -> str:
        return f"<HttpServer {self.address}>"

    def close(self) -> None:
        """Close the listener; may be called twice."""
        _OPEN.leave(self)
        self._listener.close()

    def forget(self) -> None:
        """Free the copied descriptors, in the child of a fork."""
        self._listener.forget()


class _Open:
    """The open server of this process, if there is one."""

    def __init__(self) -> None:
        self._lock = new_lock()
        self._server: HttpServer | None = None

    def open(self, address: str, site: Site, hosts: Sequence[str]) -> HttpServer:
        with self._lock:
            if self._server is not None:
                raise UsageError(
                    f"http: this process listens at {self._server.address} already; "
                    "all its services are there"
                )
            self._server = HttpServer(Listener(address, site.answer, hosts=hosts, where="http"))
            RESIDENTS.stuck_after_s = site.stuck_after_s
            return self._server

    def leave(self, server: HttpServer) -> None:
        with self._lock:
            if self._server is server:
                self._server = None
                RESIDENTS.stuck_after_s = STUCK_AFTER_S

    def forget(self) -> None:
        self._lock = new_lock()
        server, self._server = self._server, None
        if server is not None:
            server.forget()


_OPEN: Final = _Open()
os.register_at_fork(after_in_child=_OPEN.forget)


def http(
    address: str,
    *,
    hosts: Iterable[str] = (),
    stuck_after_s: float = STUCK_AFTER_S,
    ready_needs: Iterable[str] = (),
) -> HttpServer:
    """Answer `/livez`, `/readyz`, `/metrics` and `/stats` for all services of this process.

    It answers until `close` of the returned server; any thread.

    :param address: `host:port`; port 0 takes a free one
    :param hosts: the host names to accept, besides localhost and IP addresses
    :param stuck_after_s: how long a handler may run before `/livez` fails, in seconds; 0: for ever
    :param ready_needs: in-states without which `/readyz` fails, as `STATE` or `SERVICE/STATE`
    :raises UsageError: an argument is wrong, or this process has a listener already
    :raises AddressError: the address is not valid
    :raises BindError: it cannot be bound
    """
    if not is_seconds(stuck_after_s):
        raise UsageError(f"http: stuck_after_s: expected {EXPECTED}, got {shown(stuck_after_s)}")
    site = Site(stuck_after_s=stuck_after_s, ready_needs=_texts("ready_needs", ready_needs))
    return _OPEN.open(address, site, _texts("hosts", hosts))


def _texts(name: str, given: Iterable[str]) -> list[str]:
    texts = list(given) if not isinstance(given, str) else [None]
    if not all(isinstance(text, str) and text for text in texts):
        raise UsageError(f"http: {name}: expected a list of texts, got {shown(given)}")
    return [str(text) for text in texts]
