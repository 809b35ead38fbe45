"""`info`: what a service is, and how one of its models is used."""

from __future__ import annotations

import datetime as dt
import json
import os
import shlex
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import msgspec
import pytest

from tests.cli.test_call import back, exchange
from tests.support.shell import echoing, looked_at

if TYPE_CHECKING:
    from tests.cli.conftest import Shell
    from tests.support.shell import Ran


class Side(Enum):
    """A text of two words."""

    BUY = "buy it"


class Number(Enum):
    """A member that is no text."""

    ONE = 1


def test_a_service_is_shown_with_its_models_and_addresses(shell: Shell) -> None:
    service = echoing("desk")
    with looked_at(service):
        address = service.addresses["connections"]["in"]["echo"]["replyer"]
        found = shell("info", "desk")

    assert found.status == 0
    assert f"desk (pid {os.getpid()})" in found.out
    assert f"in/echo  replyer  -      replyer {address}" in found.out


def test_as_json_it_has_the_keys_of_the_contract(shell: Shell) -> None:
    with looked_at(echoing("desk")):
        found = shell("info", "desk", "--json").objects[0]

    assert {
        "service",
        "pid",
        "file",
        "command",
        "started_at",
        "python",
        "versions",
        "config",
        "addresses",
        "log_file",
        "models",
    } <= set(found)
    assert found["models"]["connections"]["in"]["echo"]["type"] == "replyer"


def test_the_example_of_a_model_can_be_typed_as_it_is(shell: Shell) -> None:
    fields = {"price": Decimal, "side": str, "inner": {"n": int}, "many": [int]}
    with looked_at(exchange(back, **fields)):
        found = shell("info", "exchange/order")
        called = shell(*example_in(found))

    assert "price  Decimal" in found.out
    assert called.status == 0, called.err
    assert set(json.loads(called.out)) == set(fields)


@pytest.mark.parametrize(
    "type_",
    [
        Side,
        Literal["it's", 2],
        (int, str),
        (Decimal, (int, float), [int]),
        {"number": Number, "side": Side, "one": Literal[1], "on": dt.date},
        {"pair": (int, str), "inner": {"a b": str}},
        Annotated[int, msgspec.Meta(ge=5)],
        Annotated[int, msgspec.Meta(gt=10, multiple_of=7)],
        Annotated[float, msgspec.Meta(gt=0, lt=1)],
        Annotated[str, msgspec.Meta(min_length=8)],
        Annotated[bytes, msgspec.Meta(max_length=1)],
        Annotated[list[int], msgspec.Meta(min_length=2)],
        Annotated[dict[UUID, int], msgspec.Meta(min_length=1)],
        Annotated[dt.datetime, msgspec.Meta(tz=True)],
        Annotated[dt.datetime, msgspec.Meta(tz=False)],
        Annotated[dt.time, msgspec.Meta(tz=True)],
    ],
    ids=str,
)
def test_the_example_holds_to_what_is_declared(shell: Shell, type_: Any) -> None:
    with looked_at(exchange(back, it=type_)):
        called = shell(*example_in(shell("info", "exchange/order")))

    assert called.status == 0, called.err


def test_names_with_spaces_are_quoted_in_the_example(shell: Shell) -> None:
    with looked_at(echoing("my desk"), exchange(back, **{"the price": int})):
        found = [shell(*example_in(shell("info", of))) for of in ("my desk/echo", "exchange/order")]

    assert [one.err for one in found] == ["", ""]
    assert found[1].objects == [{"the price": 1}]


def example_in(found: Ran) -> list[str]:
    """Return the example at the end of what `info` printed, as a POSIX shell splits it."""
    return shlex.split(found.out.splitlines()[-1])[1:]
