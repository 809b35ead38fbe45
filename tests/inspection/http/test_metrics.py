"""`/metrics`, by Prometheus' own parser."""

from __future__ import annotations

import math
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

import sf_actors
from sf_actors import RemoteError, Service
from sf_actors.inspection.http import metrics
from sf_actors.testing import module_of
from tests.inspection.http.clients import got
from tests.support.models import ANY_PORT, address_of, replyer, requester
from tests.support.services import echo_service, service_of
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sf_actors.inspection.http.server import HttpServer

STATE = {"state_type": "delta_update", "required_arguments": {"a": int}}

#: Sample name and labels -> value.
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]

ALL = {
    *(f"sf_actors_{name}" for name in ("received", "sent", "handled", "dropped", "missed")),
    *(f"sf_actors_{name}" for name in ("timeouts", "retries", "restarts", "state_gaps")),
    *(f"sf_actors_{name}" for name in ("queued", "in_flight", "peers", "state_phase")),
    *(f"sf_actors_{name}" for name in ("state_age_seconds", "state_number", "info")),
    "sf_actors_handler_seconds",
}


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with closing(sf_actors.http("127.0.0.1:0")) as made:
        yield made


def parsed(text: str) -> tuple[set[str], Samples]:
    """Return the families and the samples of a text; a series that is there twice is an error."""
    families, samples = set(), {}
    for family in text_string_to_metric_families(text):
        assert family.name not in families
        families.add(family.name)
        for sample in family.samples:
            key = sample.name, frozenset(sample.labels.items())
            assert key not in samples
            samples[key] = sample.value
    return families, samples


def scraped(server: HttpServer) -> tuple[set[str], Samples]:
    status, body = got(server.address, "/metrics")
    assert status == 200
    return parsed(body.decode())


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[f"sf_actors_{name}", frozenset(labels.items())]


def asking(address: str) -> Service:
    source = module_of(
        "asking", connection_models={"out": {"echo": requester({"n": int}, {"n": int})}}
    )
    return service_of(source, addresses={"connections": {"out": {"echo": address}}})


def answering(handler: Any) -> Service:
    source = module_of(
        "answering", connection_models={"in": {"echo": replyer(handler, {"n": int}, {"n": int})}}
    )
    return service_of(source, addresses={"connections": {"in": {"echo": ANY_PORT}}})


def test_calls_are_counted_by_how_they_ended(server: HttpServer) -> None:
    def handler(args: Any) -> Any:
        if args["n"] == 1:
            raise ValueError("no")
        if args["n"] == 2:
            raise sf_actors.Refused("no")
        return args

    with answering(handler) as answers, asking(address_of(answers)) as asks:
        for n in (0, 0, 0, 1, 2, 2):
            with suppress(RemoteError):
                asks.to_send("echo", {"n": n})

        _, samples = scraped(server)

    labels = {"service": "answering", "side": "in", "model": "echo"}
    assert value(samples, "handled_total", **labels, outcome="ok") == 3
    assert value(samples, "handled_total", **labels, outcome="failed") == 1
    assert value(samples, "handled_total", **labels, outcome="refused") == 2
    assert value(samples, "received_total", **labels) == 6
    assert value(samples, "handler_seconds_count", **labels) == 6
    assert value(samples, "handler_seconds_bucket", **labels, le="+Inf") == 6
    assert value(samples, "peers", **labels) == 1
    out = {"service": "asking", "side": "out", "model": "echo"}
    assert value(samples, "sent_total", **out) == 6
    whole = {"service": "answering", "side": "", "model": ""}
    assert value(samples, "handled_total", **whole, outcome="failed") == 1


def test_the_buckets_of_a_histogram_add_up() -> None:
    buckets = [[0.1, 2], [1.0, 3], [None, 4]]
    durations = {"count": 9, "sum": 7.5, "max": 9.0, "buckets": buckets}
    model = {"handler_s": durations}
    _, samples = parsed(metrics.text_of([stats_with({"in": {"m": model}, "out": {}})]))

    labels = {"service": "svc", "side": "in", "model": "m"}
    counts = [value(samples, "handler_seconds_bucket", **labels, le=le) for le in ("0.1", "1.0")]
    assert counts == [2, 5]
    assert value(samples, "handler_seconds_sum", **labels) == 7.5


