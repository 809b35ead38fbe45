"""Opening and closing sockets: every option that a socket of ours has is set here."""

from __future__ import annotations

import errno
import os
import resource
import socket
import stat
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zmq
from zmq.utils.monitor import recv_monitor_message

from sf_actors.actors.context import ContextLease
from sf_actors.errors import BindError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sf_actors.addresses import Endpoint
    from sf_actors.keys import Keys

Socket = zmq.Socket[bytes]

#: Interval of the transport's own heartbeat and how long a silent peer is kept, in milliseconds.
HEARTBEAT_MS = 5_000
SILENT_PEER_MS = 15_000

#: First and longest pause before a lost connection is tried again, in milliseconds.
RECONNECT_MS = 20
RECONNECT_MAX_MS = 1_000

#: How long what was sent may still leave after its socket was closed, in milliseconds.
LINGER_MS = 1_000

#: How long a closed socket may take to free its address, in milliseconds.
UNBIND_MS = 1_000

#: The domain that our sockets ask the authenticator for (RFC 27).
ZAP_DOMAIN = b"sf_actors"


class Transport:
    """Where the sockets of one run come from.

    :param keys: the CURVE keys of the service, or None
    """

    def __init__(self, keys: Keys | None = None) -> None:
        self._lease = ContextLease(private=keys is not None)
        self._keys = keys
        self._count_lock = threading.Lock()
        self.open_sockets = 0

    @property
    def context(self) -> zmq.Context[Socket]:
        """The context of this run."""
        return self._lease.context

    @property
    def is_secured(self) -> bool:
        """Whether the sockets speak CURVE."""
        return self._keys is not None

    def bound(
        self, kind: int, endpoint: Endpoint, creation: Mapping[str, Any], *, where: str
    ) -> tuple[Socket, str]:
        """Open a socket and bind it.

        :param kind: `zmq.ROUTER`, …
        :param creation: the creation arguments of the model
        :param where: the model, for messages
        :returns: the socket, to be used by the calling thread, and its address in the shape given
        :raises BindError: the address is taken, is not of this machine, or cannot be used
        """
        self._refuse_inproc_with_keys(endpoint, where)
        opened = self._open(kind, creation, where=where)
        try:
            if self._keys is not None:
                opened.curve_server = True
                opened.curve_secretkey = self._keys.own_secret
                opened.curve_publickey = self._keys.own_public
                opened.zap_domain = ZAP_DOMAIN
                opened.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
            if endpoint.scheme == "ipc":
                _refuse_live_ipc_path(endpoint.path)
            resolved = endpoint.bindable()
            opened.setsockopt(zmq.IPV6, int(resolved.is_ipv6))
            opened.bind(resolved.zmq_endpoint)
        except (zmq.ZMQError, OSError) as error:
            self.close(opened, linger_ms=0)
            raise BindError(_bind_message(where, endpoint, error)) from None
        except BindError as error:
            self.close(opened, linger_ms=0)
            raise BindError(f"{where}: {error}") from None
        return opened, endpoint.shown(opened.getsockopt_string(zmq.LAST_ENDPOINT))

    def connected(
        self,
        kind: int,
        endpoint: Endpoint,
        creation: Mapping[str, Any],
        *,
        where: str,
        server: str,
        subscription: bytes | None = None,
    ) -> Socket:
        """Open a socket and connect it; the peer need not be there yet.

        :param server: the model whose server key the peer must hold, when keys are used
        :param subscription: the prefix to subscribe to, before the connection is there
        :returns: the socket, to be used by the calling thread
        """
        self._refuse_inproc_with_keys(endpoint, where)
        opened = self._open(kind, creation, where=where)
        try:
            if self._keys is not None:
                opened.curve_serverkey = self._keys.server_key(server)
                opened.curve_secretkey = self._keys.own_secret
                opened.curve_publickey = self._keys.own_public
            if subscription is not None:
                opened.setsockopt(zmq.SUBSCRIBE, subscription)
            opened.setsockopt(zmq.IPV6, int(endpoint.is_ipv6))
            opened.connect(endpoint.zmq_endpoint)
        except zmq.ZMQError as error:
            self.close(opened, linger_ms=0)
            raise BindError(
                f"{where}: cannot connect to {endpoint}: {_reason(error)}; check the address"
            ) from None
        except BaseException:
            self.close(opened, linger_ms=0)
            raise
        return opened

    def close(self, closing: Socket, *, linger_ms: int = LINGER_MS) -> None:
        """Close a socket; runs in the thread that owns it."""
        if not closing.closed:
            self._count(-1)
            closing.close(linger=linger_ms)

    def unbind(self, closing: Socket, *, linger_ms: int = LINGER_MS) -> None:
        """Close a bound socket and wait until its address is free again.

        To close a socket only asks libzmq's own thread to do it, and a socket that is bound to the
        same address at once may still find it taken.
        """
        if closing.closed:
            return
        if closing.getsockopt_string(zmq.LAST_ENDPOINT).startswith("inproc:"):
            self.close(closing, linger_ms=linger_ms)
            return
        monitor = closing.get_monitor_socket(zmq.EVENT_CLOSED)
        # pyzmq would stop the monitor together with the socket, before it has told anything
        closing._monitor_socket = None  # noqa: SLF001
        try:
            self.close(closing, linger_ms=linger_ms)
            while monitor.poll(UNBIND_MS):
                if recv_monitor_message(monitor)["event"] in (
                    zmq.EVENT_CLOSED,
                    zmq.EVENT_MONITOR_STOPPED,
                ):
                    break
        finally:
            monitor.close(linger=0)

    def shut(self, *, all_closed: bool) -> None:
        """Give the context back, once every socket of the run is closed."""
        self._lease.give_back(all_closed=all_closed)

    def _count(self, change: int) -> None:
        with self._count_lock:
            self.open_sockets += change

    def _refuse_inproc_with_keys(self, endpoint: Endpoint, where: str) -> None:
        if self._keys is not None and endpoint.scheme == "inproc":
            raise BindError(
                f"{where}: inproc:// carries no keys, and the service runs with keys; "
                "use tcp:// or ipc://"
            )

    def _open(self, kind: int, creation: Mapping[str, Any], *, where: str) -> Socket:
        try:
            opened = self.context.socket(kind)
        except zmq.ZMQError as error:
            if error.errno == errno.EMFILE:
                soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
                raise BindError(
                    f"{where}: no descriptor is left for another socket: the process may hold "
                    f"{soft}; raise the limit, for example with ulimit -n {4 * soft}"
                ) from None
            raise
        self._count(1)
        opened.linger = LINGER_MS
        opened.set_hwm(creation["high_water_mark"])
        opened.setsockopt(zmq.MAXMSGSIZE, creation["max_message_bytes"])
        opened.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
        opened.setsockopt(zmq.HEARTBEAT_TIMEOUT, SILENT_PEER_MS)
        opened.setsockopt(zmq.HEARTBEAT_TTL, SILENT_PEER_MS)
        opened.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
        opened.setsockopt(zmq.RECONNECT_IVL_MAX, RECONNECT_MAX_MS)
        return opened


def _refuse_live_ipc_path(path: str) -> None:
    """Refuse a path that a live socket answers on: libzmq would take it away without a word."""
    if path.startswith("@"):
        return
    try:
        if not stat.S_ISSOCK(Path(path).stat().st_mode):
            raise BindError(f"ipc://{path} is there and is no socket; name another path")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except OSError:
            return
    raise BindError(f"ipc://{path} is in use by another socket; stop it or name another path")


def _bind_message(where: str, endpoint: Endpoint, error: zmq.ZMQError | OSError) -> str:
    advice = {
        errno.EADDRINUSE: "another socket has it: stop that one or take another port (0: any)",
        errno.EADDRNOTAVAIL: "a binder needs an address of this machine, or * for all",
        errno.ENODEV: "a binder needs an address of this machine, or * for all",
        errno.EACCES: "this user may not: take a port above 1023 or another path",
    }.get(error.errno or 0, "check the address")
    return f"{where}: cannot bind {endpoint}: {_reason(error)}; {advice}"


def _reason(error: zmq.ZMQError | OSError) -> str:
    return os.strerror(error.errno) if error.errno and error.errno < 156_000_000 else str(error)
