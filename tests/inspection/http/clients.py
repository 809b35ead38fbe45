"""HTTP clients as anybody writes them, down to bare sockets."""

from __future__ import annotations

import http.client
import json
import socket
from contextlib import closing
from typing import Any

from tests.support.waiting import PATIENCE_S


def connected(address: str) -> socket.socket:
    """Return a bare connection, which the test closes."""
    host, _, port = address.rpartition(":")
    return socket.create_connection((host.strip("[]"), int(port)), PATIENCE_S)


def received(connection: socket.socket) -> bytes:
    """Return all that comes until the other side ends; b'' also if it breaks off."""
    whole = b""
    try:
        while piece := connection.recv(65536):
            whole += piece
    except ConnectionError:
        return whole
    return whole


def sent(address: str, request: bytes) -> bytes:
    """Return the whole answer to the bytes of a request."""
    with closing(connected(address)) as connection:
        connection.sendall(request)
        return received(connection)


def status_of(answer: bytes) -> int:
    """Return the status of an answer."""
    version, status, _ = answer.split(b" ", 2)
    assert version == b"HTTP/1.1"
    return int(status)


def got(address: str, path: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    """Return status and body by the standard library's client."""
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=PATIENCE_S)
    with closing(connection):
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read()


def got_json(address: str, path: str) -> tuple[int, Any]:
    """Return status and the object of a body."""
    status, body = got(address, path)
    return status, json.loads(body)
