"""Which services may run beside their successors."""

from __future__ import annotations

import pytest

from sf_actors.fleet.fleet import FleetService
from sf_actors.fleet.outlines import ModelOutline, ServiceOutline
from sf_actors.fleet.rolling import why_not_beside


def model(type_: str, kind: str = "connections", side: str = "in", **more: bool) -> ModelOutline:
    return ModelOutline("a", kind, side, "m", type_, {"x": True}, **more)


@pytest.mark.parametrize(
    "one",
    [
        model("replyer", has_handler=True),
        model("requester", side="out"),
        model("publisher", side="out"),
        model("full_update_in", "states"),
    ],
    ids=str,
)
def test_these_may(one: ModelOutline) -> None:
    assert why_not_beside(FleetService(name="a"), ServiceOutline("a", (one,))) is None


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (model("subscriber", has_handler=True), "subscriber"),
        (model("full_update_in", "states", has_handler=True), "in-state with a handler"),
        (model("delta_update_out", "states", "out"), "out-state"),
    ],
)
def test_these_may_not(one: ModelOutline, why: str) -> None:
    found = why_not_beside(FleetService(name="a"), ServiceOutline("a", (one,)))
    assert found is not None
    assert why in found


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"main": True}, "main"),
        ({"is_bus": True}, "bus"),
        ({"bind": {"m": "0.0.0.0:7000"}}, "bind"),
    ],
)
def test_services_that_may_not(more: dict[str, object], why: str) -> None:
    service = FleetService(name="a", **more)  # type: ignore[arg-type]
    assert why in (why_not_beside(service, ServiceOutline("a")) or "")


def test_a_timer_may_not() -> None:
    outline = ServiceOutline("a", timers=(model("timer"),))
    assert "timer" in (why_not_beside(FleetService(name="a"), outline) or "")
