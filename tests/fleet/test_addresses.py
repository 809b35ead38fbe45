"""The addresses of instances."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sf_actors.fleet.addresses import connectable, connected_to, inproc_addresses, ipc_addresses
from sf_actors.fleet.linking import link
from sf_actors.fleet.plan import Plan, plan_of
from tests.fleet.outlines import fleet, model, named, outline, service


def plan(*services: Any, models: list[Any]) -> Plan:
    outlines = named(
        *(outline(one.name, *(x for x in models if x.service == one.name)) for one in services)
    )
    made = fleet(*services)
    return plan_of(made, outlines, link(made, outlines), ipc_addresses(made, Path("/d")))


CALLS = [model("a", "x", "requester"), model("b", "x", "replyer")]


def test_a_binder_has_one_address_and_its_connector_the_same() -> None:
    found = plan(service("a"), service("b"), models=CALLS)

    (address,) = found.addresses["b"]["connections"]["in"]["x"].values()
    assert address == f"ipc:///d/{found.fleet.mark}/0"
    assert found.addresses["a"]["connections"]["out"]["x"] == {"requester": address}


def test_each_instance_binds_its_own_and_connectors_have_all() -> None:
    found = plan(service("a"), service("b", instances=3), models=CALLS)

    bound = [
        found.addresses[f"b#{number}"]["connections"]["in"]["x"]["replyer"] for number in (1, 2, 3)
    ]
    assert len(set(bound)) == 3
    assert found.addresses["a"]["connections"]["out"]["x"] == {"requester": bound}


def test_all_instances_of_a_connector_are_joined_to_the_same() -> None:
    found = plan(service("a", instances=2), service("b"), models=CALLS)

    assert found.addresses["a#1"] == found.addresses["a#2"]


def test_a_delta_state_has_an_address_for_each_socket() -> None:
    found = plan(
        service("a"),
        service("b"),
        models=[model("a", "x", "delta_update_in"), model("b", "x", "delta_update_out")],
    )

    out = found.addresses["b"]["states"]["out"]["x"]
    assert found.addresses["a"]["states"]["in"]["x"] == {
        "subscriber": out["publisher"],
        "requester": out["replyer"],
    }
    assert out["publisher"] != out["replyer"]


def test_a_binder_for_outsiders_is_joined_where_it_is() -> None:
    found = plan(service("a"), service("b", bind={"x": "0.0.0.0:27001"}), models=CALLS)

    assert found.addresses["b"]["connections"]["in"]["x"] == {"replyer": "0.0.0.0:27001"}
    assert found.addresses["a"]["connections"]["out"]["x"] == {"requester": "127.0.0.1:27001"}


def test_a_table_of_sockets_binds_what_it_names() -> None:
    bound = service("b", bind={"x": {"replyer": "127.0.0.1:2"}})
    found = plan(bound, models=[model("b", "x", "delta_update_out")])

    out = found.addresses["b"]["states"]["out"]["x"]
    assert out["replyer"] == "127.0.0.1:2"
    assert out["publisher"].startswith("ipc://")


def test_what_connects_outside_has_the_addresses_given() -> None:
    outside = service("a", connect={"x": ["10.0.0.7:1", "10.0.0.8:1"]})
    found = plan(outside, service("b"), models=CALLS)

    assert found.addresses["a"]["connections"]["out"]["x"] == {
        "requester": ["10.0.0.7:1", "10.0.0.8:1"]
    }


def test_a_bus_has_its_two_addresses() -> None:
    found = plan(
        service("a"),
        service("bus", is_bus=True, bind={"xsub": "0.0.0.0:27010"}),
        models=[model("a", "x", "publisher", is_x_pub=True)],
    )

    bus = found.addresses["bus"]["connections"]["in"]
    assert bus["xsub"] == "0.0.0.0:27010"
    assert bus["xpub"].startswith("ipc://")
    assert found.addresses["a"]["connections"]["out"]["x"] == {"publisher": "127.0.0.1:27010"}


def test_generations_that_overlap_have_addresses_of_their_own() -> None:
    made = plan(service("a"), service("b"), models=CALLS)
    (replyer,) = made.outlines["b"].models
    key = (*replyer.key, "replyer")
    bound = {"b": {"b": {key: "ipc:///d/0"}, "b (new)": {key: "ipc:///d/7"}}}

    assert connected_to(made.outlines["a"].models[0], "requester", made.links, bound) == [
        "ipc:///d/0",
        "ipc:///d/7",
    ]


def test_in_one_process_all_is_inproc() -> None:
    made = fleet(service("b"))
    choose = inproc_addresses(made)

    assert choose("b", ("connections", "in", "x", "replyer")) == f"inproc://{made.mark}/0"


def test_all_hosts_stand_for_this_machine_where_one_connects() -> None:
    assert connectable("*:1") == "127.0.0.1:1"
    assert connectable("tcp://[::]:1") == "[::1]:1"
    assert connectable("10.0.0.7:1") == "10.0.0.7:1"
