"""`schema`: services as AsyncAPI 3.0.0."""

from __future__ import annotations

import gzip
import json
import signal
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from sf_actors import DefinitionError, UsageError
from sf_actors.cli.verbs import schema
from tests.inspection.service_texts import EXCHANGE, write_market
from tests.support.processes import Process

#: The JSON Schema of AsyncAPI's authors (github.com/asyncapi/spec-json-schemas, Apache 2.0).
OFFICIAL = Path(__file__).with_name("asyncapi-3.0.0.json.gz")


@pytest.fixture
def market(tmp_path: Path) -> list[str]:
    return write_market(tmp_path)


def printed(capsys: pytest.CaptureFixture[str], *argv: str) -> dict[str, Any]:
    assert schema.run(list(argv)) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def of_text(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], *flags: str
) -> dict[str, Any]:
    (tmp_path / "svc.py").write_text(text)
    return printed(capsys, str(tmp_path / "svc.py"), *flags)


def resolved(document: dict[str, Any], reference: dict[str, str]) -> Any:
    found: Any = document
    for step in reference["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return found


@pytest.mark.parametrize("with_addresses", [False, True])
def test_the_schema_is_one_of_asyncapi(
    market: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    *,
    with_addresses: bool,
) -> None:
    flags = ["-a", str(tmp_path / "addresses.json")] if with_addresses else []
    document = printed(capsys, *market, *flags)

    official = json.loads(gzip.decompress(OFFICIAL.read_bytes()))
    jsonschema.Draft7Validator(official).validate(document)


def test_each_model_is_a_channel_and_an_operation(
    market: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    document = printed(capsys, *market)

    assert list(document["channels"]) == [
        "exchange.orders",
        "exchange.trades",
        "exchange.book",
        "trader.orders",
        "trader.book",
        "keeper.trades",
    ]
    actions = {id_: operation["action"] for id_, operation in document["operations"].items()}
    assert actions == {
        "exchange.orders": "receive",
        "exchange.trades": "send",
        "exchange.book": "send",
        "trader.orders": "send",
        "trader.book": "receive",
        "keeper.trades": "receive",
    }
    assert document["channels"]["exchange.trades"]["address"] == "eurusd"


def test_each_reference_leads_somewhere(
    market: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = printed(capsys, *market, "-a", str(tmp_path / "addresses.json"))

    operation = document["operations"]["exchange.orders"]
    assert resolved(document, operation["channel"])["title"] == "exchange/orders"
    assert "payload" in resolved(document, operation["messages"][0])
    assert "payload" in resolved(document, operation["reply"]["messages"][0])
    (server,) = document["channels"]["exchange.orders"]["servers"]
    assert resolved(document, server) == {
        "host": "0.0.0.0:27001",
        "protocol": "zmq",
        "x-sf-address": "tcp://0.0.0.0:27001",
    }


def test_a_payload_is_what_travels(market: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    document = printed(capsys, *market)

    messages = document["channels"]["exchange.orders"]["messages"]
    request = jsonschema.Draft7Validator(messages["request"]["payload"])
    assert request.is_valid({"args": {"price": "1.5", "size": 2}, "workflow_id": None})
    assert not request.is_valid({"args": {"price": "1.5"}, "workflow_id": None})
    reply = jsonschema.Draft7Validator(messages["reply"]["payload"])
    assert reply.is_valid({"return_args": {"id": 1}})
    assert reply.is_valid({"error": {"type": "ValueError", "message": "no"}})
    assert not reply.is_valid({})
    book = document["channels"]["exchange.book"]["messages"]["message"]["payload"]
    update = {"current_num": 1, "is_snapshot": False, "state": {"bids": {"1": None}}}
    assert jsonschema.Draft7Validator(book).is_valid({"args": update})


def test_without_addresses_the_server_is_localhost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = of_text(EXCHANGE, tmp_path, capsys)

    assert document["servers"] == {"localhost": {"host": "localhost", "protocol": "zmq"}}


def test_a_name_on_both_sides_has_two_ids(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = (
        "connection_models = {'in': {'x': {'connection_type': 'subscriber',"
        "'required_creation_arguments': {'h': print}}}, 'out': {'x': {'connection_type':"
        "'publisher'}}}"
    )

    document = of_text(both, tmp_path, capsys)

    assert list(document["channels"]) == ["svc.connections.in.x", "svc.connections.out.x"]


def test_timers_and_external_targets_are_nobodys_peers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (
        "connection_models = {'in': {'t': {'connection_type': 'timer',"
        "'required_creation_arguments': {'h': print, 'every_s': 1}}}, 'out': {'e':"
        "{'connection_type': 'external_target', 'required_creation_arguments': {'target': print}}}}"
    )

    assert of_text(text, tmp_path, capsys)["channels"] == {}


def test_setup_hooks_run_and_init_function_never_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (
        EXCHANGE
        + """
async def setup_connections(config):
    print('in a hook')
    return {'trades': {'topic': config['pair']}}
def setup_config(config): return {'pair': 'gbpusd'}
def setup_addresses(addresses): raise SystemExit('it has no addresses to set up')
def init_function(): raise SystemExit('it runs')
"""
    )

    document = of_text(text, tmp_path, capsys)

    assert document["channels"]["svc.trades"]["address"] == "gbpusd"


def test_the_addresses_are_those_that_the_hook_returns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "addresses.json").write_text("{}")
    hook = (
        "def setup_addresses(addresses):"
        " return {'connections': {'in': {'orders': '[::1]:5'}, 'out': {'trades': 'ipc:///tmp/t'}}}"
    )

    document = of_text(EXCHANGE + hook, tmp_path, capsys, "-a", str(tmp_path / "addresses.json"))

    assert document["servers"]["svc-orders-replyer"]["host"] == "[::1]:5"
    assert document["servers"]["svc-trades-publisher"]["pathname"] == "/tmp/t"


def test_a_config_may_be_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.json").write_text('{"pair": "chfjpy"}')
    hook = (
        "config_model = {'required': {'pair': str}}\n"
        "def setup_connections(config): return {'trades': {'topic': config['pair']}}"
    )

    document = of_text(EXCHANGE + hook, tmp_path, capsys, "-c", str(tmp_path / "config.json"))

    assert document["channels"]["svc.trades"]["address"] == "chfjpy"


def test_what_the_file_prints_is_not_in_the_schema(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "svc.py").write_text(f"print('hello')\n{EXCHANGE}")

    assert schema.run([str(tmp_path / "svc.py")]) == 0

    captured = capsys.readouterr()
    assert captured.out.startswith("{")
    assert "hello" in captured.err


def test_one_object_a_line_with_json(market: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert schema.run([*market, "--json"]) == 0

    assert capsys.readouterr().out.count("\n") == 1


def test_the_same_files_give_the_same_bytes(
    market: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert printed(capsys, *market) == printed(capsys, *market)


def test_user_code_that_raises_shows_its_own_frames(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "svc.py").write_text("def main(): pass\n1 / 0\n")

    with pytest.raises(DefinitionError, match="raised ZeroDivisionError"):
        schema.run([str(tmp_path / "svc.py")])

    err = capsys.readouterr().err
    assert "1 / 0" in err
    assert "sf_actors/" not in err


def test_a_number_of_addresses_that_fits_no_services_is_refused(market: list[str]) -> None:
    with pytest.raises(UsageError, match="one for each of the 3, got 2"):
        schema.run([*market, "-a", "a.json", "-a", "b.json"])


def test_a_file_that_ends_the_process_is_told(tmp_path: Path) -> None:
    (tmp_path / "svc.py").write_text("raise SystemExit('no')")

    with pytest.raises(DefinitionError, match=r"it called sys\.exit\('no'\)"):
        schema.run([str(tmp_path / "svc.py")])


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_also_while_a_file_is_read(
    tmp_path: Path, number: signal.Signals, status: int
) -> None:
    (tmp_path / "svc.py").write_text("import time\nprint('begun', flush=True)\ntime.sleep(60)")
    with Process("schema", str(tmp_path / "svc.py")) as process:
        process.wait_for_line("begun")
        process.interrupt(number)

        assert process.wait() == status
    assert process.out == []
