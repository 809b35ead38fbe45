"""A listener among thousands of connections that bring whatever they like."""

from __future__ import annotations

import os
import random
from contextlib import closing, suppress

import pytest

from sf_actors.inspection.http.answer import Answer
from sf_actors.inspection.http.listener import Listener
from tests.inspection.http.clients import connected, got, status_of
from tests.support.effort import effort

pytestmark = pytest.mark.slow

SEED = os.environ.get("SF_ACTORS_SEED") or str(random.SystemRandom().randrange(2**32))
CONNECTIONS = effort(20_000, brief=1_000)

#: As often somebody asks in earnest.
EACH = 500

LINES = (
    b"GET / HTTP/1.1",
    b"GET /%00%ff?a=%zz HTTP/1.1",
    b"GET /../../etc/passwd HTTP/1.0",
    b"GET http://evil.example/ HTTP/1.1",
    b"PRI * HTTP/2.0",
    b"\x16\x03\x01\x02\x00\x01\x00",
    b"GET  /  HTTP/9.9",
    b"",
)
HEADERS = (
    b"Host: evil.example",
    b"Host: localhost",
    b"Host: 127.0.0.1:99999",
    b"Content-Length: -1",
    b"Content-Length: 99999999999999999999",
    b"Transfer-Encoding: chunked",
    b"Expect: 100-continue",
    b" folded",
    b"no colon",
    b": nothing",
    b"X: " + b"y" * 9_000,
)


def request(draw: random.Random) -> bytes:
    """Return the bytes of one connection."""
    if draw.random() < 0.2:
        return draw.randbytes(draw.randrange(300))
    lines = [draw.choice(LINES), *draw.choices(HEADERS, k=draw.randrange(5))]
    whole = draw.choice([b"\r\n", b"\n", b"\r"]).join(lines) + b"\r\n\r\n"
    return whole[: draw.randrange(len(whole))] if draw.random() < 0.3 else whole


def test_no_bytes_keep_a_listener_from_answering() -> None:
    draw = random.Random(SEED)
    with closing(Listener("127.0.0.1:0", lambda _request: Answer(b"hello"), hosts=[])) as listener:
        for number in range(CONNECTIONS):
            with closing(connected(listener.address)) as connection, suppress(ConnectionError):
                connection.sendall(request(draw))
                # a part of them waits for the answer's beginning, the others leave at once
                if draw.random() < 0.02:
                    connection.settimeout(0.05)
                    with suppress(TimeoutError):
                        answer = connection.recv(4096)
                        assert not answer or 200 <= status_of(answer) < 500, (SEED, number)
            if number % EACH == 0:
                assert got(listener.address, "/") == (200, b"hello"), (SEED, number)
        assert got(listener.address, "/") == (200, b"hello"), SEED
