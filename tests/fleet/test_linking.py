"""Who is joined to whom, and why one is joined to nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sf_actors.fleet.linking import link
from tests.fleet.outlines import fleet, model, named, outline, service

if TYPE_CHECKING:
    from sf_actors.fleet.fleet import FleetService
    from sf_actors.fleet.linking import Linked
    from sf_actors.fleet.outlines import ModelOutline


def linked(*services: FleetService, models: list[ModelOutline]) -> Linked:
    """Link services that have these models; the bus has none."""
    outlines = [
        outline(one.name, *(model for model in models if model.service == one.name))
        for one in services
    ]
    return link(fleet(*services), named(*outlines))


def told(found: Linked) -> list[tuple[str, str]]:
    return [(one.code, one.subject) for one in found.findings]


def joined(found: Linked) -> list[tuple[str | None, str | None, str | None]]:
    links = [one.as_dict() for one in found.links]
    return [(one["from"], one["to"], one["kind"]) for one in links]


A, B, C = service("a"), service("b"), service("c")


@pytest.mark.parametrize(
    ("connects", "binds", "kind"),
    [
        ("requester", "replyer", "call"),
        ("subscriber", "publisher", "message"),
        ("delta_update_in", "delta_update_out", "delta_update"),
        ("full_update_in", "full_update_out", "full_update"),
    ],
)
def test_what_connects_is_joined_to_what_binds_by_name(
    connects: str, binds: str, kind: str
) -> None:
    found = linked(A, B, models=[model("a", "x", connects), model("b", "x", binds)])

    ends = ("a/x", "b/x") if connects == "requester" else ("b/x", "a/x")
    assert joined(found) == [(*ends, kind)]
    assert told(found) == []


def test_a_delta_state_is_joined_by_both_sockets() -> None:
    found = linked(
        A, B, models=[model("a", "x", "delta_update_in"), model("b", "x", "delta_update_out")]
    )

    (one,) = found.links
    assert [(joint.connector.socket, joint.binder.socket) for joint in one.joints] == [
        ("subscriber", "publisher"),
        ("requester", "replyer"),
    ]


def test_a_subscriber_that_binds_is_joined_by_publishers_that_connect() -> None:
    found = linked(
        A,
        B,
        models=[
            model("a", "x", "subscriber", is_binder=True),
            model("b", "x", "publisher", is_x_pub=True),
        ],
    )

    assert joined(found) == [("b/x", "a/x", "message")]
    assert told(found) == []


def test_a_service_is_not_joined_to_itself() -> None:
    found = linked(A, models=[model("a", "x", "requester"), model("a", "x", "replyer")])

    assert told(found) == [("E101", "a/x")]


def test_e101_names_the_nearest_of_the_other_side() -> None:
    found = linked(
        A,
        B,
        models=[
            model("a", "ordrs", "requester"),
            model("b", "orders", "replyer"),
            model("b", "ordrs", "publisher"),
        ],
    )

    (finding,) = found.findings
    assert finding.code == "E101"
    assert "did you mean 'orders'?" in finding.message
    assert (finding.at, finding.other_at) == ("a.py:5", "b.py:6")


def test_e101_is_not_told_while_a_service_cannot_be_read() -> None:
    found = link(fleet(A, B), named(outline("a", model("a", "x", "requester"))))

    assert told(found) == []


def test_e102_lists_the_services_and_the_line_to_write() -> None:
    models = [model("a", "x", "requester"), model("b", "x", "replyer"), model("c", "x", "replyer")]
    found = linked(A, B, C, models=models)

    (finding,) = found.findings
    assert finding.code == "E102"
    assert 'got b, c; write links = { x = "b/x" }' in finding.message
    chosen = service("a", links={"x": "c/x"})
    assert joined(linked(chosen, B, C, models=models)) == [("a/x", "c/x", "call")]


def test_a_requester_and_a_subscriber_may_be_joined_to_several() -> None:
    models = [
        *(model("a", "x", "requester"), model("a", "y", "subscriber")),
        *(model("b", "x", "replyer"), model("b", "y", "publisher")),
        *(model("c", "x", "replyer"), model("c", "y", "publisher")),
    ]
    both = service("a", links={"x": ["b/x", "c/x"], "y": ["b/y", "c/y"]})
    found = linked(both, B, C, models=models)

    assert told(found) == []
    assert len(found.links) == 4


def test_a_state_follows_one_alone() -> None:
    models = [
        model("a", "x", "full_update_in"),
        *(model(name, "x", "full_update_out") for name in "bc"),
    ]
    found = linked(service("a", links={"x": ["b/x", "c/x"]}), B, C, models=models)

    assert told(found) == [("E105", "a/x")]


def test_kind_and_topic_choose_among_several() -> None:
    by_kind = [
        model("a", "x", "delta_update_in"),
        model("b", "x", "full_update_out"),
        model("c", "x", "delta_update_out"),
    ]
    by_topic = [
        model("a", "x", "subscriber", topic="eur"),
        model("b", "x", "publisher", topic="usd"),
        model("c", "x", "publisher", topic="eur"),
    ]

    assert joined(linked(A, B, C, models=by_kind)) == [("c/x", "a/x", "delta_update")]
    assert joined(linked(A, B, C, models=by_topic)) == [("c/x", "a/x", "message")]


@pytest.mark.parametrize(
    ("receiver", "sender"),
    [
        (("delta_update_in", {}), ("full_update_out", {})),
        (("subscriber", {"topic": "eur"}), ("publisher", {"topic": "usd"})),
        (("subscriber", {"topic": "eur"}), ("publisher", {})),
    ],
)
def test_e202_is_told_where_names_meet_and_kinds_or_topics_never_do(
    receiver: tuple[str, dict[str, str]], sender: tuple[str, dict[str, str]]
) -> None:
    models = [
        model("a", "x", receiver[0], **receiver[1]),
        model("b", "x", sender[0], **sender[1]),
    ]

    assert told(linked(A, B, models=models)) == [("E202", "a/x")]
    named_one = service("a", links={"x": "b/x"})
    assert told(linked(named_one, B, models=models)) == [("E202", "a/x")]


def test_a_subscriber_of_all_topics_meets_any() -> None:
    models = [model("a", "x", "subscriber"), model("b", "x", "publisher", topic="usd")]

    assert told(linked(A, B, models=models)) == []


def test_links_name_what_is_called_otherwise() -> None:
    models = [model("a", "x", "requester"), model("b", "y", "replyer")]
    found = linked(service("a", links={"x": "b/y"}), B, models=models)

    assert joined(found) == [("a/x", "b/y", "call")]


def test_a_kind_tells_two_models_of_a_name_apart() -> None:
    models = [
        *(model("a", "x", "subscriber"), model("a", "x", "full_update_in")),
        *(model("b", "y", "publisher"), model("b", "x", "full_update_out")),
    ]
    found = linked(service("a", links={"connections/x": "b/connections/y"}), B, models=models)

    assert told(found) == []
    assert joined(found) == [("b/x", "a/x", "full_update"), ("b/y", "a/x", "message")]


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("exchnge/x", "did you mean 'exchange'?"),
        ("exchange/xx", "has no model 'xx'"),
        ("exchange/news", "a requester cannot be joined to exchange/news, a publisher"),
        ("a/x", "expected another service, got a/x"),
        ("bus", "'bus' is a bus"),
    ],
)
def test_e105_names_what_links_cannot_mean(given: str, hint: str) -> None:
    models = [
        model("a", "x", "requester"),
        model("exchange", "x", "replyer"),
        model("exchange", "news", "publisher"),
    ]
    found = linked(
        service("a", links={"x": given}),
        service("exchange"),
        service("bus", is_bus=True),
        models=models,
    )

    (finding,) = found.findings
    assert finding.code == "E105"
    assert hint in finding.message


BUS, OTHER_BUS = service("bus", is_bus=True), service("second", is_bus=True)
AT_BUS = [
    model("a", "x", "publisher", is_x_pub=True, topic="t"),
    model("b", "x", "subscriber", is_x_sub=True, topic="t"),
    model("c", "x", "subscriber", is_x_sub=True, topic="u"),
]


def test_models_of_a_bus_join_the_only_one() -> None:
    found = linked(A, B, C, BUS, models=AT_BUS)

    assert joined(found) == [
        ("a/x", "bus/xsub", "message"),
        ("bus/xpub", "b/x", "message"),
        ("bus/xpub", "c/x", "message"),
    ]
    assert told(found) == []
    assert [(str(one.sender), str(one.receiver)) for one in found.pairs] == [("a/x", "b/x")]


def test_models_of_a_bus_need_one_and_only_one() -> None:
    assert told(linked(A, B, C, models=AT_BUS)) == [
        ("E101", "a/x"),
        ("E101", "b/x"),
        ("E101", "c/x"),
    ]
    assert told(linked(A, BUS, OTHER_BUS, models=AT_BUS[:1])) == [("E102", "a/x")]
    chosen = service("a", links={"x": "second"})
    assert joined(linked(chosen, BUS, OTHER_BUS, models=AT_BUS[:1])) == [
        ("a/x", "second/xsub", "message")
    ]


def test_the_snapshots_of_a_state_at_a_bus_go_past_it() -> None:
    found = linked(
        A,
        B,
        BUS,
        models=[
            model("a", "x", "delta_update_in", is_x_sub=True),
            model("b", "x", "delta_update_out", is_x_pub=True),
        ],
    )

    assert told(found) == []
    joints = [joint for one in found.links for joint in one.joints]
    assert {
        (joint.connector.service, joint.connector.socket, joint.binder.service, joint.binder.socket)
        for joint in joints
    } == {
        ("a", "subscriber", "bus", "xpub"),
        ("b", "publisher", "bus", "xsub"),
        ("a", "requester", "b", "replyer"),
    }


def test_a_state_at_a_bus_does_not_meet_one_that_binds() -> None:
    found = linked(
        A,
        B,
        BUS,
        models=[
            model("a", "x", "delta_update_in", is_x_sub=True),
            model("b", "x", "delta_update_out"),
        ],
    )

    assert told(found) == [("E202", "a/x")]


def test_a_subscriber_beside_a_bus_is_told_of_it() -> None:
    found = linked(
        A,
        B,
        BUS,
        models=[model("a", "x", "subscriber"), model("b", "x", "publisher", is_x_pub=True)],
    )

    (finding,) = found.findings
    assert finding.code == "E101"
    assert "is_x_sub" in finding.message


def test_what_connects_outside_is_not_joined() -> None:
    models = [model("a", "x", "requester"), model("b", "x", "replyer")]
    found = linked(service("a", connect={"x": "10.0.0.7:1"}), B, models=models)

    assert joined(found) == []
    assert told(found) == []
    assert [str(one) for one in found.outside] == ["a/x"]
