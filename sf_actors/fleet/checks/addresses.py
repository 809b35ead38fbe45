"""E103 and E104: addresses that collide or cannot be used."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Final

from sf_actors.errors import AddressError
from sf_actors.fleet.findings import Finding
from sf_actors.sockets.endpoint import parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sf_actors.sockets.endpoint import Endpoint

#: sockaddr_un.sun_path holds 108 bytes, the last of them NUL (unix(7)).
MAX_IPC_BYTES: Final = 107

#: Wildcard hosts of IPv4; "::" covers IPv4 as well (ipv6(7), IPV6_V6ONLY off).
_ALL_IPV4: Final = frozenset({"*", "0.0.0.0"})  # noqa: S104 - compared, not bound
_ALL_HOSTS: Final = "::"


@dataclass(frozen=True, slots=True)
class Placed:
    """An address of one socket.

    :ivar machine: the label of its machine; addresses on different machines do not collide
    """

    service: str
    model: str
    text: str
    binds: bool
    at: str
    machine: str | None = None

    @property
    def where(self) -> str:
        """The model or service that it belongs to, for messages."""
        return f"{self.service}/{self.model}"

    def finding(self, code: str, message: str, other_at: str | None = None) -> Finding:
        """Return a finding about this address."""
        return Finding(code, self.service, self.model, message, self.at, other_at)


def misplaced(
    placed: Sequence[Placed], *, has_processes: bool, has_keys: bool
) -> Iterator[Finding]:
    """Yield E103 and E104 for addresses as written.

    :param has_processes: each service runs in a process of its own
    """
    endpoints: list[tuple[Placed, Endpoint]] = []
    for one in placed:
        long = too_long(one.text)
        if long:
            yield one.finding("E103", long)
            continue
        endpoint = parse(one.text, where=one.where)
        if endpoint.scheme == "inproc" and has_keys:
            yield one.finding(
                "E104", f"expected ipc or tcp, since there are keys, got {one.text!r}"
            )
        elif endpoint.scheme == "inproc" and has_processes:
            message = f"expected ipc or tcp between processes, got {one.text!r}"
            yield one.finding("E104", message)
        if not one.binds:
            try:
                endpoint.require_connectable()
            except AddressError as error:
                yield one.finding("E104", str(error).removeprefix(f"{one.where}: "))
        endpoints.append((one, endpoint))
    binders = [(one, endpoint) for one, endpoint in endpoints if one.binds]
    for (one, endpoint), (other, taken) in combinations(binders, 2):
        is_apart = one.machine and other.machine and one.machine != other.machine
        if not is_apart and _meet(endpoint, taken):
            message = f"expected an address of its own, got {other.text!r}, which {one.where} binds"
            message += "" if one.text == other.text else f" as {one.text!r}"
            yield other.finding("E103", message, one.at)


def too_long(text: str) -> str | None:
    """Return an error text for an ipc path that is too long for a socket, else None."""
    if not text.startswith("ipc://"):
        return None
    size = len(os.fsencode(text.removeprefix("ipc://")))
    if size <= MAX_IPC_BYTES:
        return None
    return f"expected an ipc path of at most {MAX_IPC_BYTES} bytes, got {size} in {text!r}"


def taken_now(placed: Iterable[Placed]) -> Iterator[Finding]:
    """Yield E103 for each tcp address that another socket on this machine has now."""
    for one in placed:
        if not one.binds or too_long(one.text):
            continue
        endpoint = parse(one.text, where=one.where)
        if endpoint.scheme == "tcp" and endpoint.port and _is_taken(endpoint):
            message = f"expected a free port, got {one.text!r}, which another socket has now"
            yield one.finding("E103", message)


def _meet(one: Endpoint, other: Endpoint) -> bool:
    if one.scheme != other.scheme:
        return False
    if one.scheme == "ipc":
        return os.path.normpath(one.path) == os.path.normpath(other.path)
    if one.scheme == "inproc":
        return one.path == other.path
    if one.port != other.port or one.port == 0:
        return False
    hosts = {_plain_host(one.host), _plain_host(other.host)}
    if len(hosts) == 1 or _ALL_HOSTS in hosts:
        return True
    return bool(hosts & _ALL_IPV4) and not any(":" in host for host in hosts)


def _plain_host(host: str) -> str:
    """Return a host as it is bound: localhost means IPv4, as in `Endpoint.bindable`."""
    if host == "localhost":
        return "127.0.0.1"
    if ":" not in host:
        return host
    address = ipaddress.IPv6Address(host.partition("%")[0])
    return str(address.ipv4_mapped or address)


def _is_taken(endpoint: Endpoint) -> bool:
    try:
        bound = endpoint.bindable()
    except AddressError:
        return False
    host = "" if bound.host == "*" else bound.host
    family = socket.AF_INET6 if bound.is_ipv6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trying:
        # like libzmq: an old socket in TIME_WAIT does not count
        trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trying.bind((host, bound.port))
            # if both have SO_REUSEADDR, bind succeeds, but only one may listen
            trying.listen(1)
        except OSError as error:
            return error.errno == errno.EADDRINUSE
        finally:
            with suppress(OSError):
                trying.shutdown(socket.SHUT_RDWR)
    return False
