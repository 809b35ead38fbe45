"""E105: a fleet that contradicts itself, and ones that nearly do."""

from __future__ import annotations

from typing import Any

import pytest

from sf_actors.fleet.checks.contradictions import contradictions
from tests.fleet.outlines import fleet, model, named, outline, service


def told(*services: Any, models: tuple[Any, ...] = ()) -> list[str]:
    outlines = named(
        *(outline(one.name, *(x for x in models if x.service == one.name)) for one in services)
    )
    found = list(contradictions(fleet(*services), outlines))
    assert all(one.code == "E105" for one in found)
    return [one.message for one in found]


def test_after_names_services() -> None:
    assert told(service("a", after=("b",)), service("b")) == []
    (message,) = told(service("a", after=("exchnge",)), service("exchange"))
    assert message == "after: expected a service, got 'exchnge'; did you mean 'exchange'?"


def test_after_has_no_circle_and_tells_one_once() -> None:
    chain = [service("a", after=("b", "c")), service("b", after=("c",)), service("c")]
    assert told(*chain) == []

    circle = [*chain[:2], service("c", after=("a",)), service("d", after=("a",))]
    assert told(*circle) == ["after: expected an order, got a circle: a after b after c after a"]
    assert told(service("a", after=("a",))) == ["after: expected an order, got a circle: a after a"]


def test_a_fleet_in_stages_is_gone_through_once() -> None:
    """It has 3^30 paths; each of these had been gone along."""
    stages = [
        service(f"s{i}_{j}", after=tuple(f"s{i + 1}_{k}" for k in range(3)) if i < 30 else ())
        for i in range(31)
        for j in range(3)
    ]
    assert told(*stages) == []


STATE = model("a", "book", "delta_update_out")


def test_a_service_with_an_out_state_has_one_instance() -> None:
    assert told(service("a", instances=1), models=(STATE,)) == []
    (message,) = told(service("a", instances=2), models=(STATE,))
    assert "has one instance, and 'book' is one" in message
    follower = model("a", "book", "delta_update_in")
    assert told(service("a", instances=2), models=(follower,)) == []


def test_a_service_with_bind_has_one_instance_and_so_has_a_bus() -> None:
    replyer = model("a", "x", "replyer")
    bound = {"x": "0.0.0.0:1"}
    assert told(service("a", bind=bound), models=(replyer,)) == []
    assert told(service("a", bind=bound, instances=2), models=(replyer,)) == [
        "instances: a service with bind has one instance, got 'x'"
    ]
    assert told(service("bus", is_bus=True)) == []
    assert told(service("bus", is_bus=True, instances=2)) == ["instances: a bus has one instance"]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"bind": {"ask": "*:1"}}, "bind: expected a model that binds, got 'ask', a requester"),
        ({"bind": {"oders": "*:1"}}, "did you mean 'orders'?"),
        ({"connect": {"orders": "h:1"}}, "connect: expected a model that connects, got 'orders'"),
        ({"links": {"orders": "b/x"}}, "links: expected a model that connects, got 'orders'"),
        ({"links": {"ak": "b/x"}}, "links: expected a model that connects, got 'ak'"),
        ({"bind": {"book": "*:1"}}, "bind: expected a table of its sockets (publisher, replyer)"),
        ({"bind": {"book": {"publsher": "*:1"}}}, "expected a socket (publisher, replyer)"),
        ({"connect": {"copy": {"subscriber": "h:1"}}}, "got none of 'requester'"),
        ({"connect": {"whole": ["h:1", "h:2"]}}, "expected one address, got a list"),
        ({"connect": {"ask": "h:1"}, "links": {"ask": "b/x"}}, "expected links or connect"),
        ({"bind": {"both": "*:1"}}, "'both' is a connection and a state; write 'connections/both'"),
    ],
)
def test_tables_name_models_that_are_so(keys: dict[str, Any], message: str) -> None:
    models = (
        model("a", "orders", "replyer"),
        model("a", "ask", "requester"),
        model("a", "book", "delta_update_out"),
        model("a", "copy", "delta_update_in"),
        model("a", "whole", "full_update_in"),
        model("a", "both", "publisher"),
        model("a", "both", "full_update_out"),
    )
    links = keys.pop("links", {})
    found = told(service("a", links=links, **keys), service("b"), models=models)

    assert [one for one in found if message in one]


def test_tables_that_are_right_are_taken() -> None:
    models = (
        model("a", "ask", "requester"),
        model("a", "book", "delta_update_out"),
        model("a", "both", "publisher"),
        model("a", "both", "full_update_out"),
    )
    keys = {
        "bind": {"book": {"publisher": "*:1"}, "states/both": "*:2"},
        "connect": {"ask": ["h:1", "h:2"]},
    }

    assert told(service("a", **keys), models=models) == []
