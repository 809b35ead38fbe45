"""Counts the peers connected to a bound address, from the kernel's tables.

ZeroMQ reports connections only by events on a monitor socket. That costs two more descriptors for
each socket, where a whole service needs three, and blocks the shared I/O thread once some 2,000
events are unread. Linux lists the connections of a port or path at no cost until asked. Elsewhere,
and for inproc, the number is unknown.
"""

from __future__ import annotations

import sys
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sf_actors.errors import AddressError
from sf_actors.sockets.endpoint import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

IPAddress = IPv4Address | IPv6Address

_TABLES = Path("/proc/net")
#: states of connections in the kernel's tables: TCP_ESTABLISHED, SS_CONNECTED
_ESTABLISHED, _CONNECTED = "01", "03"


class Tables:
    """The kernel's tables, each as it was when it was looked at first."""

    def __init__(self) -> None:
        self._read: dict[str, list[str]] = {}

    def lines(self, table: str) -> list[str]:
        """Return the lines of a table without its head.

        :raises OSError: it cannot be read
        """
        found = self._read.get(table)
        if found is None:
            found = self._read[table] = _lines(table)
        return found


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
        host = None if endpoint.host == "*" else ip_address(endpoint.host)
        return cls(None if host is None or host.is_unspecified else host, endpoint.port, "")

    @property
    def is_beyond_loopback(self) -> bool:
        """True if other machines can reach it."""
        return bool(self.port) and not (self.host is not None and self.host.is_loopback)

    def peers(self, tables: Tables | None = None) -> int | None:
        """Return the number of connections now, or None if unknown.

        :param tables: of now, where the peers of several listeners are asked for
        """
        tables = tables or Tables()
        try:
            if self.port:
                hosts = _hosts_connected_to(tables, self.port)
                return sum(self.host in (None, host) for host in hosts)
            return _count_connected_to(tables, self.path) if self.path else None
        except OSError:
            return None


def _hosts_connected_to(tables: Tables, port: int) -> Iterator[IPAddress]:
    """Yield our own side of each connection to a port."""
    ending = f":{port:04X}"
    for table in ("tcp", "tcp6"):
        for line in tables.lines(table):
            # a table may be long: check the text before splitting the line
            if ending in line:
                columns = line.split(maxsplit=4)
                if columns[3] == _ESTABLISHED and columns[1].endswith(ending):
                    yield _decoded(columns[1].partition(":")[0])


def _decoded(text: str) -> IPAddress:
    words = [int(text[start : start + 8], 16) for start in range(0, len(text), 8)]
    host = ip_address(b"".join(word.to_bytes(4, sys.byteorder) for word in words))
    mapped = host.ipv4_mapped if isinstance(host, IPv6Address) else None
    return mapped or host


def _count_connected_to(tables: Tables, path: str) -> int:
    rows = (line.split(maxsplit=7) for line in tables.lines("unix"))
    return sum(row[5] == _CONNECTED and row[7:] == [path] for row in rows)


def _lines(table: str) -> list[str]:
    path = _TABLES / table
    if table == "tcp6" and not path.exists():
        return []  # a kernel without IPv6
    # a path may hold any bytes
    return path.read_text("utf-8", "surrogateescape").splitlines()[1:]
