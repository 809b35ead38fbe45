"""`web`: what is answered under each path, of services of this process."""

from __future__ import annotations

import json
import threading
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest

import sf_actors
from sf_actors import Service
from sf_actors.cli.web.live_graph import LiveGraph
from sf_actors.cli.web.pages import Pages
from sf_actors.inspection.http.listener import Listener
from sf_actors.testing import module_of
from tests.inspection.http.clients import connected, got, got_json, sent, status_of
from tests.support.models import ANY_PORT, address_of, publisher, replyer, requester, subscriber
from tests.support.services import service_of
from tests.support.waiting import until

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

SVG = "{http://www.w3.org/2000/svg}"
STATE = {"state_type": "delta_update", "required_arguments": {"a": int}}


@pytest.fixture(autouse=True)
def _seen() -> Iterator[None]:
    """Let this process be looked at."""
    with closing(sf_actors.inspect()):
        yield


@pytest.fixture
def graph() -> Iterator[LiveGraph]:
    with closing(LiveGraph()) as made:
        yield made


@pytest.fixture
def address(graph: LiveGraph) -> Iterator[str]:
    with closing(Listener("127.0.0.1:0", Pages(graph).answer)) as listener:
        yield listener.address


def answering(name: str = "answering") -> Service:
    models = {"in": {"echo": replyer(lambda args: args, {"n": int}, {"n": int})}}
    source = module_of(name, connection_models=models)
    return service_of(source, addresses={"connections": {"in": {"echo": ANY_PORT}}})


def asking(at: str) -> Service:
    models = {"out": {"echo": requester({"n": int}, {"n": int})}}
    source = module_of("asking", connection_models=models)
    return service_of(source, addresses={"connections": {"out": {"echo": at}}})


