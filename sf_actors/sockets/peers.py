"""Counts the peers connected to a bound address, from the kernel's tables.

ZeroMQ reports connections only by events on a monitor socket. That costs two more descriptors for
each socket, where a whole service needs three, and blocks the shared I/O thread once some 2,000
events are unread. Linux lists the connections of a port or path at no cost until asked. Elsewhere,
and for inproc, the number is unknown.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import NamedTuple

from sf_actors.errors import AddressError
from sf_actors.sockets.endpoint import parse
from sf_actors.sockets.established import established

IPAddress = IPv4Address | IPv6Address

_TABLES = Path("/proc/net")
#: the local side of an established connection, in a line of the TCP table
_ESTABLISHED = r"(?m)^ *[0-9]+: ([0-9A-F]+):([0-9A-F]{4}) [0-9A-F:]+ 01 "
#: SS_CONNECTED, in a line of the Unix socket table
_CONNECTED = "03"


class KernelTables:
    """The kernel's tables, as they were on first use."""

    def __init__(self) -> None:
        self._by_port: dict[int, list[bytes]] | None = None
        self._by_path: dict[str, int] | None = None

    def hosts_of(self, port: int) -> list[IPAddress]:
        """Return the local address of each connection to a port.

        :raises OSError: the tables cannot be read
        """
        if self._by_port is None:
            self._by_port = {}
            for its_port, host in _connections():
                self._by_port.setdefault(its_port, []).append(host)
        return [_decoded(host) for host in self._by_port.get(port, ())]

    def count_of(self, path: str) -> int:
        """Return the number of connections to a path.

        :raises OSError: the table cannot be read
        """
        if self._by_path is None:
            rows = (line.split(maxsplit=7) for line in _content("unix").splitlines()[1:])
            paths = (row[7] for row in rows if row[5] == _CONNECTED and len(row) > 7)
            self._by_path = Counter(paths)
        return self._by_path.get(path, 0)


class Listener(NamedTuple):
    """An address that a socket is bound to.

    :param host: None for all hosts
    :param port: 0 unless tcp
    :param path: of an ipc socket, else ''
    """

    host: IPAddress | None
    port: int
    path: str

    @classmethod
    def at(cls, address: str) -> Listener:
        """Return the listener of an address in the form of `Service.addresses`; resolves names."""
        try:
            endpoint = parse(address, where="a bound address").bindable()
        except AddressError:
            return cls(None, 0, "")  # a name that could be resolved a moment ago
        if endpoint.scheme != "tcp":
            return cls(None, 0, endpoint.path if endpoint.scheme == "ipc" else "")
        host = endpoint.ip
        return cls(None if host is None or host.is_unspecified else host, endpoint.port, "")

    @property
    def is_beyond_loopback(self) -> bool:
        """True if other machines can reach it."""
        return bool(self.port) and not (self.host is not None and self.host.is_loopback)

    def peers(self, tables: KernelTables | None = None) -> int | None:
        """Return the number of connections now, or None if unknown.

        :param tables: the current tables, to share between several listeners
        """
        tables = tables or KernelTables()
        try:
            if self.port:
                return sum(self.host in (None, host) for host in tables.hosts_of(self.port))
            return tables.count_of(self.path) if self.path else None
        except OSError:
            return None


def _connections() -> list[tuple[int, bytes]]:
    """Return the local port and the packed local address of each connection.

    :raises OSError: the kernel does not answer
    """
    try:
        return list(established())
    except OSError:
        # a container may forbid netlink
        found = []
        for table in ("tcp", "tcp6"):
            for host, port in re.findall(_ESTABLISHED, _content(table)):
                found.append((int(port, 16), _packed(host)))
        return found


def _packed(text: str) -> bytes:
    words = [int(text[start : start + 8], 16) for start in range(0, len(text), 8)]
    return b"".join(word.to_bytes(4, sys.byteorder) for word in words)


def _decoded(packed: bytes) -> IPAddress:
    host = ip_address(packed)
    mapped = host.ipv4_mapped if isinstance(host, IPv6Address) else None
    return mapped or host


def _content(table: str) -> str:
    path = _TABLES / table
    if table == "tcp6" and not path.exists():
        return ""  # a kernel without IPv6
    # a path may hold any bytes
    return path.read_text("utf-8", "surrogateescape")
