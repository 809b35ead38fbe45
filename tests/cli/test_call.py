"""`call`: a replyer that runs is asked from the shell."""

from __future__ import annotations

import json
import signal
import socket
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors import Refused
from sf_actors.testing import module_of
from tests.inspection.test_command_line import service_file
from tests.support.freezing import freeze
from tests.support.processes import Process
from tests.support.services import REPLYER_FILE, Background, echo, replying, service_of
from tests.support.shell import echoing, looked_at, ran, ran_here
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from pathlib import Path

    from sf_actors import Service
    from tests.cli.conftest import Shell
    from tests.support.services import Gate

KEYS = {"calls", "failed", "seconds", "per_s", "p50_s", "p90_s", "p99_s", "max_s"}


def exchange(handler: Any, **fields: Any) -> Service:
    """Return a service with a replyer `order`, which returns what it gets of anything."""
    models = {
        "in": {
            "order": {
                "connection_type": "replyer",
                "required_creation_arguments": {"on_order": handler},
                "required_arguments": fields,
                "optional_return_arguments": dict(fields),
            }
        }
    }
    addresses = {"connections": {"in": {"order": {"replyer": "127.0.0.1:0"}}}}
    module = module_of(connection_models=models)
    return service_of(module, addresses=addresses, name="exchange")


def back(args: dict[str, Any]) -> dict[str, Any]:
    return args


def test_the_reply_is_one_line_of_json(shell: Shell) -> None:
    with looked_at(echoing("desk")):
        assert shell("call", "desk/echo", "n=5") == (0, '{"n": 5}\n', "")
        assert shell("call", "echo", "n=5").out == '{"n": 5}\n'
        assert shell("call", "desk", "n=5").out == '{"n": 5}\n'


def test_values_travel_with_the_types_that_the_model_declares(shell: Shell) -> None:
    fields = {"price": Decimal, "levels": {int: Decimal}, "raw": bytes, "inner": {"a": int | None}}
    seen: list[Any] = []

    def on_order(args: dict[str, Any]) -> dict[str, Any]:
        seen.append(args)
        return args

    argv = ["price=1.50", 'levels={"5": "2.5"}', "raw=AAE=", "inner.a=null"]
    with looked_at(exchange(on_order, **fields)):
        found = shell("call", "order", *argv)

    assert seen == [
        {
            "price": Decimal("1.50"),
            "levels": {5: Decimal("2.5")},
            "raw": b"\x00\x01",
            "inner": {"a": None},
        }
    ]
    assert json.loads(found.out) == {
        "price": "1.50",
        "levels": {"5": "2.5"},
        "raw": "AAE=",
        "inner": {"a": None},
    }


@pytest.mark.parametrize("pair", ["n=five", "m=5", "n=5 n=6", "n"])
def test_a_wrong_value_or_key_is_exit_status_2_and_nothing_is_sent(shell: Shell, pair: str) -> None:
    seen: list[Any] = []
    with looked_at(exchange(lambda args: seen.append(args), n=int)):  # noqa: PLW0108
        assert shell("call", "order", *pair.split()).status == 2

    assert seen == []


@pytest.mark.parametrize("text", [str(2**64), "\udcff"])
def test_a_value_that_cannot_travel_is_exit_status_2(shell: Shell, text: str) -> None:
    with looked_at(exchange(back, n=int | str)):
        found = shell("call", "order", f"n={text}")

    assert found.status == 2
    assert "expected what MessagePack can hold" in found.err


def test_an_error_of_the_handler_is_exit_status_1_with_its_text(shell: Shell) -> None:
    def on_order() -> None:
        raise ValueError("no such \x1b[31mbook")

    with looked_at(exchange(on_order)):
        found = shell("call", "order")

    assert found.status == 1
    assert found.out == ""
    assert "ValueError: no such \\x1b[31mbook" in found.err


def test_a_refusal_is_exit_status_1_with_its_text(shell: Shell) -> None:
    def on_order() -> None:
        raise Refused("the market is closed")

    with looked_at(exchange(on_order)):
        found = shell("call", "order")

    assert found.status == 1
    assert "the market is closed" in found.err


def test_no_reply_in_time_is_exit_status_124(shell: Shell, gate: Gate) -> None:
    with looked_at(echoing("desk", gate)):
        found = shell("call", "desk/echo", "n=1", "--timeout", "0.2")
        gate.may_end.set()

    assert found.status == 124
    assert found.out == ""
    assert "within 0.2 s" in found.err


def test_a_timeout_of_years_is_waited_as_any_other(shell: Shell) -> None:
    with looked_at(echoing("desk")):
        assert shell("call", "desk/echo", "n=1", "--timeout", "9000000000").status == 0
        assert shell("call", "echo", "n=1", "-n", "2", "--timeout", "9000000000").status == 0


def test_many_calls_without_a_reply_end_after_the_time_of_one(shell: Shell, gate: Gate) -> None:
    with looked_at(echoing("desk", gate)):
        found = shell("call", "echo", "n=1", "-n", "2", "-c", "2", "--timeout", "0.2")
        gate.may_end.set()

    assert found.status == 1
    assert "2 of 2 failed: no answer within 0.2 s" in found.err


