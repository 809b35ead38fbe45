"""Addresses: `host:port`, `tcp://`, `ipc://`, `inproc://`, and which model has which.

`parse` reads one, `resolve` gives each socket of each model its own. A host name is looked up
only when its socket binds: `Endpoint.bindable`.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, Protocol

from sf_actors import json_file
from sf_actors.errors import AddressError
from sf_actors.nearest import nearest
from sf_actors.wire.words import shown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

Scheme = Literal["tcp", "ipc", "inproc"]

_EXPECTED = "expected host:port, tcp://host:port, ipc://path or inproc://name"
_MAX_PORT = 65_535
# sockaddr_un.sun_path holds 108 bytes, the last of them NUL (unix(7)).
_MAX_IPC_BYTES = 107
_HOST = re.compile(r"[^\s\[\]/:;,@?#*%]+")
_DIGITS_AND_DOTS = re.compile(r"[0-9.]+")
_ALL_HOSTS = "*"


@dataclass(frozen=True)
class Endpoint:
    """One address, as it was given.

    `host` and `port` are of tcp, IPv6 without its brackets; `path` is the path of ipc or the name
    of inproc. `where` names its place for messages.
    """

    scheme: Scheme
    host: str
    port: int
    path: str
    text: str
    where: str

    def __str__(self) -> str:
        return self.text

    @property
    def is_ipv6(self) -> bool:
        """Whether its socket needs the option IPV6."""
        return ":" in self.host

    @property
    def zmq_endpoint(self) -> str:
        """The address as ZeroMQ takes it, the host as it was given."""
        if self.scheme != "tcp":
            return f"{self.scheme}://{self.path}"
        host = f"[{self.host}]" if self.is_ipv6 else self.host
        return f"tcp://{host}:{self.port}"

    def bindable(self) -> Endpoint:
        """Return the address to bind: a host name is what it resolves to, IPv4 first.

        Blocks while the name is looked up.

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
        # A socket listens to IPv4 alone unless its option IPV6 says otherwise.
        found.sort(key=lambda entry: entry[0] != socket.AF_INET)
        return replace(self, host=str(found[0][4][0]))

    def require_connectable(self) -> Endpoint:
        """Return the address itself if something can connect to it.

        :raises AddressError: it says "every host" or "a free port", which only a binder can mean
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

    def shown(self, bound_endpoint: str) -> str:
        """Return the address in the shape in which it was given, port 0 as the port that it took.

        :param bound_endpoint: the socket's `LAST_ENDPOINT`: "tcp://127.0.0.1:40213"
        """
        if self.scheme != "tcp" or self.port != 0:
            return self.text
        return f"{self.text.rpartition(':')[0]}:{bound_endpoint.rpartition(':')[2]}"


class Addressed(Protocol):
    """What `resolve` needs of a model."""

    @property
    def kind(self) -> str:
        """'connections' or 'states'."""

    @property
    def side(self) -> str:
        """'in' or 'out'."""

    @property
    def name(self) -> str:
        """The name of the model."""

    @property
    def sockets(self) -> tuple[str, ...]:
        """The names of its sockets; none of an external target."""

    @property
    def binds(self) -> Mapping[str, bool]:
        """Whether each socket binds, else it connects."""

    @property
    def where(self) -> str:
        """The model's place, for messages."""


Resolved = dict[tuple[str, str, str], dict[str, Endpoint]]


def parse(text: object, *, where: str) -> Endpoint:
    """Read one address.

    :param where: its place, for messages: "addresses['connections']['in']['orders']['replyer']"
    :raises AddressError: it is none; the message says what came and what is expected
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
        return Endpoint("inproc", "", 0, rest, text, where)
    raise AddressError(f"{where}: {_EXPECTED}, got {text!r}")


def read_addresses_file(path: str | PathLike[str]) -> dict[str, object]:
    """Read the addresses file.

    :raises AddressError: it cannot be read, is not JSON, or is not an object
    """
    return json_file.read_object(path, what="addresses file", error=AddressError)


def resolve(
    addresses: object, models: Sequence[Addressed], *, where: str = "addresses"
) -> Resolved:
    """Give each socket of each model its address; addresses of other names are left alone.

    :param addresses: `{"connections": {"in": {name: {socket: address}}, "out": …}, "states": …}`;
        None for a side or the whole is {}; a single-socket model takes any one socket name, or
        the address alone
    :param where: what the addresses are called in messages
    :returns: `{(kind, side, name): {socket: Endpoint}}`, all models in it
    :raises AddressError: one is missing, is none, or is one that its socket cannot connect to
    """
    whole = _mapping(addresses, where=where)
    resolved: Resolved = {}
    for model in models:
        sockets: dict[str, Endpoint] = {}
        if model.sockets:
            entry, place = _find_entry(model, whole, where=where)
            for name in model.sockets:
                text, at = _find_address(model, name, entry, where=place)
                endpoint = parse(text, where=at)
                sockets[name] = endpoint if model.binds[name] else endpoint.require_connectable()
        resolved[model.kind, model.side, model.name] = sockets
    return resolved


def _find_entry(model: Addressed, whole: Mapping[str, object], *, where: str) -> tuple[object, str]:
    """Return what the addresses have for the model, and its place."""
    entry: object = whole
    place = where
    for step in (model.kind, model.side, model.name):
        given = _mapping(entry, where=place)
        if given.get(step) is None:
            names = [str(name) for name in given if name != step]
            hint = nearest(step, names) or _elsewhere(model, whole, where=where)
            raise AddressError(
                f"{place}: expected the address of {model.where}, got no {step!r}{hint}"
            )
        entry = given[step]
        place += f"[{step!r}]"
    return entry, place


def _find_address(
    model: Addressed, socket_name: str, entry: object, *, where: str
) -> tuple[object, str]:
    """Return the address of one socket as it was given, and its place."""
    is_single = len(model.sockets) == 1
    if isinstance(entry, str) and is_single:
        return entry, where
    if not isinstance(entry, Mapping):
        wanted = ", ".join(f"{name!r}: address" for name in model.sockets)
        raise AddressError(f"{where}: expected {{{wanted}}}, got {shown(entry)}")
    if socket_name in entry:
        return entry[socket_name], f"{where}[{socket_name!r}]"
    if is_single and len(entry) == 1:
        ((other, text),) = entry.items()
        return text, f"{where}[{other!r}]"
    names = [str(name) for name in entry]
    raise AddressError(
        f"{where}: expected the address of the socket {socket_name!r} of {model.where}, "
        f"got {', '.join(map(repr, names)) or 'none'}{nearest(socket_name, names)}"
    )


def _elsewhere(model: Addressed, whole: Mapping[str, object], *, where: str) -> str:
    """Return a hint if the model's name stands in another place of the addresses."""
    for kind, sides in whole.items():
        for side, names in sides.items() if isinstance(sides, Mapping) else ():
            if isinstance(names, Mapping) and model.name in names:
                return f"; {model.name!r} stands in {where}[{kind!r}][{side!r}]"
    return ""


def _mapping(value: object, *, where: str) -> Mapping[str, object]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise AddressError(f"{where}: expected a dict, got {shown(value)}")
    return value


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
    if not _HOST.fullmatch(host) or (_DIGITS_AND_DOTS.fullmatch(host) and _ip(host) is None):
        raise AddressError(f"{where}: {_EXPECTED}, got {text!r}, whose host cannot be one")
    return host


def _parse_ipc(text: str, path: str, *, where: str) -> Endpoint:
    # ZeroMQ takes * for a path of its own choice, which nobody could connect to.
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
def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
