"""The rules of a listener: who may ask, how long, how much, and how many at once."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import pytest

from sf_actors import AddressError, BindError
from sf_actors.inspection.http import connection as http_connection
from sf_actors.inspection.http.answer import Answer
from sf_actors.inspection.http.listener import MOST, Listener
from tests.inspection.http.clients import connected, got, received, sent, status_of
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sf_actors.inspection.http.answer import Write
    from sf_actors.inspection.http.request import Request

GET = b"GET / HTTP/1.1\r\n\r\n"


class Site:
    """Answers with what a test wants."""

    def __init__(self) -> None:
        self.body = b"hello"
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.was_asked = threading.Event()
        self.stream_ended = threading.Event()

    def answer(self, request: Request) -> Answer:
        self.was_asked.set()
        assert self.may_answer.wait(PATIENCE_S)
        if request.path == "/fails":
            raise ValueError("a secret")
        if request.path == "/events":
            return Answer(content_type="text/event-stream", stream=self.events)
        if request.path == "/query":
            return Answer.json(dict(request.query))
        return Answer(self.body)

    def events(self, write: Write) -> None:
        write(b"data: 1\n\n")
        while write.wait(PATIENCE_S):
            pass
        self.stream_ended.set()


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def listener(site: Site) -> Iterator[Listener]:
    with closing(Listener("127.0.0.1:0", site.answer, hosts=["Orders.Example"])) as made:
        yield made


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the deadlines short, and no other than in their lengths."""
    monkeypatch.setattr(http_connection, "REQUEST_S", 0.2)
    monkeypatch.setattr(http_connection, "ANSWER_S", 0.2)


# what is answered


def test_a_get_is_answered_and_the_connection_closed(listener: Listener) -> None:
    answer = sent(listener.address, GET)

    head, _, body = answer.partition(b"\r\n\r\n")
    assert status_of(answer) == 200
    assert body == b"hello"
    assert b"Connection: close" in head
    assert b"Content-Length: 5" in head


def test_a_head_is_answered_like_a_get_without_the_body(listener: Listener) -> None:
    answer = sent(listener.address, b"HEAD / HTTP/1.1\r\n\r\n")

    assert status_of(answer) == 200
    assert answer.endswith(b"\r\n\r\n")
    assert b"Content-Length: 5" in answer


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "get"])
def test_other_methods_are_refused(listener: Listener, method: str) -> None:
    answer = sent(listener.address, f"{method} / HTTP/1.1\r\n\r\n".encode())

    assert status_of(answer) == 405
    assert b"Allow: GET, HEAD" in answer


def test_no_page_of_another_origin_may_read_it(listener: Listener) -> None:
    request = b"GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n\r\n"

    assert b"access-control" not in sent(listener.address, request).lower()


def test_a_query_is_given_to_who_answers(listener: Listener) -> None:
    assert got(listener.address, "/query?a=1&b=%20")[1] == b'{"a": ["1"], "b": [" "]}\n'


def test_an_answer_that_fails_says_of_what_kind_and_no_more(
    listener: Listener, capsys: pytest.CaptureFixture[str]
) -> None:
    status, body = got(listener.address, "/fails")

    assert (status, body) == (500, b"it failed: ValueError\n")
    assert "a secret" in capsys.readouterr().err


def test_a_large_answer_comes_whole(listener: Listener, site: Site) -> None:
    site.body = b"x" * 5_000_000

    assert got(listener.address, "/")[1] == site.body


# who may ask


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:80",
        "127.0.0.1",
        "10.1.2.3:8080",
        "[::1]",
        "[::1]:99",
        "orders.example",
        "ORDERS.EXAMPLE:8080",
    ],
)
def test_a_host_that_may_be_ours_is_answered(listener: Listener, host: str) -> None:
    request = f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()

    assert status_of(sent(listener.address, request)) == 200


def test_without_a_host_header_it_is_answered(listener: Listener) -> None:
    assert status_of(sent(listener.address, b"GET / HTTP/1.0\r\n\r\n")) == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "orders.example.evil",
        "127.0.0.1.evil.example",
        "127.1",
        "::1",
        "[evil]",
        "[127.0.0.1]",
        "localhost@evil.example",
        "local host",
    ],
)
def test_a_name_that_is_none_of_ours_is_misdirected(listener: Listener, host: str) -> None:
    request = f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()

    assert status_of(sent(listener.address, request)) == 421


def test_the_host_of_a_whole_url_counts(listener: Listener) -> None:
    for host, status in (("localhost", 200), ("evil.example", 421)):
        request = f"GET http://{host}/ HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        assert status_of(sent(listener.address, request)) == status


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /\r\n\r\n",
        b"GET  / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/2.0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\n",
        b"GET x HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nno header\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n",
        b"\x16\x03\x01 TLS\r\n\r\n",
        b"\x00\xff\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused(listener: Listener, request_: bytes) -> None:
    assert status_of(sent(listener.address, request_)) == 400


# how much


def test_headers_up_to_16_kib_are_taken(listener: Listener) -> None:
    filler = b"A: " + b"x" * (16 * 1024 - len(b"GET / HTTP/1.1\r\nA: "))

    assert status_of(sent(listener.address, b"GET / HTTP/1.1\r\n" + filler + b"\r\n\r\n")) == 200
    assert status_of(sent(listener.address, b"GET / HTTP/1.1\r\n" + filler + b"x\r\n\r\n")) == 431


