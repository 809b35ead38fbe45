"""`info`: what a service is, and how one of its models is used."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from typing import TYPE_CHECKING

from tests.cli.test_call import back, exchange
from tests.support.shell import echoing, looked_at

if TYPE_CHECKING:
    from tests.cli.conftest import Shell


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
        example = found.out.splitlines()[-1]
        # as a POSIX shell reads it
        import shlex

        called = shell(*shlex.split(example)[1:])

    assert "price  Decimal" in found.out
    assert called.status == 0, called.err
    assert set(json.loads(called.out)) == set(fields)
