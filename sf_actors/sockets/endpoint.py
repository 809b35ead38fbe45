"""One address: `host:port`, `tcp://`, `ipc://` or `inproc://`.

A host name is resolved here only for a socket that binds, by `Endpoint.bindable`; for sockets that
connect, see `names`.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from functools import lru_cache
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from sf_actors.errors import AddressError
from sf_actors.wording import shown

Scheme = Literal["tcp", "ipc", "inproc"]

_EXPECTED = "expected host:port, tcp://host:port, ipc://path or inproc://name"
_MAX_PORT = 65_535
# sockaddr_un.sun_path holds 108 bytes, the last of them NUL (unix(7)).
_MAX_IPC_BYTES = 107
# pyzmq reads the address of a socket back in 255 bytes, the last of them NUL.
_MAX_INPROC_BYTES = 254 - len("inproc://")
_NOT_IN_HOSTS = frozenset("[]/:;,@?#*%")
_DIGITS_AND_DOTS = "0123456789."
_ALL_HOSTS = "*"


class Endpoint(Struct, frozen=True):
    """One address, and its text as given.

    `host` and `port` are set for tcp, an IPv6 host without brackets; `path` is the path of ipc or
    the name of inproc. `where` tells where the address was given, for messages.
    """

    scheme: Scheme
    host: str
    port: int
    path: str
    text: str
    where: str
    #: the other addresses, if a model has several
    others: tuple[Endpoint, ...] = ()

    def __str__(self) -> str:
        return " or ".join(one.text for one in self.all)

    @property
    def all(self) -> tuple[Endpoint, ...]:
        """This address and the others."""
        return (replace(self, others=()), *self.others) if self.others else (self,)

    @property
    def ip(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        """Its host, unless that is a name or stands for all hosts."""
        return _ip(self.host)

    @property
    def is_ipv6(self) -> bool:
        """True if its socket needs the option IPV6."""
        return ":" in self.host

    @property
    def is_loopback(self) -> bool:
        """True if its host is a loopback address."""
        address = _ip(self.host)
        return self.host == "localhost" or (address is not None and address.is_loopback)

    @property
    def is_name(self) -> bool:
        """True if its host must be looked up."""
        return self.scheme == "tcp" and self.host != _ALL_HOSTS and _ip(self.host) is None

    def at(self, host: str) -> Endpoint:
        """Return the address with one of the numeric hosts of its name."""
        return replace(self, host=host, others=())

    @property
    def zmq_endpoint(self) -> str:
        """The address in ZeroMQ's form, the host as given."""
        if self.scheme != "tcp":
            return f"{self.scheme}://{self.path}"
        host = f"[{self.host}]" if self.is_ipv6 else self.host
        return f"tcp://{host}:{self.port}"

    def bindable(self) -> Endpoint:
        """Return the address to bind, with a host name resolved, to IPv4 if possible.

        Blocks during the look-up.

        :raises AddressError: the name cannot be resolved
        """
        if self.scheme != "tcp" or self.host == _ALL_HOSTS or _ip(self.host) is not None:
            return self
        try:
            found = socket.getaddrinfo(
                self.host, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
        except (OSError, UnicodeError) as exc:
            raise AddressError(
                f"{self.where}: cannot resolve the host {self.host!r} of {self.text!r}: {exc}"
            ) from exc
        # prefer IPv4: a socket is IPv4 only, unless its option IPV6 is set
        found.sort(key=lambda entry: entry[0] != socket.AF_INET)
        return replace(self, host=str(found[0][4][0]))

    def require_connectable(self) -> Endpoint:
        """Return the address itself if something can connect to it.

        :raises AddressError: it names all hosts or port 0, which only a binder can use
        """
        if self.scheme != "tcp":
            return self
        address = _ip(self.host)
        if self.host == _ALL_HOSTS or (address is not None and address.is_unspecified):
            raise AddressError(
                f"{self.where}: expected the host to connect to, got {self.text!r}, which stands "
                "for all hosts; name one, such as 127.0.0.1"
            )
        if self.port == 0:
            raise AddressError(
                f"{self.where}: expected the port to connect to, got {self.text!r}; "
                "only a binder can take a free port by 0"
            )
        return self

    def as_bound(self, bound_endpoint: str) -> str:
        """Return the address in the form given, with the actual port in place of port 0.

        :param bound_endpoint: the socket's `LAST_ENDPOINT`: "tcp://127.0.0.1:40213"
        """
        if self.scheme != "tcp" or self.port != 0:
            return self.text
        return f"{self.text.rpartition(':')[0]}:{bound_endpoint.rpartition(':')[2]}"


def parse(text: object, *, where: str) -> Endpoint:
    """Parse one address.

    :param where: where it was given: "addresses['connections']['in']['orders']['replyer']"
    :raises AddressError: it is not an address
    """
    if not isinstance(text, str) or not text.isprintable():
        raise AddressError(f"{where}: {_EXPECTED}, got {shown(text)}")
    scheme, separator, rest = text.partition("://")
    if not separator:
        return _parse_tcp(text, text, where=where)
    if scheme == "tcp":
        return _parse_tcp(text, rest, where=where)
    if scheme == "ipc":
        return _parse_ipc(text, rest, where=where)
    if scheme == "inproc":
        if not rest:
            raise AddressError(f"{where}: expected inproc://name, got {text!r}")
        size = len(rest.encode())
        if size > _MAX_INPROC_BYTES:
            raise AddressError(
                f"{where}: expected an inproc name of at most {_MAX_INPROC_BYTES} bytes, "
                f"got {size} in {text!r}"
            )
        return Endpoint("inproc", "", 0, rest, text, where)
    raise AddressError(f"{where}: {_EXPECTED}, got {text!r}")


def _parse_tcp(text: str, rest: str, *, where: str) -> Endpoint:
    host, separator, port = rest.rpartition(":")
    if not separator or "[" in port or "]" in port:
        raise AddressError(f"{where}: {_EXPECTED}, got {text!r}, which has no port")
    if not host:
        raise AddressError(
            f"{where}: {_EXPECTED}, got {text!r}, which has no host; * stands for all hosts"
        )
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= _MAX_PORT):
        raise AddressError(f"{where}: expected a port from 0 to {_MAX_PORT}, got {text!r}")
    return Endpoint("tcp", _parse_host(text, host, where=where), int(port), "", text, where)