@pytest.mark.parametrize(
    "head", [b"GET /" + b"x" * 20_000, b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 9000]
)
def test_more_is_refused_before_it_ends_and_the_answer_arrives(
    listener: Listener, head: bytes
) -> None:
    with closing(connected(listener.address)) as connection:
        connection.sendall(head)

        assert status_of(received(connection)) == 431


def test_a_body_is_thrown_away(listener: Listener) -> None:
    request = b"GET / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000

    assert status_of(sent(listener.address, request)) == 200


# how long


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("beginning", [b"", b"GET / HT"])
def test_a_request_that_does_not_end_is_told_so(listener: Listener, beginning: bytes) -> None:
    with closing(connected(listener.address)) as connection:
        connection.sendall(beginning)

        assert status_of(received(connection)) == 408


@pytest.mark.usefixtures("hurried")
def test_a_request_that_comes_in_drops_has_one_deadline_for_all(listener: Listener) -> None:
    with closing(connected(listener.address)) as connection:
        connection.settimeout(0.02)
        answer = b""
        for _ in range(int(PATIENCE_S / 0.02)):
            try:
                connection.send(b"x")
                answer += connection.recv(100)
            except TimeoutError:
                continue
            except ConnectionError:
                break
            if answer:
                break

        assert b"408" in answer


@pytest.mark.usefixtures("hurried")
def test_who_does_not_read_the_answer_is_let_go(listener: Listener, site: Site) -> None:
    site.body = b"x" * 50_000_000
    with closing(connected(listener.address)) as connection:
        connection.sendall(GET)

        until(
            lambda: not listener._connections and site.was_asked.is_set(), "the connection closed"
        )
        assert len(received(connection)) < len(site.body)


@pytest.mark.usefixtures("hurried")
def test_who_does_not_close_after_the_answer_is_let_go(listener: Listener) -> None:
    with closing(connected(listener.address)) as connection:
        connection.sendall(GET)
        assert status_of(received(connection)) == 200

        until(lambda: not listener._connections, "the connection closed")


def test_slow_clients_hold_up_nobody(listener: Listener) -> None:
    with ExitStack() as stack:
        for _ in range(MOST // 2):
            stack.enter_context(closing(connected(listener.address))).sendall(b"GET /")

        assert got(listener.address, "/")[0] == 200


# how many


def test_of_65_the_oldest_unfinished_one_is_closed(listener: Listener) -> None:
    with ExitStack() as stack:
        connections = [stack.enter_context(closing(connected(listener.address)))]
        connections[0].sendall(b"GET /")
        until(lambda: len(listener._connections) == 1, "the oldest")
        while len(connections) < MOST:
            connections.append(stack.enter_context(closing(connected(listener.address))))
        until(lambda: len(listener._connections) == MOST, "all of them")

        assert got(listener.address, "/")[0] == 200

        assert received(connections[0]) == b""
        for connection in connections[1:]:
            connection.sendall(GET)
            assert status_of(received(connection)) == 200


def test_idle_it_has_one_thread_and_three_descriptors() -> None:
    threads, descriptors = threading.active_count(), len(os.listdir("/proc/self/fd"))
    with closing(Listener("127.0.0.1:0", lambda _: Answer())) as listener:
        assert got(listener.address, "/")[0] == 200
        until(lambda: not listener._connections, "the end of the request")

        until(lambda: threading.active_count() == threads + 1, "one thread")
        assert len(os.listdir("/proc/self/fd")) <= descriptors + 3


# streams


def test_a_stream_goes_on_until_its_reader_is_gone(listener: Listener, site: Site) -> None:
    with closing(connected(listener.address)) as connection:
        connection.sendall(b"GET /events HTTP/1.1\r\n\r\n")
        answer = b""
        while b"data" not in answer:
            answer += connection.recv(1000)
        assert b"Connection: close" not in answer
        assert not site.stream_ended.is_set()

    assert site.stream_ended.wait(PATIENCE_S)


def test_a_stream_ends_with_the_listener(listener: Listener, site: Site) -> None:
    with closing(connected(listener.address)) as connection:
        connection.sendall(b"GET /events HTTP/1.1\r\n\r\n")
        assert connection.recv(10)

        listener.close()

        assert site.stream_ended.is_set()


def test_a_head_of_a_stream_has_no_stream(listener: Listener, site: Site) -> None:
    assert status_of(sent(listener.address, b"HEAD /events HTTP/1.1\r\n\r\n")) == 200
    assert not site.stream_ended.is_set()


# addresses


def test_port_0_is_shown_as_the_port_that_it_took(listener: Listener) -> None:
    assert listener.address.startswith("127.0.0.1:")
    assert not listener.address.endswith(":0")


def test_it_listens_at_ipv6() -> None:
    with closing(Listener("[::1]:0", lambda _: Answer())) as listener:
        assert got(listener.address, "/")[0] == 200


def test_an_address_that_is_taken_is_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"

        with pytest.raises(BindError, match=f"http: cannot listen at '{address}': Address already"):
            Listener(address, lambda _: Answer())


@pytest.mark.parametrize("address", ["8080", "ipc:///tmp/x", "127.0.0.1:http"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(AddressError):
        Listener(address, lambda _: Answer())


def test_it_can_be_closed_twice_while_requests_are_under_way(site: Site) -> None:
    listener = Listener("127.0.0.1:0", site.answer)
    with closing(connected(listener.address)) as connection:
        connection.sendall(b"GET /")
        until(lambda: listener._connections, "the connection")

        listener.close()
        listener.close()

        assert received(connection) == b""
    with pytest.raises(ConnectionRefusedError):
        connected(listener.address)
