"""Who is joined to whom: by address, else by name, family and topic."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sf_actors.inspection.graph.ends import End, ends_of_info
from sf_actors.inspection.graph.joining import joined
from sf_actors.sockets.endpoint import parse

if TYPE_CHECKING:
    from sf_actors.inspection.graph.model import Graph


def end(
    service: str,
    model: str,
    *addresses: str,
    sends: bool = False,
    binds: bool = False,
    kind: str = "message",
    topic: str | None = None,
    pid: int | None = None,
) -> End:
    endpoints = tuple(parse(address, where="test") for address in addresses)
    side = "out" if sends else "in"
    return End(service, model, side, kind, sends, binds, topic, endpoints, pid)


def pub(service: str, model: str, *addresses: str, **more: Any) -> End:
    return end(service, model, *addresses, **{"sends": True, "binds": True, **more})


def sub(service: str, model: str, *addresses: str, **more: Any) -> End:
    return end(service, model, *addresses, **more)


def graph(*ends: End) -> Graph:
    return joined((), ends)


def edges(*ends: End) -> list[str]:
    return [
        f"{one.source}/{one.source_model} {one.target}/{one.target_model}"
        for one in graph(*ends).edges
    ]


# by address


def test_ends_of_one_address_are_joined_whatever_they_are_called() -> None:
    assert edges(pub("a", "news", "127.0.0.1:1"), sub("b", "told", "127.0.0.1:1")) == [
        "a/news b/told"
    ]


def test_ends_of_other_addresses_are_not_joined_whatever_they_are_called() -> None:
    found = graph(pub("a", "news", "127.0.0.1:1"), sub("b", "news", "127.0.0.1:2"))

    assert found.edges == ()
    assert [(one.service, one.side, one.address) for one in found.open] == [
        ("a", "out", "127.0.0.1:1"),
        ("b", "in", "127.0.0.1:2"),
    ]


def test_who_binds_all_hosts_is_reached_by_any() -> None:
    for bound in ("0.0.0.0:1", "*:1", "[::]:1"):
        assert edges(pub("a", "n", bound), sub("b", "n", "10.0.0.7:1"))
    assert not edges(pub("a", "n", "10.0.0.8:1"), sub("b", "n", "10.0.0.7:1"))


def test_names_of_this_host_are_one() -> None:
    assert edges(pub("a", "n", "127.0.0.1:1"), sub("b", "n", "localhost:1"))


def test_a_path_is_one_place_and_a_name_within_a_process_is_one_there() -> None:
    assert edges(pub("a", "n", "ipc:///tmp/x", pid=1), sub("b", "n", "ipc:///tmp/x", pid=2))
    assert edges(pub("a", "n", "inproc://x", pid=1), sub("b", "n", "inproc://x", pid=1))
    assert not edges(pub("a", "n", "inproc://x", pid=1), sub("b", "n", "inproc://x", pid=2))


def test_kinds_never_mix_at_one_address() -> None:
    assert not edges(
        pub("a", "n", "127.0.0.1:1"), sub("b", "n", "127.0.0.1:1", kind="delta_update")
    )


def test_who_has_several_addresses_is_joined_to_all_who_are_there() -> None:
    assert edges(
        pub("a", "n", "127.0.0.1:1"),
        pub("b", "n", "127.0.0.1:2"),
        sub("c", "n", "127.0.0.1:1", "127.0.0.1:2"),
    ) == ["a/n c/n", "b/n c/n"]


def test_a_service_may_be_joined_to_itself_by_address_alone() -> None:
    assert edges(pub("a", "n", "127.0.0.1:1"), sub("a", "n", "127.0.0.1:1")) == ["a/n a/n"]
    assert edges(pub("a", "n"), sub("a", "n")) == []


def test_many_publishers_may_connect_to_one_who_binds() -> None:
    assert edges(
        pub("a", "n", "127.0.0.1:1", binds=False), sub("b", "all", "0.0.0.0:1", binds=True)
    ) == ["a/n b/all"]


def test_a_replica_that_asks_for_snapshots_elsewhere_is_not_joined() -> None:
    def state(service: str, snapshots: str, **more: Any) -> End:
        made = end(service, "book", "127.0.0.1:1", kind="delta_update", **more)
        return replace(made, snapshots=(parse(snapshots, where="test"),))

    leads = state("a", "127.0.0.1:2", sends=True, binds=True)
    assert edges(leads, state("b", "127.0.0.1:2"))
    found = graph(leads, state("b", "127.0.0.1:3"))
    assert found.edges == ()
    assert [one.address for one in found.open] == [
        "127.0.0.1:1, 127.0.0.1:2",
        "127.0.0.1:1, 127.0.0.1:3",
    ]


# by name


def test_without_addresses_ends_are_joined_by_name_and_kind() -> None:
    assert edges(pub("a", "n"), sub("b", "n"), sub("c", "m")) == ["a/n b/n"]
    assert edges(pub("a", "n"), sub("b", "n", kind="call")) == []


def test_one_address_that_is_not_known_leaves_the_names() -> None:
    assert edges(pub("a", "n", "127.0.0.1:1"), sub("b", "n")) == ["a/n b/n"]
    assert edges(pub("a", "n", "127.0.0.1:0"), sub("b", "n", "127.0.0.1:5")) == ["a/n b/n"]


def test_a_topic_reaches_who_wants_it_or_all() -> None:
    sender = pub("a", "n", topic="x")
    assert edges(sender, sub("b", "n", topic="x"), sub("c", "n"), sub("d", "n", topic="y")) == [
        "a/n b/n",
        "a/n c/n",
    ]
    assert graph(sender, sub("b", "n")).edges[0].topic == "x"
    assert not edges(pub("a", "n"), sub("b", "n", topic="x"))


def test_two_who_bind_are_never_joined() -> None:
    assert not edges(pub("a", "n"), sub("b", "n", binds=True))


def test_two_who_connect_meet_at_a_bus_by_name() -> None:
    sender = pub("a", "n", "127.0.0.1:1", binds=False)
    receiver = sub("b", "n", "127.0.0.1:2")
    assert edges(sender, receiver, sub("c", "m", "127.0.0.1:2")) == ["a/n b/n"]


def test_a_bus_that_is_known_stands_between_them() -> None:
    bus = {
        "pid": 7,
        "addresses": {"connections": {"in": {"xsub": "127.0.0.1:1", "xpub": "127.0.0.1:2"}}},
        "models": {"connections": {"in": {}, "out": {}}, "states": {"in": {}, "out": {}}},
    }
    found = graph(
        pub("a", "n", "127.0.0.1:1", binds=False, topic="x"),
        sub("b", "n", "127.0.0.1:2", topic="x"),
        *ends_of_info(bus, "bus"),
    )

    assert [(one.source, one.target, one.topic) for one in found.edges] == [
        ("a", "bus", "x"),
        ("bus", "b", "x"),
    ]
    assert found.open == ()


# the model


def test_an_edge_has_the_name_of_who_binds() -> None:
    (edge,) = graph(pub("a", "news", "127.0.0.1:1"), sub("b", "told", "127.0.0.1:1")).edges

    assert edge.model == "news"


def test_the_order_of_ends_changes_nothing() -> None:
    ends = [pub("a", "n"), sub("b", "n"), sub("c", "m"), pub("d", "m")]

    assert graph(*ends) == graph(*reversed(ends))


def test_calls_lead_from_who_asks_to_who_answers() -> None:
    asks = end("b", "n", kind="call", sends=True)
    answers = end("a", "n", kind="call", binds=True)

    assert edges(asks, answers) == ["b/n a/n"]
