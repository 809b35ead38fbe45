"""Opens and closes sockets; every socket option is set here."""

from __future__ import annotations

import contextlib
import errno
from functools import partial
from typing import TYPE_CHECKING, Any

import zmq

from sf_actors.errors import BindError
from sf_actors.sockets import inproc, monitors, routing_ids
from sf_actors.sockets.bind_problems import HOLDERS, bind_message, reason, refuse_live_ipc_path
from sf_actors.sockets.contexts import ContextLease, no_descriptor_left, require_descriptors
from sf_actors.sockets.topic_limits import topic_limits
from sf_actors.sync.locks import new_lock
from sf_actors.wire.topic import pack

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sf_actors.sockets.endpoint import Endpoint
    from sf_actors.sockets.frames import Socket
    from sf_actors.sockets.keys import Keys


#: Kinds of socket that use the context for published messages.
PUBLISHING = frozenset({int(zmq.XPUB), int(zmq.SUB)})

#: TCP keep-alive: seconds until the first probe of a silent host, seconds between probes, and how
#: many may fail. ZeroMQ's own heartbeats stay off: libzmq 4.3.5 aborts the process when one is due
#: for a peer that left while our queue for it was full, which any peer can provoke, and it
#: disconnects peers that only wait for us to read.
KEEPALIVE_IDLE_S = 15
KEEPALIVE_INTERVAL_S = 5
KEEPALIVE_COUNT = 3

#: First and longest pause before reconnecting, in milliseconds. The longest is well below the
#: default of `catch_up_s`: a service that calls right after its start should connect within it.
RECONNECT_MS = 20
RECONNECT_MAX_MS = 500

#: How long a closed socket may go on sending queued messages, in milliseconds.
LINGER_MS = 1_000

#: Subscriptions queued for each peer of a publishing socket. libzmq reads them until none waits; if
#: more could wait, a peer that keeps sending would keep it busy for ever.
SUBSCRIPTIONS_QUEUED = 1

#: Descriptors needed to open a socket: its own, a listener's, those of a host look-up.
SOCKET_DESCRIPTORS = 6

#: How long a closed socket may take to free its address, in milliseconds.
UNBIND_MS = 1_000

#: The domain of our sockets in requests to the authenticator (RFC 27).
ZAP_DOMAIN = b"sf_actors"
ZAP_ADDRESS = "inproc://zeromq.zap.01"


