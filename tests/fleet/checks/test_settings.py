"""W301, W304 and W305, and settings that will just do."""

from __future__ import annotations

from typing import Any

from sf_actors.fleet.checks.settings import unheard, unsafe
from sf_actors.fleet.linking import link
from sf_actors.fleet.matching import Pair
from tests.fleet.outlines import fleet, model, named, outline, service


def alone(*services: Any, models: list[Any]) -> list[str]:
    outlines = named(
        *(outline(one.name, *(x for x in models if x.service == one.name)) for one in services)
    )
    made = fleet(*services)
    return [one.subject for one in unheard(made, outlines, link(made, outlines))]


def codes(sender: Any, receiver: Any) -> list[tuple[str, str]]:
    return [(one.code, one.subject) for one in unsafe([Pair(sender, receiver)])]


def test_w301_is_told_of_a_publisher_or_out_state_that_nobody_joins() -> None:
    models = [
        model("a", "news", "publisher"),
        model("a", "book", "full_update_out"),
        model("a", "ask", "replyer"),
    ]

    assert alone(service("a"), models=models) == ["a/news", "a/book"]
    outside = {"news": "0.0.0.0:1", "book": "0.0.0.0:2"}
    assert alone(service("a", bind=outside), models=models) == []
    followers = [model("b", "news", "subscriber"), model("b", "book", "full_update_in")]
    assert alone(service("a"), service("b"), models=[*models, *followers]) == []


def test_a_publisher_at_a_bus_is_heard_there() -> None:
    models = [model("a", "news", "publisher", is_x_pub=True)]

    assert alone(service("a"), service("bus", is_bus=True), models=models) == []


def test_w304_is_told_of_retries_without_deduplicate() -> None:
    asks, answers = model("a", "x", "requester", retries=1), model("b", "x", "replyer")

    assert codes(asks, answers) == [("W304", "a/x")]
    assert codes(asks, model("b", "x", "replyer", deduplicate=True)) == []
    assert codes(model("a", "x", "requester", retries=0), answers) == []


def test_w305_is_told_of_a_replica_that_is_stale_before_two_heartbeats() -> None:
    publisher = model("a", "x", "delta_update_out", heartbeat_s=2.0)

    def follower(stale_after_s: float) -> Any:
        return model("b", "x", "delta_update_in", stale_after_s=stale_after_s)

    assert codes(publisher, follower(3.9)) == [("W305", "b/x")]
    assert codes(publisher, follower(4.0)) == []
