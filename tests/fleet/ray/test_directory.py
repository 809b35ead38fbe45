"""Who is where, as an instance knows it."""

from __future__ import annotations

from pathlib import Path

from sf_actors.fleet.linking import link
from sf_actors.fleet.ray.directory import Directory, Part, Spot, changes, links_of, reachable
from tests.fleet.outlines import fleet, model, named, outline, service

PLACE = ("connections", "in", "x", "replyer")


def directory(name: str = "a") -> Directory:
    """Return what an instance of `a`, which asks `b`, or of `b` knows: nothing."""
    models = {"a": model("a", "x", "requester"), "b": model("b", "x", "replyer")}
    services = (service("a"), service("b", instances=3), service("c"))
    outlines = named(*(outline(one, models[one]) for one in models), outline("c"))
    made = fleet(*services)
    plain = name.partition("#")[0]
    part = Part(
        name=name,
        service=made.by_name[plain],
        folder=Path("/fleet"),
        number=None,
        outline=outlines[plain],
        links=links_of(plain, link(made, outlines).links),
    )
    return Directory(part)


def at(port: int, since: int = 0, host: str = "10.0.0.1") -> Spot:
    return Spot("b", host, {PLACE: f"tcp://{host}:{port}"}, since)


def asked_by(known: Directory) -> object:
    return known.addresses()["connections"]["out"].get("x", {}).get("requester")


def test_a_connector_lacks_what_nobody_has_told() -> None:
    known = directory()
    assert known.lacking() == ["b"]
    assert known.partners == {"b"}

    known.learn("b#1", at(1))
    assert not known.lacking()
    assert not directory("b#1").lacking()


def test_a_connector_is_told_of_all_instances_in_order() -> None:
    known = directory()
    for number in (10, 2, 1):
        known.learn(f"b#{number}", at(number))

    assert asked_by(known) == [f"tcp://10.0.0.1:{number}" for number in (1, 2, 10)]


def test_a_later_start_of_an_instance_takes_its_place_and_an_earlier_one_never() -> None:
    known = directory()
    assert known.learn("b#1", at(1, since=5))
    assert known.learn("b#1", at(2, since=6))
    assert not known.learn("b#1", at(3, since=5))

    assert asked_by(known) == "tcp://10.0.0.1:2"


def test_what_there_is_replaces_what_was_but_for_later_starts() -> None:
    known = directory()
    known.learn("b#1", at(1, since=9))
    known.learn("b#2", at(2))
    known.replace({"b#1": at(7, since=8), "b#3": at(3)})

    assert asked_by(known) == ["tcp://10.0.0.1:1", "tcp://10.0.0.1:3"]


def test_an_instance_never_forgets_where_it_is_itself() -> None:
    known = directory("b#1")
    known.learn("b#1", at(1))
    known.replace({})

    assert known.addresses()["connections"]["in"]["x"] == {"replyer": "tcp://10.0.0.1:1"}


def test_what_is_bound_on_all_hosts_is_reached_at_the_node() -> None:
    assert reachable("tcp://0.0.0.0:7", "10.0.0.1") == "tcp://10.0.0.1:7"
    assert reachable("tcp://10.0.0.9:7", "10.0.0.1") == "tcp://10.0.0.9:7"


def test_only_what_differs_is_told_and_nobody_left_is_no_change() -> None:
    old, new, none = directory(), directory(), directory()
    old.learn("b#1", at(1))
    new.learn("b#1", at(2))

    assert changes(old.addresses(), new.addresses()) == [
        ("connections", "out", "x", {"requester": "tcp://10.0.0.1:2"})
    ]
    assert not changes(old.addresses(), old.addresses())
    assert not changes(old.addresses(), none.addresses())