def test_one_slow_call_does_not_keep_the_shell_from_another_service(
    shell: Shell, gate: Gate
) -> None:
    with looked_at(echoing("slow", gate), echoing("desk")):
        calling = Background(shell, "call", "slow/echo", "n=1")
        gate.entered.get(timeout=PATIENCE_S)
        rows = shell("ps", "--json").objects
        gate.may_end.set()
        calling.join()

    assert len(rows) == 2


def test_a_model_of_a_name_in_two_services_is_listed_and_nothing_is_sent(shell: Shell) -> None:
    with looked_at(echoing("one"), echoing("two")):
        found = shell("call", "echo", "n=1")

    assert found.status == 2
    assert "in/echo" in found.err
    assert "one@" in found.err
    assert "two@" in found.err


@pytest.mark.parametrize("flags", [["-n", "50"], ["-n", "50", "-c", "8"]])
def test_many_calls_are_a_table_of_latencies(shell: Shell, flags: list[str]) -> None:
    with looked_at(echoing("desk")):
        found = shell("call", "echo", "n=1", *flags, "--json")

    figures = found.objects[0]
    assert set(figures) == KEYS
    assert (figures["calls"], figures["failed"]) == (50, 0)
    assert figures["p50_s"] <= figures["p90_s"] <= figures["p99_s"] <= figures["max_s"]


def test_some_of_many_calls_that_fail_are_exit_status_1(shell: Shell) -> None:
    calls: list[int] = []

    def on_order() -> dict[str, Any]:
        calls.append(1)
        if len(calls) % 2:
            raise ValueError("odd")
        return {}

    with looked_at(exchange(on_order)):
        found = shell("call", "order", "-n", "10", "--json")

    assert found.status == 1
    assert found.objects[0]["failed"] == 5
    assert "5 of 10 failed" in found.err


@pytest.mark.slow
def test_standard_input_gives_a_json_object() -> None:
    with looked_at(exchange(back, n=int, m=int)):
        found = ran("call", "order", "-", "m=3", given='{"n": 1, "m": 2}')

    assert found == (0, '{"n": 1, "m": 3}\n', "")


@pytest.mark.slow
def test_a_file_and_an_address_need_no_inspector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "svc.py").write_text(REPLYER_FILE)
    service = echoing("elsewhere")
    monkeypatch.setenv("SF_ACTORS_INSPECT", "0")
    with service:
        address = service.addresses["connections"]["in"]["echo"]["replyer"]
        there = ["--file", str(tmp_path / "svc.py"), "--address", address]
        assert ran("call", "echo", "n=7", *there) == (0, '{"n": 7}\n', "")
        assert ran("call", "echo", "m=7", *there).status == 2
        assert ran("call", "ehco", "n=7", *there).status == 3
    assert ran("call", "echo", "n=7", *there).status == 3


def test_the_text_of_a_handler_s_error_stays_on_its_line(shell: Shell) -> None:
    def failing() -> None:
        raise ValueError("no luck\nsf_actors: all is well\x1b[2J")

    with looked_at(exchange(failing)):
        found = [shell("call", "order", *more) for more in ((), ("-n", "1", "--json"))]

    for one in found:
        assert (one.status, len(one.err.splitlines())) == (1, 1)
        assert one.err.endswith("ValueError: no luck\\nsf_actors: all is well\\x1b[2J\n")


def test_a_replyer_on_ipv6_is_called_by_its_address_or_its_name(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "svc.py").write_text(REPLYER_FILE)
    addresses = {"connections": {"in": {"echo": {"replyer": "[::1]:0"}}}}
    looked_up = socket.getaddrinfo

    def only_ipv6(host: object, *given: Any, **more: Any) -> Any:
        return looked_up("::1" if host == "desk.example" else host, *given, **more)

    monkeypatch.setattr(socket, "getaddrinfo", only_ipv6)
    with service_of(replying(echo), addresses=addresses, name="elsewhere") as service:
        address = service.addresses["connections"]["in"]["echo"]["replyer"]
        found = [
            shell(
                "call", "echo", "n=7", "--file", str(tmp_path / "svc.py"), "--address", one, *more
            )
            for one in (address, address.replace("[::1]", "desk.example"))
            for more in ((), ("-n", "2", "--json"))
        ]

    assert [one.status for one in found] == [0] * 4, [one.err for one in found]
    assert found[0].objects == found[2].objects == [{"n": 7}]


@pytest.mark.slow
def test_a_process_that_is_stopped_by_a_signal_is_exit_status_124(tmp_path: Path) -> None:
    with Process(*service_file(tmp_path)) as process:
        process.wait_until_ready()
        freeze(process.popen.pid)
        found = ran_here("call", "svc/echo", "n=1", "--timeout", "0.7")
        process.interrupt(signal.SIGCONT)

    assert found.status == 124
    assert f"svc (pid {process.popen.pid}): no answer" in found.err


def test_a_call_without_a_target_asks_for_the_target_alone(shell: Shell) -> None:
    found = shell("call")

    assert found.status == 2
    assert found.err.rstrip().endswith("required: TARGET")