def test_dropped_messages_are_counted_by_reason() -> None:
    model = {"dropped": {"invalid": 2, "too_large": 1}}
    _, samples = parsed(metrics.text_of([stats_with({"in": {"m": model}, "out": {}})]))

    labels = {"service": "svc", "side": "in", "model": "m"}
    assert value(samples, "dropped_total", **labels, reason="invalid") == 2


def test_a_replica_has_its_phase_age_and_number(server: HttpServer) -> None:
    with publisher_of() as publisher:
        book = publisher.addresses["states"]["out"]["book"]
        with replica_of(book["publisher"], book["replyer"]) as replica:
            publisher.to_send("book", {"a": 1})
            until(lambda: replica.states.status("book").number == 0, "the update")
            _, samples = scraped(server)

    labels = {"service": "replica", "side": "in", "model": "book"}
    phases = [
        value(samples, "state_phase", **labels, phase=p) for p in ("SYNCING", "LIVE", "STALE")
    ]
    assert phases == [0, 1, 0]
    assert value(samples, "state_number", **labels) == 0
    assert 0 <= value(samples, "state_age_seconds", **labels) < 3
    assert value(samples, "state_gaps_total", **labels) == 0


def test_all_families_are_there_together(server: HttpServer) -> None:
    model = {"dropped": {"invalid": 2}, "missed": 1}
    made, _ = parsed(metrics.text_of([stats_with({"in": {"m": model}, "out": {}})]))
    with (
        answering(lambda args: args) as answers,
        asking(address_of(answers)),
        replica_of("127.0.0.1:1", "127.0.0.1:1"),
    ):
        families, _ = scraped(server)

    # of a replica that has heard nobody the age is not known
    assert families | made | {"sf_actors_state_age_seconds"} == ALL


def test_services_of_one_name_are_told_apart(server: HttpServer) -> None:
    with echo_service(), echo_service():
        _, samples = scraped(server)

    services = {dict(labels)["service"] for _, labels in samples}
    assert services == {"service_under_test", "service_under_test#2"}


def test_a_connection_and_a_state_of_one_name_are_told_apart() -> None:
    stats = stats_with({"in": {}, "out": {"book": {"sent": 1}}})
    stats["states"] = {"in": {}, "out": {"book": {"sent": 2}}}
    _, samples = parsed(metrics.text_of([stats]))

    labels = {"service": "svc", "side": "out"}
    assert value(samples, "sent_total", **labels, model="connections/book") == 1
    assert value(samples, "sent_total", **labels, model="states/book") == 2


def test_names_of_any_characters_are_escaped() -> None:
    name = 'a "quoted" \\ name of {braces}, and = signs é'
    _, samples = parsed(metrics.text_of([stats_with({"in": {name: {"received": 1}}, "out": {}})]))

    assert value(samples, "received_total", service="svc", side="in", model=name) == 1


def test_what_is_not_known_has_no_sample() -> None:
    text = metrics.text_of([stats_with({"in": {"m": {"peers": None}}, "out": {}})])

    assert "sf_actors_peers{" not in text


def test_nothing_that_runs_has_no_samples(server: HttpServer) -> None:
    assert not scraped(server)[1]


def test_no_number_is_lost() -> None:
    many = 2**53 + 1
    text = metrics.text_of([stats_with({"in": {"m": {"received": many}}, "out": {}})])

    assert f" {many}\n" in text
    assert not any(math.isnan(found) for found in parsed(text)[1].values())


def stats_with(connections: dict[str, Any]) -> dict[str, Any]:
    router = {"queued": 0, "handled": 0, "failed": 0, "restarts": 0}
    states: dict[str, Any] = {"in": {}, "out": {}}
    return {"service": "svc", "router": router, "connections": connections, "states": states}


def publisher_of() -> Service:
    source = module_of("publisher", state_models={"out": {"book": STATE}})
    at = {"publisher": ANY_PORT, "replyer": ANY_PORT}
    return service_of(source, addresses={"states": {"out": {"book": at}}})


def replica_of(publisher: str, replyer: str) -> Service:
    source = module_of("replica", state_models={"in": {"book": STATE}})
    at = {"subscriber": publisher, "requester": replyer}
    return service_of(source, addresses={"states": {"in": {"book": at}}})


def test_a_family_is_told_of_before_its_first_series(server: HttpServer) -> None:
    assert scraped(server)[0] >= ALL - {"sf_actors_info"}
