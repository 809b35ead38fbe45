"""What a verb is about: SERVICE[#N][@PID][/[in/|out/]MODEL], or MODEL alone."""

from __future__ import annotations

from typing import Any

import pytest

from sf_actors.cli.target import (
    RemoteModel,
    RemoteService,
    chosen_model,
    chosen_service,
    models_of,
    parse_service,
    parse_target,
)
from sf_actors.errors import TargetError, UsageError
from sf_actors.inspection.client import Responder

HERE = Responder("ipc:///run/12-abcd-desk.sock", 12, "desk")
THERE = Responder("ipc:///run/34-abcd-desk.sock", 34, "desk")


def info(**models: str) -> dict[str, Any]:
    """Return an `info` with models, by `in_name` or `out_name`, of types."""
    sides: dict[str, Any] = {"in": {}, "out": {}}
    for key, type_ in models.items():
        side, _, name = key.partition("_")
        sides[side][name] = {"type": type_, "binds": type_ in {"replyer", "publisher"}}
    return {"models": {"connections": sides}}


DESK = list(
    models_of(RemoteService(HERE, "desk", 12), info(in_orders="replyer", in_ticks="subscriber"))
)
SCREEN = list(models_of(RemoteService(HERE, "screen", 12), info(out_orders="requester")))


@pytest.mark.parametrize(
    ("text", "service", "pid", "side", "model"),
    [
        ("desk", "desk", None, "", ""),
        ("desk#2", "desk#2", None, "", ""),
        ("desk#1", "desk", None, "", ""),
        ("desk@12", "desk", 12, "", ""),
        ("desk#2@12/in/orders", "desk#2", 12, "in", "orders"),
        ("desk/orders", "desk", None, "", "orders"),
        ("desk/out/in", "desk", None, "out", "in"),
        ("desk/in", "desk", None, "", "in"),
        ("a desk/my orders", "a desk", None, "", "my orders"),
    ],
)
def test_a_target_is_read(text: str, service: str, pid: int | None, side: str, model: str) -> None:
    found = parse_target(text)

    assert (found.service, found.pid, found.side, found.model) == (service, pid, side, model)


def test_the_first_of_a_name_is_also_the_first_instance_of_a_fleets_service() -> None:
    first = parse_target("desk#1/orders")

    assert first.is_service(7, "desk")
    assert first.is_service(7, "desk#1")
    assert not first.is_service(7, "desk#2")
    assert not parse_target("desk").is_service(7, "desk#1")


@pytest.mark.parametrize(
    "text", ["", "/", "desk/", "/orders", "desk@x", "desk#0", "a/b/c", "a@1@2"]
)
def test_what_is_no_target_is_an_error_that_shows_the_form(text: str) -> None:
    with pytest.raises(UsageError, match=r"expected SERVICE\[#N\]\[@PID\]"):
        parse_target(text)


def test_a_service_is_expected_where_no_model_is_used() -> None:
    with pytest.raises(UsageError, match="names a model as well"):
        parse_service("desk/orders")


def test_a_name_means_the_first_service_of_its_process_that_has_it() -> None:
    services = [RemoteService(HERE, "desk", 12), RemoteService(HERE, "desk#2", 12)]

    assert chosen_service(parse_target("desk"), services) == services[0]
    assert chosen_service(parse_target("desk#2"), services) == services[1]


def test_a_name_in_two_processes_is_ambiguous_unless_the_process_is_named() -> None:
    services = [RemoteService(HERE, "desk", 12), RemoteService(THERE, "desk", 34)]

    with pytest.raises(UsageError, match="may be desk@12, desk@34"):
        chosen_service(parse_target("desk"), services)
    assert chosen_service(parse_target("desk@34"), services) == services[1]


def test_a_name_that_no_service_has_alone_stands_for_its_instances() -> None:
    one, two = RemoteService(HERE, "desk#1", 12), RemoteService(THERE, "desk#2", 34)

    with pytest.raises(UsageError, match="'desk' may be desk#1@12, desk#2@34"):
        chosen_service(parse_target("desk"), [one, two])
    assert chosen_service(parse_target("desk@34"), [one, two]) == two
    assert chosen_service(parse_target("desk"), [two]) == two
    with pytest.raises(TargetError):
        chosen_service(parse_target("desk#1"), [two])


@pytest.mark.parametrize("text", ["desk", "desk/orders", "desk/in/orders"])
def test_so_it_does_for_their_models(text: str) -> None:
    one, two = (
        list(models_of(RemoteService(where, name, where.pid), info(in_orders="replyer")))
        for where, name in ((HERE, "desk#1"), (THERE, "desk#2"))
    )

    assert chosen(text, "replyer", models=one) == "desk#1@12/in/orders"
    with pytest.raises(UsageError, match="may be desk#1@12/in/orders, desk#2@34/in/orders"):
        chosen(text, "replyer", models=one + two)


def test_a_service_that_does_not_run_is_told_with_the_nearest() -> None:
    with pytest.raises(TargetError, match="got 'dsk'; did you mean 'desk'"):
        chosen_service(parse_target("dsk"), [RemoteService(HERE, "desk", 12)])
    with pytest.raises(TargetError, match="got 'desk@99'; there is desk@12"):
        chosen_service(parse_target("desk@99"), [RemoteService(HERE, "desk", 12)])


def chosen(text: str, *types: str, models: list[RemoteModel] | None = None, **options: Any) -> str:
    found = chosen_model(
        parse_target(text),
        DESK + SCREEN if models is None else models,
        lambda model: model.type in types,
        what="such model",
        **options,
    )
    return str(found)


@pytest.mark.parametrize(
    ("text", "types", "found"),
    [
        ("orders", ["replyer"], "desk@12/in/orders"),
        ("desk", ["replyer"], "desk@12/in/orders"),
        ("desk", ["subscriber"], "desk@12/in/ticks"),
        ("desk/orders", ["replyer"], "desk@12/in/orders"),
        ("desk@12/in/orders", ["replyer"], "desk@12/in/orders"),
        ("screen/orders", ["requester", "replyer"], "screen@12/out/orders"),
    ],
)
def test_only_models_that_the_verb_can_use_count(text: str, types: list[str], found: str) -> None:
    assert chosen(text, *types) == found


def test_the_side_that_binds_wins_where_both_can_be_used() -> None:
    assert chosen("orders", "replyer", "requester", prefers_binder=True) == "desk@12/in/orders"


def test_several_that_are_left_are_listed() -> None:
    with pytest.raises(UsageError, match="may be desk@12/in/orders, screen@12/out/orders"):
        chosen("orders", "replyer", "requester")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("ordres", "got 'ordres'; did you mean 'orders'?"),
        ("desk/ordres", "did you mean 'orders'?"),
        ("ticks", "got 'ticks', which is a subscriber"),
        ("desk/xyz", "it has orders"),
        ("desk/out/orders", "it has orders"),
    ],
)
def test_a_model_that_cannot_be_used_is_told_with_what_could(text: str, told: str) -> None:
    with pytest.raises(TargetError) as raised:
        chosen(text, "replyer", models=DESK)

    assert told in str(raised.value)
