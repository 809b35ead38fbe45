"""Finds out why a socket cannot be bound: the address is in use, or the system refuses it."""

from __future__ import annotations

import errno
import os
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from sf_actors.errors import BindError

if TYPE_CHECKING:
    import zmq

    from sf_actors.sockets.endpoint import Endpoint

#: How long a probe of an ipc path waits for an answer, in seconds.
PROBE_S = 1.0

#: The names of all hosts, in an address and as libzmq shows it.
ALL_HOSTS = ("*", "0.0.0.0", "::")  # noqa: S104 - compared


class Holders:
    """The addresses that services of this process have bound; any thread."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._places: dict[str, str] = {}

    def note(self, endpoint: str, name: str) -> None:
        """Note that a service has bound a socket.

        :param endpoint: the socket's `LAST_ENDPOINT`
        """
        self._names[endpoint] = name
        self._places[endpoint] = _place_of(endpoint)

    def forget(self, endpoint: str) -> None:
        """Note that an endpoint is no longer bound."""
        self._names.pop(endpoint, None)
        self._places.pop(endpoint, None)

    def at(self, endpoint: str) -> str | None:
        """Return the name of the service that has bound this endpoint, or None."""
        place = _place_of(endpoint)
        for held, held_place in list(self._places.items()):
            if held_place == place:
                return self._names.get(held)
        return None

    def holder_of(self, endpoint: Endpoint) -> str | None:
        """Return the name of a service that keeps others from an address, or None."""
        if endpoint.scheme != "tcp":
            return self.at(endpoint.zmq_endpoint)
        hosts = {endpoint.bindable().host.strip("[]"), *ALL_HOSTS}
        for held, name in list(self._names.items()):
            host, _, port = held.removeprefix("tcp://").rpartition(":")
            is_met = endpoint.host in ALL_HOSTS or host.strip("[]") in hosts
            if port == str(endpoint.port) and is_met:
                return name
        return None


def _place_of(endpoint: str) -> str:
    """Return an endpoint whose path, if it has one, is what all ways to write it lead to."""
    path = endpoint.removeprefix("ipc://")
    if path == endpoint or path.startswith("@"):
        return endpoint
    return f"ipc://{os.path.realpath(path)}"


HOLDERS = Holders()


def refuse_live_ipc_path(path: str) -> None:
    """Refuse a path in use by a live socket, which libzmq would silently take over."""
    if path.startswith("@"):
        return
    try:
        if not stat.S_ISSOCK(Path(path).stat().st_mode):
            raise BindError(f"ipc://{path} is there and is no socket; name another path")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        # a socket that is too busy to answer, or frozen, is live all the same
        probe.settimeout(PROBE_S)
        try:
            probe.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            return
        except (TimeoutError, BlockingIOError):
            pass
    holder = HOLDERS.at(f"ipc://{path}")
    by = f"the service {holder!r} of this process" if holder else "another socket"
    raise BindError(f"ipc://{path} is in use by {by}; stop it or name another path")


def bind_message(where: str, endpoint: Endpoint, error: zmq.ZMQError | OSError) -> str:
    """Return the text of an error: an address cannot be bound, why, and what to do."""
    holder = HOLDERS.holder_of(endpoint) if error.errno == errno.EADDRINUSE else None
    advice = {
        errno.EADDRINUSE: f"the service {holder!r} of this process has it: stop it, or take another"
        if holder
        else "another socket has it: stop that one or take another port (0: any)",
        errno.EADDRNOTAVAIL: "a binder needs an address of this machine, or * for all",
        errno.ENODEV: "a binder needs an address of this machine, or * for all",
        errno.EACCES: "this user may not: take a port above 1023 or another path",
    }.get(error.errno or 0, "check the address")
    return f"{where}: cannot bind {endpoint}: {reason(error)}; {advice}"


def reason(error: zmq.ZMQError | OSError) -> str:
    """Return the text of an error; for an error of the system, the system's own text."""
    return os.strerror(error.errno) if error.errno and error.errno < 156_000_000 else str(error)
