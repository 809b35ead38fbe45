"""The graph of what runs here, by the inspectors of real processes."""

from __future__ import annotations

import json
import signal
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors.cli.verbs import graph
from tests.inspection.service_texts import ADDRESSES, write_market
from tests.support.freezing import freeze
from tests.support.processes import Process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    #: Runs a service of the market, by its name.
    Started = Callable[..., Process]

pytestmark = pytest.mark.slow


@pytest.fixture
def started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new_address: Callable[[], str]
) -> Iterator[Started]:
    """Give what runs services of the market, on addresses of the test's own."""
    write_market(tmp_path)
    text = json.dumps(ADDRESSES).replace("0.0.0.0", "127.0.0.1").replace("localhost", "127.0.0.1")
    for number in range(27001, 27005):
        text = text.replace(f"127.0.0.1:{number}", new_address())
    (tmp_path / "addresses.json").write_text(text)
    with ExitStack() as stack:

        def start(name: str, *flags: str) -> Process:
            file, addresses = str(tmp_path / f"{name}.py"), str(tmp_path / "addresses.json")
            process = stack.enter_context(Process("-s", file, "-a", addresses, *flags))
            process.wait_until_ready()
            return process

        yield start


def shown(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert graph.run(["--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_what_runs_is_joined_by_the_addresses_that_it_has(
    started: Started, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    processes = [started("exchange"), started("keeper")]

    found = shown(capsys)

    assert found["services"] == [
        {"name": name, "file": str(tmp_path / f"{name}.py"), "pid": process.popen.pid}
        for name, process in zip(("exchange", "keeper"), processes, strict=True)
    ]
    assert [(edge["from"], edge["to"]) for edge in found["edges"]] == [
        ("exchange/trades", "keeper/trades")
    ]
    assert [f"{end['service']}/{end['model']}" for end in found["open"]] == [
        "exchange/book",
        "exchange/orders",
    ]


def test_services_of_one_name_have_their_pids(
    started: Started, capsys: pytest.CaptureFixture[str]
) -> None:
    processes = [started("keeper"), started("keeper")]

    found = shown(capsys)

    names = sorted(f"keeper@{process.popen.pid}" for process in processes)
    assert sorted(service["name"] for service in found["services"]) == names


def test_a_process_that_does_not_answer_is_told_and_left_out(
    started: Started, capsys: pytest.CaptureFixture[str]
) -> None:
    started("keeper")
    frozen = started("exchange")
    freeze(frozen.popen.pid)

    assert graph.run(["--json", "--timeout", "1"]) == 0

    captured = capsys.readouterr()
    assert [one["name"] for one in json.loads(captured.out)["services"]] == ["keeper"]
    assert f"exchange (pid {frozen.popen.pid}): NO ANSWER" in captured.err
    frozen.interrupt(signal.SIGCONT)


def test_a_bus_that_runs_stands_between_publishers_and_subscribers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Process("bus", "--xsub", "127.0.0.1:0", "--xpub", "127.0.0.1:0", "--json") as bus:
        bound = json.loads(bus.wait_for_line("xsub"))
        (tmp_path / "teller.py").write_text(
            "connection_models = {'out': {'news': {'connection_type': 'publisher',"
            "'optional_creation_arguments': {'is_x_pub': True}}}}"
        )
        (tmp_path / "listener.py").write_text(
            "connection_models = {'in': {'told': {'connection_type': 'subscriber',"
            "'optional_creation_arguments': {'is_x_sub': True},"
            "'required_creation_arguments': {'h': lambda args: None}}}}"
        )
        sides = {"out": {"news": bound["xsub"]}, "in": {"told": bound["xpub"]}}
        (tmp_path / "a.json").write_text(json.dumps({"connections": sides}))
        with ExitStack() as stack:
            for name in ("teller", "listener"):
                flags = ["-s", str(tmp_path / f"{name}.py"), "-a", str(tmp_path / "a.json")]
                stack.enter_context(Process(*flags)).wait_until_ready()
            found = shown(capsys)

    assert [(edge["from"], edge["to"]) for edge in found["edges"]] == [
        ("bus/xpub", "listener/told"),
        ("teller/news", "bus/xsub"),
    ]
    assert found["open"] == []


def test_a_delta_state_that_publishes_to_a_bus_is_joined_to_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], new_address: Callable[[], str]
) -> None:
    with Process("bus", "--xsub", "127.0.0.1:0", "--xpub", "127.0.0.1:0", "--json") as bus:
        bound = json.loads(bus.wait_for_line("xsub"))
        (tmp_path / "teller.py").write_text(
            "state_models = {'out': {'level': {'state_type': 'delta_update',"
            "'required_arguments': {'n': int},"
            "'optional_creation_arguments': {'is_x_pub': True}}}}"
        )
        states = {"out": {"level": {"publisher": bound["xsub"], "replyer": new_address()}}}
        (tmp_path / "a.json").write_text(json.dumps({"states": states}))
        with Process("-s", str(tmp_path / "teller.py"), "-a", str(tmp_path / "a.json")) as teller:
            teller.wait_until_ready()
            found = shown(capsys)

    assert [(one["from"], one["to"]) for one in found["edges"]] == [("teller/level", "bus/xsub")]
    assert found["open"] == []


def test_nothing_that_runs_is_an_empty_graph(capsys: pytest.CaptureFixture[str]) -> None:
    assert graph.run([]) == 0
    assert capsys.readouterr().out == ""