def _parse_host(text: str, host: str, *, where: str) -> str:
    if host == _ALL_HOSTS:
        return host
    if host.startswith("[") and host.endswith("]"):
        inside = host[1:-1]
        if ":" in inside and _ip(inside) is not None:
            return inside
        raise AddressError(f"{where}: expected an IPv6 host in the brackets, got {text!r}")
    if _ip(host) is not None and ":" in host:
        raise AddressError(f"{where}: expected an IPv6 host in brackets: [::1]:5555, got {text!r}")
    if not _is_host(host):
        raise AddressError(f"{where}: {_EXPECTED}, got {text!r}, whose host cannot be one")
    return host


def _parse_ipc(text: str, path: str, *, where: str) -> Endpoint:
    # for * ZeroMQ would choose a path itself, which peers could not know
    if path in {"", "*"}:
        raise AddressError(f"{where}: expected ipc://path, got {text!r}")
    size = len(os.fsencode(path))
    if size > _MAX_IPC_BYTES:
        raise AddressError(
            f"{where}: expected an ipc path of at most {_MAX_IPC_BYTES} bytes, got {size} in "
            f"{text!r}; use a shorter one, such as ipc:///tmp/name"
        )
    return Endpoint("ipc", "", 0, path, text, where)


@lru_cache(1024)
def _is_host(host: str) -> bool:
    """Return True for an IPv4 address, and for what may be a name."""
    if not host or any(sign in _NOT_IN_HOSTS or sign.isspace() for sign in host):
        return False
    is_numeric = not host.strip(_DIGITS_AND_DOTS)
    return not is_numeric or _ip(host) is not None


@lru_cache(1024)
def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
