"""Parses requests, and refuses those that we must not answer."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, unquote

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

#: The most bytes of the request line and the headers.
MAX_HEAD: Final = 16 * 1024

END: Final = b"\r\n\r\n"

_TOKEN: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - a token of HTTP's grammar
_REQUEST_LINE: Final = re.compile(rf"({_TOKEN}) ([!-~]+) HTTP/1\.[01]")
_HEADER: Final = re.compile(rf"({_TOKEN}):[ \t]*(.*?)[ \t]*")
_HOST: Final = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(?::[0-9]*)?")
_METHODS: Final = ("GET", "HEAD")


class Rejection(Exception):
    """A request that is refused with a status.

    :ivar status: the HTTP status
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    :ivar path: without the query, unescaped
    :ivar query: the values of each name
    :ivar is_head: the answer must have no body
    """

    path: str
    query: Mapping[str, list[str]]
    is_head: bool


def parse(head: bytes, hosts: Collection[str]) -> Request:
    """Parse the head of a request, without the empty line.

    :param hosts: the host names that we accept, besides localhost, in lower case
    :raises Rejection: it is malformed, or not acceptable
    """
    line, *lines = head.decode("latin-1").split("\r\n")
    found = _REQUEST_LINE.fullmatch(line)
    if found is None:
        raise Rejection(400, "expected a request line of HTTP/1.1")
    method, target = found.groups()
    host = _host_of(lines)
    if not target.startswith("/") and (method in _METHODS or _is_url(target)):
        authority, target = _absolute(target)
        host = authority if host is None else host
        _require_ours(authority, hosts)
    if host is not None:
        _require_ours(host, hosts)
    if method not in _METHODS:
        raise Rejection(405, f"expected {' or '.join(_METHODS)}, got {method}")
    path, _, query = target.partition("?")
    return Request(unquote(path), parse_qs(query), is_head=method == "HEAD")


def _host_of(lines: list[str]) -> str | None:
    """Return the Host header, None without one.

    :raises Rejection: a header is malformed, or there are two Host headers
    """
    hosts = []
    for line in lines:
        found = _HEADER.fullmatch(line)
        if found is None:
            raise Rejection(400, "expected headers, each on one line")
        if found[1].lower() == "host":
            hosts.append(found[2])
    if len(hosts) > 1:
        raise Rejection(400, "expected one Host header")
    return hosts[0] if hosts else None


def _absolute(target: str) -> tuple[str, str]:
    """Split a complete URL, as proxies send it, into host and path.

    :raises Rejection: it is not a URL
    """
    if not _is_url(target):
        raise Rejection(400, "expected a path")
    authority, slash, path = target[len("http://") :].partition("/")
    return authority, f"/{path}" if slash else "/"


def _is_url(target: str) -> bool:
    return target.lower().startswith("http://")


def _require_ours(host: str, hosts: Collection[str]) -> None:
    """Refuse a host name that is not ours, against DNS rebinding by web pages elsewhere.

    :raises Rejection: it is not ours
    """
    found = _HOST.fullmatch(host)
    name = found[1].lower() if found is not None else None
    if name is None or not (name == "localhost" or name in hosts or _is_ip(name)):
        raise Rejection(421, "the Host header names another host; --http-host allows a name")


def _is_ip(host: str) -> bool:
    is_bracketed = host.startswith("[")
    try:
        address = ipaddress.ip_address(host[1:-1] if is_bracketed else host)
    except ValueError:
        return False
    return is_bracketed is (address.version == 6)
