"""E302 and W303: handlers that wait for each other, and those that only nearly do."""

from __future__ import annotations

from typing import Any

from sf_actors.fleet.checks.waiting import Waits
from sf_actors.fleet.linking import link
from tests.fleet.outlines import fleet, model, named, outline, service


def waits(*models: Any, **keys: Any) -> Waits:
    services = [
        service(name, **keys.get(name, {})) for name in sorted({one.service for one in models})
    ]
    outlines = named(
        *(outline(one.name, *(x for x in models if x.service == one.name)) for one in services)
    )
    made = fleet(*services)
    return Waits(made, outlines, link(made, outlines))


def rings(*models: Any, **keys: Any) -> list[str]:
    found = list(waits(*models, **keys).deadlocks())
    assert all(one.code == "E302" for one in found)
    return [one.subject for one in found]


def asking_each_other(**creation: Any) -> list[Any]:
    return [
        model("a", "x", "replyer", asks=("y",), **creation),
        model("a", "y", "requester"),
        model("b", "y", "replyer", asks=("x",)),
        model("b", "x", "requester"),
    ]


def test_two_handlers_that_ask_each_other_are_a_deadlock_told_once() -> None:
    (finding,) = waits(*asking_each_other()).deadlocks()

    assert (finding.code, finding.subject) == ("E302", "a/x")
    assert "a/x -> b/y -> a/x" in finding.message
    assert finding.at == "a.py:1"


def test_a_callback_to_another_handler_of_the_service_is_one_too() -> None:
    models = [
        model("a", "news", "subscriber", asks=("y",)),
        model("a", "y", "requester"),
        model("a", "x", "replyer"),
        model("b", "y", "replyer", asks=("x",)),
        model("b", "x", "requester"),
        model("b", "news", "publisher"),
    ]

    assert rings(*models) == ["a/news"]


def test_a_ring_of_three_services_is_found() -> None:
    models = [
        *(model("a", "x", "replyer", asks=("y",)), model("a", "y", "requester")),
        *(model("b", "y", "replyer", asks=("z",)), model("b", "z", "requester")),
        *(model("c", "z", "replyer", asks=("x",)), model("c", "x", "requester")),
    ]

    assert rings(*models) == ["a/x"]
    assert rings(*models[:4], model("c", "z", "replyer"), model("c", "x", "requester")) == []


def test_what_main_asks_waits_for_no_handler() -> None:
    models = asking_each_other()
    models[2] = model("b", "y", "replyer")

    assert rings(*models) == []


def test_workers_run_beside_what_waits() -> None:
    models = asking_each_other(workers=2)
    assert rings(*models) == ["b/y"]

    models[2] = model("b", "y", "replyer", asks=("x",), workers=2)
    assert rings(*models) == []


def test_another_instance_may_answer() -> None:
    assert rings(*asking_each_other(), a={"instances": 2}, b={"instances": 2}) == []
    assert rings(*asking_each_other(), b={"instances": 2}) == ["a/x"]


def test_of_several_services_any_may_answer() -> None:
    models = [*asking_each_other(), model("c", "y", "replyer")]

    assert rings(*models, a={"links": {"y": ["b/y", "c/y"]}}) == []


def asking_on(patience_s: float, **inner: Any) -> list[str]:
    found = waits(
        model("a", "x", "requester", timeout_s=patience_s),
        model("b", "x", "replyer", asks=("y",)),
        model("b", "y", "requester", **inner),
        model("c", "y", "replyer"),
    ).impatient()
    return [f"{one.code} {one.subject}" for one in found]


def test_w303_is_told_of_a_caller_that_waits_for_less_than_its_callee() -> None:
    assert asking_on(5.0, timeout_s=5.1) == ["W303 a/x"]
    assert asking_on(5.0, timeout_s=2.0, retries=2) == ["W303 a/x"]
    assert asking_on(6.0, timeout_s=2.0, retries=2) == []
    assert asking_on(5.0, timeout_s=5.0) == []


def test_calls_in_stages_without_a_ring_are_gone_through_once() -> None:
    """They have 3^20 paths; each of these had been gone along."""
    models: list[Any] = []
    for i in range(21):
        asked = tuple(f"s{i + 1}_{k}" for k in range(3)) if i < 20 else ()
        for j in range(3):
            here = f"s{i}_{j}"
            models.append(model(here, here, "replyer", asks=asked))
            models += [model(here, one, "requester") for one in asked]

    assert rings(*models) == []