class Transport:
    """Opens and closes the sockets of one run.

    :param keys: the CURVE keys of the service, or None
    :param name: the service's name, for messages about addresses that it holds
    """

    def __init__(self, keys: Keys | None = None, *, name: str = "") -> None:
        self._name = name
        self._lease = ContextLease(private=keys is not None)
        #: for the context of published messages, once a socket needs it
        self._publishing_lease: ContextLease | None = None
        self._keys = keys
        self._count_lock = new_lock()
        self.open_sockets = 0
        self._when_closed: Callable[[], None] | None = None

    @property
    def context(self) -> zmq.Context[Socket]:
        """The context for requests and for all of inproc."""
        return self._lease.context

    @property
    def keys(self) -> Keys | None:
        """The CURVE keys of the service, or None."""
        return self._keys

    @property
    def is_secured(self) -> bool:
        """True if the sockets use CURVE."""
        return self._keys is not None

    def bound(
        self,
        kind: int,
        endpoint: Endpoint,
        creation: Mapping[str, Any],
        *,
        where: str,
        send_queue: int | None = None,
        listener_fd: int | None = None,
    ) -> tuple[Socket, str]:
        """Open a socket and bind it.

        :param kind: `zmq.ROUTER`, …
        :param creation: the creation arguments of the model
        :param where: the model, for messages
        :param send_queue: messages queued for one peer, if not `high_water_mark`
        :param listener_fd: a descriptor that listens there already; the socket closes it, but
            leaves its file
        :returns: the socket, to be used by the calling thread, and its address in the form given
        :raises BindError: the address is taken, is not of this machine, or cannot be used
        """
        self._refuse_inproc_with_keys(endpoint, where)
        opened = self._open(kind, endpoint, creation, where=where)
        try:
            if send_queue is not None:
                opened.setsockopt(zmq.SNDHWM, send_queue)
            if self._keys is not None:
                opened.curve_server = True
                opened.curve_secretkey = self._keys.own_secret
                opened.curve_publickey = self._keys.own_public
                opened.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
            if listener_fd is not None:
                opened.setsockopt(zmq.USE_FD, listener_fd)
            elif endpoint.scheme == "ipc":
                # Its mode is left to the umask: anyone who reaches the path can connect, as to a
                # port, and keys decide. Narrowing it would take a change of the umask, which is
                # global to the process, or a chmod, which would come after the first connection.
                refuse_live_ipc_path(endpoint.path)
            resolved = endpoint.bindable()
            opened.setsockopt(zmq.IPV6, int(resolved.is_ipv6))
            opened.bind(resolved.zmq_endpoint)
        except (zmq.ZMQError, OSError) as error:
            self.close(opened, linger_ms=0)
            raise BindError(bind_message(where, endpoint, error)) from None
        except BindError as error:
            self.close(opened, linger_ms=0)
            raise BindError(f"{where}: {error}") from None
        if endpoint.scheme == "inproc":
            inproc.note_bound(endpoint.path)
        HOLDERS.note(opened.getsockopt_string(zmq.LAST_ENDPOINT), self._name)
        return opened, endpoint.as_bound(opened.getsockopt_string(zmq.LAST_ENDPOINT))

    def connected(
        self,
        kind: int,
        endpoint: Endpoint,
        creation: Mapping[str, Any],
        *,
        where: str,
        server: str,
        subscription: bytes | None = None,
        prepare: Callable[[Socket], object] | None = None,
    ) -> Socket:
        """Open a socket and connect it to all its addresses; the peers need not exist yet.

        Addresses whose host is a name are left out: see `NamedPeers` and `reconnect`.

        :param server: with keys, the model whose server key the peer must have
        :param subscription: the prefix to subscribe to before connecting
        :param prepare: called with the socket before it connects
        :returns: the socket, to be used by the calling thread
        """
        self._refuse_inproc_with_keys(endpoint, where)
        opened = self._open(kind, endpoint, creation, where=where)
        try:
            if self._keys is not None:
                opened.curve_serverkey = self._keys.server_key(server)
                opened.curve_secretkey = self._keys.own_secret
                opened.curve_publickey = self._keys.own_public
            if subscription is not None:
                opened.setsockopt(zmq.SUBSCRIBE, subscription)
            if prepare is not None:
                prepare(opened)
            opened.setsockopt(zmq.IPV6, int(any(one.is_ipv6 for one in endpoint.all)))
            for one in endpoint.all:
                if not one.is_name:
                    opened.connect(one.zmq_endpoint)
        except zmq.ZMQError as error:
            self.close(opened, linger_ms=0)
            raise BindError(
                f"{where}: cannot connect to {endpoint}: {reason(error)}; check the address"
            ) from None
        except BaseException:
            # an interrupt may come after the monitor was opened
            monitors.stop(opened)
            self.close(opened, linger_ms=0)
            raise
        return opened

    def asking(
        self, endpoint: Endpoint, creation: Mapping[str, Any], *, where: str, server: str
    ) -> tuple[Socket, Socket | None]:
        """Open a DEALER socket that does not reconnect, and a monitor of its connection.

        Unread replies outlive the connection, until `reconnect`. For inproc there is no monitor
        (see `inproc`), and the socket is not connected yet.
        """
        if endpoint.scheme == "inproc":
            self._refuse_inproc_with_keys(endpoint, where)
            return self._open(zmq.DEALER, endpoint, creation, where=where), None
        events: list[Socket] = []

        def prepare(socket: Socket) -> None:
            socket.setsockopt(zmq.RECONNECT_IVL, monitors.NEVER_MS)
            socket.setsockopt(zmq.RECONNECT_IVL_MAX, 0)
            socket.setsockopt(zmq.CONNECT_TIMEOUT, monitors.CONNECT_TIMEOUT_MS)
            events.append(
                self.events_of(socket, "connection", monitors.CONNECTION_EVENTS, where=where)
            )

        try:
            opened = self.connected(
                zmq.DEALER, endpoint, creation, where=where, server=server, prepare=prepare
            )
        except BaseException:
            # the monitor was stopped when the socket was closed
            for one in events:
                self.close(one)
            raise
        return opened, events[0]

    def events_of(self, monitored: Socket, purpose: str, mask: int, *, where: str) -> Socket:
        """Open the monitor of a socket's connections: see `monitors.opened`.

        :raises BindError: no descriptor is left
        """
        try:
            events = monitors.opened(monitored, purpose, mask)
        except zmq.ZMQError:
            raise no_descriptor_left(where) from None
        self._count(1)
        return events

    def reconnect(self, socket: Socket, endpoint: Endpoint, before: Endpoint | None = None) -> None:
        """Connect a socket again; unsent and unread messages of the connection are dropped.

        :param endpoint: the address, with a numeric host
        :param before: the address that it was connected to, if another one
        """
        with contextlib.suppress(zmq.ZMQError):
            socket.disconnect((before or endpoint).zmq_endpoint)
        socket.setsockopt(zmq.IPV6, int(endpoint.is_ipv6))
        socket.connect(endpoint.zmq_endpoint)

    def questions(self) -> Socket:
        """Open the authenticator's socket, on which libzmq asks which peers may connect."""
        opened = self.context.socket(zmq.ROUTER)
        self._count(1)
        opened.linger = 0
        try:
            opened.bind(ZAP_ADDRESS)
        except BaseException:
            self.close(opened)
            raise
        return opened

    def close_questions(self, closing: Socket) -> None:
        """Close the socket of `questions`; a successor can bind its address at once."""
        try:
            # unbind acts at once, while a close is done later by libzmq's thread
            closing.unbind(ZAP_ADDRESS)
        finally:
            self.close(closing, linger_ms=0)

    def close(self, closing: Socket, *, linger_ms: int = LINGER_MS) -> None:
        """Close a socket; in the thread that owns it.

        Queued subscriptions and snapshot requests are dropped: their answers are not needed.
        """
        if not closing.closed:
            _close(closing, linger_ms)
            self._count(-1)

    def unbind(self, closing: Socket, *, linger_ms: int = LINGER_MS, drains: bool = False) -> None:
        """Close a bound socket and wait until its address is free again.

        Closing only asks libzmq's thread to do it, so a socket bound to the same address right
        afterwards might find it taken.

        :param drains: wait until what it still had to send has left, or it lingers no longer
        """
        if closing.closed:
            return
        bound_to = closing.getsockopt_string(zmq.LAST_ENDPOINT)
        HOLDERS.forget(bound_to)
        if bound_to.startswith("inproc:"):
            name = bound_to.removeprefix("inproc://")
            inproc.note_unbound(name)
            try:
                # no event tells when a close has freed it; this frees it at once
                closing.unbind(bound_to)
            finally:
                self.close(closing, linger_ms=linger_ms)
                inproc.note_free(name)
            return
        # a monitor stops when nothing is left of its socket
        event = zmq.EVENT_MONITOR_STOPPED if drains else zmq.EVENT_CLOSED
        wait_ms = UNBIND_MS + drains * linger_ms
        try:
            monitors.closed(closing, partial(_close, closing, linger_ms), event, wait_ms)
        except zmq.ZMQError:
            # no descriptor is left: closing matters more than knowing when it is done
            _close(closing, min(linger_ms, LINGER_MS))
        finally:
            self._count(-1)

    def shut(self, when_closed: Callable[[], None]) -> None:
        """Give the context back once every socket of the run is closed.

        That may be later, if stuck user code still has a socket: terminating a context waits for
        all its sockets.

        :param when_closed: called at that time, in the thread that closes the last socket
        """
        with self._count_lock:
            self._when_closed = when_closed
        self._count(0)

    def _count(self, change: int) -> None:
        with self._count_lock:
            self.open_sockets += change
            if self.open_sockets or self._when_closed is None:
                return
            when_closed, self._when_closed = self._when_closed, None
        when_closed()
        self._lease.give_back()
        if self._publishing_lease is not None:
            self._publishing_lease.give_back()

    def _refuse_inproc_with_keys(self, endpoint: Endpoint, where: str) -> None:
        if self._keys is not None and endpoint.scheme == "inproc":
            raise BindError(
                f"{where}: inproc:// carries no keys, and the service runs with keys; "
                "use tcp:// or ipc://"
            )

    def _context_of(self, kind: int, endpoint: Endpoint) -> zmq.Context[Socket]:
        if kind not in PUBLISHING or endpoint.scheme == "inproc" or self._keys is not None:
            return self.context
        with self._count_lock:
            if self._publishing_lease is None:
                self._publishing_lease = ContextLease(gives_way=True)
            return self._publishing_lease.context

    def _open(
        self, kind: int, endpoint: Endpoint, creation: Mapping[str, Any], *, where: str
    ) -> Socket:
        require_descriptors(SOCKET_DESCRIPTORS, where=where)
        context = self._context_of(kind, endpoint)
        if kind == zmq.ROUTER:
            routing_ids.seed()
        try:
            opened = context.socket(kind)
        except zmq.ZMQError as error:
            if error.errno == errno.EMFILE:
                raise no_descriptor_left(where) from None
            raise
        self._count(1)
        options = {
            zmq.LINGER: LINGER_MS,
            zmq.SNDHWM: creation["high_water_mark"],
            zmq.RCVHWM: creation["high_water_mark"],
            # twice the limit: a slightly too large message is read, counted and answered, while
            # libzmq would only disconnect the peer, as it does for those beyond
            zmq.MAXMSGSIZE: min(2 * creation["max_message_bytes"], 2**63 - 1),
            zmq.TCP_KEEPALIVE: 1,
            zmq.TCP_KEEPALIVE_IDLE: KEEPALIVE_IDLE_S,
            zmq.TCP_KEEPALIVE_INTVL: KEEPALIVE_INTERVAL_S,
            zmq.TCP_KEEPALIVE_CNT: KEEPALIVE_COUNT,
            zmq.RECONNECT_IVL: RECONNECT_MS,
            zmq.RECONNECT_IVL_MAX: RECONNECT_MAX_MS,
            # With a domain, even without an authenticator, libzmq accepts only ZMTP 3. Without one
            # it takes any stream that does not begin with 0xFF for ZMTP 1.0, even a web page's
            # POST.
            zmq.ZAP_DOMAIN: ZAP_DOMAIN,
        }
        if kind == zmq.XPUB:
            limits = topic_limits(
                is_of_bus=creation.get("is_x_pub", False), has_keys=self._keys is not None
            )
            options[zmq.MAXMSGSIZE] = limits.frame_bytes + len(pack(creation["topic"]))
            options[zmq.RCVHWM] = SUBSCRIPTIONS_QUEUED
            options[zmq.RCVBUF] = limits.buffer_bytes
        if self._keys is not None and options[zmq.RCVHWM]:
            # libzmq queues a peer's credentials and never counts them as read: a queue for one
            # message would stay full for ever
            options[zmq.RCVHWM] += 1
        for option, value in options.items():
            # setting attributes, which pyzmq offers too, takes longer
            opened.setsockopt(option, value)
        return opened


def _close(closing: Socket, linger_ms: int) -> None:
    asks_only = closing.getsockopt(zmq.TYPE) in (zmq.SUB, zmq.DEALER)
    closing.close(linger=0 if asks_only else linger_ms)
