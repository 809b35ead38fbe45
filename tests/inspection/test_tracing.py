"""Spans of OpenTelemetry: what is sent, and the handlers that it comes to."""

from __future__ import annotations

from decimal import Decimal
from queue import Queue
from typing import TYPE_CHECKING, Any

import msgpack
import pytest
import zmq
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from sf_actors import Refused, RemoteError, counterpart
from sf_actors.testing import module_of
from tests.inspection.publishing import BOOK, CLOCK, PUBLISHER
from tests.support.processes import Process
from tests.support.services import (
    ECHO_ADDRESSES,
    REPLYER_FILE,
    client_of,
    replying,
    requester,
    service_of,
)
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from opentelemetry.sdk.trace import ReadableSpan

    from sf_actors import Service


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """Configure a provider for the test, and give where its spans go."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    yield exporter
    provider.shutdown()


def spans_of(exporter: InMemorySpanExporter, *kinds: SpanKind) -> list[ReadableSpan]:
    """Return one span of each kind, once they are there."""
    found = {kind: [] for kind in kinds}

    def are_there() -> bool:
        for kind in kinds:
            found[kind] = [one for one in exporter.get_finished_spans() if one.kind is kind]
        return all(found.values())

    until(are_there, f"spans of {kinds}")
    return [found[kind][0] for kind in kinds]


def is_parent(parent: ReadableSpan, child: ReadableSpan) -> bool:
    """Return whether one span is the direct parent of another."""
    assert child.parent is not None
    same_trace = child.context.trace_id == parent.context.trace_id
    return same_trace and child.parent.span_id == parent.context.span_id


def asking(service: Service) -> Service:
    """Return a service that asks another one."""
    address = service.addresses["connections"]["in"]["echo"]["replyer"]
    models = {"out": {"echo": requester()}}
    addresses = {"connections": {"out": {"echo": {"requester": address}}}}
    return service_of(module_of(connection_models=models), addresses=addresses, name="ask")


def test_a_request_has_a_span_of_a_client_and_one_of_a_server(
    spans: InMemorySpanExporter,
) -> None:
    with service_of(replying(), addresses=ECHO_ADDRESSES, name="svc") as service:
        with asking(service) as caller:
            assert caller.to_send("echo", {"n": 1}) == {"n": 1}
        client, server = spans_of(spans, SpanKind.CLIENT, SpanKind.SERVER)
    assert (client.name, server.name) == ("ask/echo", "svc/echo")
    assert is_parent(client, server)
    key = "sf_actors.workflow_id"
    assert client.attributes is not None
    assert server.attributes is not None
    assert client.attributes[key] == server.attributes[key]


def test_what_a_handler_raises_is_an_error_of_both_and_to_refuse_is_none_of_the_server(
    spans: InMemorySpanExporter,
) -> None:
    def handle(args: dict[str, Any]) -> None:
        raise (Refused if args["n"] else ValueError)("no")

    with service_of(replying(handle), addresses=ECHO_ADDRESSES, name="svc") as service:
        with asking(service) as caller:
            for n in (0, 1):
                with pytest.raises(RemoteError):
                    caller.to_send("echo", {"n": n})
        until(lambda: len(spans.get_finished_spans()) == 4)
    found = spans.get_finished_spans()
    servers = [one for one in found if one.kind is SpanKind.SERVER]
    assert [one.status.status_code for one in servers] == [StatusCode.ERROR, StatusCode.UNSET]
    assert servers[0].events[0].name == "exception"
    clients = [one for one in found if one.kind is SpanKind.CLIENT]
    assert [one.status.status_code for one in clients] == [StatusCode.ERROR] * 2


def test_a_message_and_updates_have_spans_of_producer_and_consumer(
    spans: InMemorySpanExporter,
) -> None:
    heard: Queue[str] = Queue()

    def on_news(args: dict[str, Any]) -> None:
        heard.put("news")

    def on_book(args: dict[str, Any]) -> None:
        heard.put("book")

    def on_clock(args: dict[str, Any]) -> None:
        heard.put("clock")

    out = {"book": {"publisher": "127.0.0.1:0", "replyer": "127.0.0.1:0"}}
    leader = service_of(
        module_of(
            connection_models={"out": {"news": PUBLISHER}},
            state_models={"out": {"book": BOOK, "clock": CLOCK}},
        ),
        addresses={
            "connections": {"out": {"news": {"publisher": "127.0.0.1:0"}}},
            "states": {"out": {**out, "clock": {"publisher": "127.0.0.1:0"}}},
        },
        name="pub",
    )
    inbound = {
        name: counterpart(model) | {"required_creation_arguments": {"on_it": handler}}
        for name, model, handler in (
            ("news", PUBLISHER, on_news),
            ("book", BOOK, on_book),
            ("clock", CLOCK, on_clock),
        )
    }
    news = inbound.pop("news")
    with leader:
        bound = leader.addresses
        states = bound["states"]["out"]
        publisher = bound["connections"]["out"]["news"]["publisher"]
        follower = service_of(
            module_of(connection_models={"in": {"news": news}}, state_models={"in": inbound}),
            addresses={
                "connections": {"in": {"news": {"subscriber": publisher}}},
                "states": {
                    "in": {
                        "book": {
                            "subscriber": states["book"]["publisher"],
                            "requester": states["book"]["replyer"],
                        },
                        "clock": {"subscriber": states["clock"]["publisher"]},
                    }
                },
            },
            name="sub",
        )
        with follower:
            leader.to_send("book", {"title": "a", "bids": {}})
            leader.to_send("clock", {"n": 1})
            assert follower.states.wait("book", "clock", timeout_s=PATIENCE_S)
            until(lambda: follower.stats()["connections"]["in"]["news"]["peers"])
            until(lambda: leader.to_send("news", {"n": 1}) or not heard.empty())
            while heard.get(timeout=PATIENCE_S) != "news":
                pass
            spans.clear()
            leader.to_send("news", {"n": 2})
            leader.to_send("book", {"bids": {Decimal(1): Decimal(1)}})
            leader.to_send("clock", {"n": 2})
            until(lambda: len(spans.get_finished_spans()) >= 6, "six spans")
    by_name = {one.name: one for one in spans.get_finished_spans()}
    for name in ("news", "book", "clock"):
        producer, consumer = by_name[f"pub/{name}"], by_name[f"sub/{name}"]
        assert (producer.kind, consumer.kind) == (SpanKind.PRODUCER, SpanKind.CONSUMER)
        assert is_parent(producer, consumer), name


def test_what_a_handler_sends_belongs_to_its_span(spans: InMemorySpanExporter) -> None:
    def handle(args: dict[str, Any], to_send: Any) -> dict[str, Any]:
        reply: dict[str, Any] = to_send("echo", args)
        return reply

    with service_of(replying(), addresses=ECHO_ADDRESSES, name="last") as last:
        address = last.addresses["connections"]["in"]["echo"]["replyer"]
        models = {
            "in": {"ask": replying(handle).connection_models["in"]["echo"]},
            "out": {"echo": requester()},
        }
        addresses = {
            "connections": {
                "in": {"ask": {"replyer": "127.0.0.1:0"}},
                "out": {"echo": {"requester": address}},
            }
        }
        middle = service_of(module_of(connection_models=models), addresses=addresses, name="mid")
        with middle, client_of(middle.addresses["connections"]["in"]["ask"]["replyer"]) as client:
            client.send(n=1)
            assert client.receive()["return_args"] == {"n": 1}
            until(lambda: len(spans.get_finished_spans()) == 3)
    by_name = {one.name: one for one in spans.get_finished_spans()}
    assert is_parent(by_name["mid/ask"], by_name["mid/echo"])
    assert is_parent(by_name["mid/echo"], by_name["last/echo"])
    assert by_name["mid/ask"].parent is None


@pytest.mark.parametrize(
    "traceparent", [5, None, "nonsense", "x" * 10_000, {"a": [1]}, b"\xff", "00-" + "0" * 55]
)
def test_what_a_peer_puts_there_may_be_anything(
    spans: InMemorySpanExporter, traceparent: Any
) -> None:
    with service_of(replying(), addresses=ECHO_ADDRESSES, name="svc") as service:
        with zmq.Context() as context, context.socket(zmq.REQ) as socket:
            socket.linger = 0
            socket.connect(f"tcp://{service.addresses['connections']['in']['echo']['replyer']}")
            socket.send(msgpack.packb({"args": {"n": 1}, "traceparent": traceparent}))
            assert socket.poll(int(PATIENCE_S * 1000))
            assert msgpack.unpackb(socket.recv())["return_args"] == {"n": 1}
        (server,) = spans_of(spans, SpanKind.SERVER)
        assert server.parent is None


def test_without_a_provider_frames_have_no_such_key_and_nothing_is_made() -> None:
    with service_of(replying(), addresses=ECHO_ADDRESSES, name="svc") as service:
        assert service._run.state.run_context.tracing is None
        with zmq.Context() as context, context.socket(zmq.REP) as socket:
            socket.linger = 0
            port = socket.bind_to_random_port("tcp://127.0.0.1")
            models = {"out": {"echo": requester(timeout_s=0.1)}}
            addresses = {"connections": {"out": {"echo": {"requester": f"127.0.0.1:{port}"}}}}
            with service_of(module_of(connection_models=models), addresses=addresses) as caller:
                with pytest.raises(Exception, match="no reply"):
                    caller.to_send("echo", {"n": 1})
                assert "traceparent" not in msgpack.unpackb(socket.recv())


@pytest.mark.slow
def test_the_environment_asks_for_an_exporter(tmp_path: Path) -> None:
    (tmp_path / "svc.py").write_text(REPLYER_FILE)
    (tmp_path / "a.json").write_text(
        '{"connections": {"in": {"echo": {"replyer": "127.0.0.1:0"}}}}'
    )
    arguments = ["-s", str(tmp_path / "svc.py"), "-a", str(tmp_path / "a.json")]
    with Process(*arguments, env={"OTEL_TRACES_EXPORTER": "console"}) as process:
        address = process.wait_until_ready()["echo.replyer"]
        with client_of(address) as client:
            client.send(n=1)
            client.receive()
        process.interrupt()
        process.wait_for_line('"name": "svc/echo"')
        assert process.wait() == 0
    with Process(*arguments, env={"OTEL_TRACES_EXPORTER": "otlp"}) as process:
        line = process.wait_for_line("no spans are made")
        assert "sf_actors[otel]" in line
        assert "otlp_proto_grpc" in line
        process.wait_until_ready()
        process.interrupt()
        assert process.wait() == 0