class Events:
    """Reads the events of a page."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._rest = b""
        connection.sendall(b"GET /events HTTP/1.1\r\n\r\n")
        self.head = self._until(b"\r\n\r\n")

    def next(self, kind: str) -> Any:
        """Return the value of the next event of a kind."""
        while True:
            first, _, second = self._until(b"\n\n").decode().partition("\n")
            if first == f"event: {kind}":
                return json.loads(second.removeprefix("data: "))

    def _until(self, end: bytes) -> bytes:
        while end not in self._rest:
            piece = self._connection.recv(65536)
            assert piece, "the stream has ended"
            self._rest += piece
        found, _, self._rest = self._rest.partition(end)
        return found


# the picture


def test_the_page_is_a_picture_without_any_script(address: str) -> None:
    with answering() as answers, asking(address_of(answers)):
        status, body = got(address, "/")

    assert status == 200
    page = body.decode()
    picture = ElementTree.fromstring(
        page[page.index("<svg") : page.index("</svg>") + len("</svg>")]
    )
    names = [group.get("data-service") for group in picture.iter(f"{SVG}g")]
    assert [name for name in names if name] == ["answering", "asking"]
    texts = [text.text for text in picture.iter(f"{SVG}text")]
    assert "echo" in texts
    assert "queued 0 failed 0" in texts
    links = [link.get("href") for link in picture.iter(f"{SVG}a")]
    assert links == ["/info?service=answering", "/info?service=asking"]


def test_nothing_is_loaded_from_elsewhere(address: str) -> None:
    for path in ("/", "/graph.svg", "/info?service=x", "/page.js", "/page.css", "/nothing"):
        assert b"Content-Security-Policy: default-src 'self'\r\n" in sent(
            address, f"GET {path} HTTP/1.1\r\n\r\n".encode()
        )
    for path in ("/", "/page.js", "/page.css"):
        body = got(address, path)[1].decode().replace("http://www.w3.org/2000/svg", "")
        assert "//" not in body.replace("\n//", "")
        assert "style=" not in body


def test_the_picture_alone_is_an_svg(address: str) -> None:
    with answering():
        status, body = got(address, "/graph.svg")

    assert status == 200
    assert ElementTree.fromstring(body).tag == f"{SVG}svg"


def test_names_cannot_break_out_of_the_page(address: str) -> None:
    with answering("<script>alert(1)</script>"[:7] + '"onload="'):
        body = got(address, "/")[1].decode()

    assert "<script>" not in body.replace("<script src", "")
    ElementTree.fromstring(body[body.index("<svg") : body.index("</svg>") + len("</svg>")])


def test_a_name_that_is_none_of_ours_is_misdirected(address: str) -> None:
    for path in ("/", "/events", "/info?service=x"):
        request = f"GET {path} HTTP/1.1\r\nHost: evil.example\r\n\r\n".encode()
        assert status_of(sent(address, request)) == 421


# live


@pytest.mark.slow
def test_an_open_page_gets_the_figures_of_edges_and_services(address: str) -> None:
    with (
        answering() as answers,
        asking(address_of(answers)) as asks,
        closing(connected(address)) as connection,
    ):
        events = Events(connection)
        assert b"text/event-stream" in events.head
        ElementTree.fromstring(events.next("graph"))
        until(lambda: "e1" in events.next("figures"), "the edge")
        for n in range(20):
            asks.to_send("echo", {"n": n})

        figures = until(lambda: with_rate(events.next("figures"), "e1"), "a rate")

    assert figures["s1"][0].startswith("p50 ")
    assert figures["s1"][1] == "queued 0 failed 0"


@pytest.mark.slow
def test_an_edge_tells_losses_and_the_age_of_a_replica(address: str) -> None:
    at = {"publisher": ANY_PORT, "replyer": ANY_PORT}
    leading = service_of(
        module_of("leading", state_models={"out": {"book": STATE}}),
        addresses={"states": {"out": {"book": at}}},
    )
    with leading:
        bound = leading.addresses["states"]["out"]["book"]
        ends = {"subscriber": bound["publisher"], "requester": bound["replyer"]}
        following = service_of(
            module_of("following", state_models={"in": {"book": STATE}}),
            addresses={"states": {"in": {"book": ends}}},
        )
        with following, closing(connected(address)) as connection:
            assert following.states.wait(timeout_s=10)
            events = Events(connection)
            leading.to_send("book", {"a": 1})
            figures = until(lambda: with_rate(events.next("figures"), "e1"), "a rate")

    assert "age " in figures["e1"][0]
    assert "lost" not in figures["e1"][0]


@pytest.mark.slow
def test_a_service_that_comes_or_goes_is_a_new_picture(address: str) -> None:
    with answering() as answers, closing(connected(address)) as connection:
        events = Events(connection)
        assert "asking" not in events.next("graph")
        with asking(address_of(answers)):
            assert "asking" in events.next("graph")
        assert "asking" not in events.next("graph")


def test_the_same_services_are_laid_out_once(graph: LiveGraph) -> None:
    with answering():
        first, second = graph.picture(0.0), graph.picture(0.0)

    assert first is not second
    assert first.drawing is second.drawing


def test_a_service_that_runs_again_elsewhere_is_a_new_picture(graph: LiveGraph) -> None:
    service = answering()
    with service:
        first = graph.picture(0.0)
    with service:
        assert graph.picture(0.0).version > first.version


def test_nothing_is_read_while_no_page_is_open(
    address: str, graph: LiveGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []
    read = graph._read
    monkeypatch.setattr(graph, "_read", lambda: reads.append(1) or read())
    assert reads == []
    with closing(connected(address)) as connection:
        Events(connection).next("figures")
        assert reads

    def requests() -> list[str]:
        return [one.name for one in threading.enumerate() if one.name == "http request"]

    until(lambda: not requests(), "the end of the stream")
    seen = len(reads)
    threading.Event().wait(0.1)
    assert len(reads) == seen
    assert requests() == []


def test_several_pages_share_one_reading(graph: LiveGraph) -> None:
    with answering():
        assert graph.picture(10.0) is graph.picture(10.0)


# many


def test_the_services_of_a_process_are_one_box_where_there_are_many(address: str) -> None:
    with ExitStack() as stack:
        for _ in range(61):
            stack.enter_context(service_of(module_of("one", init_function=lambda: None)))
        body = got(address, "/graph.svg")[1]
        groups = ElementTree.fromstring(body).iter(f"{SVG}g")
        names = [group.get("data-service") for group in groups if group.get("data-service")]
        assert len(names) == 1, names
        (name,) = names
        status, found = got_json(address, f"/info?service={str(name).replace(' ', '%20')}")

    assert status == 200
    assert str(name).startswith("one and 60 more in ")
    assert len(found["services"]) == 61


# info


def test_info_is_what_a_service_is(address: str) -> None:
    with answering("a b"):
        status, found = got_json(address, "/info?service=a%20b")

    assert status == 200
    assert found["service"] == "a b"
    assert "echo" in found["models"]["connections"]["in"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/info", 400),
        ("/info?service=a&service=b", 400),
        ("/info?service=nobody", 404),
        ("/nothing", 404),
        ("/../pages.py", 404),
        ("/page.html", 404),
    ],
)
def test_what_is_not_there_is_told(address: str, path: str, status: int) -> None:
    assert got(address, path)[0] == status


@pytest.mark.slow
def test_messages_have_an_edge_with_a_rate(address: str) -> None:
    models = {"out": {"news": publisher({"n": int})}}
    telling = service_of(
        module_of("telling", connection_models=models),
        addresses={"connections": {"out": {"news": ANY_PORT}}},
    )
    with telling:
        heard = {"in": {"news": subscriber(lambda args: None, {"n": int})}}
        listening = service_of(
            module_of("listening", connection_models=heard),
            addresses={"connections": {"in": {"news": address_of(telling, "news", "out")}}},
        )
        with listening, closing(connected(address)) as connection:
            events = Events(connection)

            def figures() -> Any:
                telling.to_send("news", {"n": 1})
                return with_rate(events.next("figures"), "e1")

            assert until(figures, "a rate")


def with_rate(figures: dict[str, list[str]], id_: str) -> dict[str, list[str]] | None:
    """Return the figures if an edge has a rate above 0."""
    return None if figures.get(id_, ["-/s"])[0].startswith(("-/s", "0/s", "0.0/s")) else figures
