"""Config and addresses from files, hooks and the command line, as a running service sees them."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors import ConfigError, RequestTimeout, Service
from sf_actors.cli import command as cli
from sf_actors.testing import module_of, running
from tests.support.services import REPLYER_FILE, ask, replying, requester

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., tuple[int, str, str]]

MODEL = """
from decimal import Decimal
config_model = {'required': {'depth': int}, 'optional': {'fee': Decimal, 'name': str}}
def main(config): print(sorted(config.items()))
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Write `svc.py` and `config.json` and run main with these and further flags."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "_raise_descriptor_limit", lambda: None)

    def write_and_run(text: str, config: str, *flags: str) -> tuple[int, str, str]:
        Path("svc.py").write_text(text)
        Path("config.json").write_text(config)
        status = cli.main(["-s", "svc.py", "-m", "-c", "config.json", "-cl", "NONE", *flags])
        captured = capsys.readouterr()
        return status, captured.out.strip(), captured.err.strip()

    return write_and_run


def test_main_gets_the_config_of_the_file_in_its_declared_types(run: Run) -> None:
    assert run(MODEL, '{"depth": 3, "fee": 0.10}') == (
        0,
        "[('depth', 3), ('fee', Decimal('0.10'))]",
        "",
    )


def test_a_file_with_required_and_optional_is_flattened(run: Run) -> None:
    config = '{"required": {"depth": 3}, "optional": {"name": "desk"}}'
    assert run(MODEL, config) == (0, "[('depth', 3), ('name', 'desk')]", "")


def test_the_command_line_goes_over_the_file_and_the_hook_over_both(run: Run) -> None:
    text = MODEL + "def setup_config(config): return {'name': config['name'] + '-2'}"
    text = text.replace("name", "desk")
    assert run(text, '{"depth": 3, "desk": "file"}', "--depth", "-4", "--desk=line") == (
        0,
        "[('depth', -4), ('desk', 'line-2')]",
        "",
    )


def test_a_text_where_the_file_should_have_an_int_is_one_line(run: Run) -> None:
    status, out, err = run(MODEL, '{"depth": "3"}')
    assert (status, out) == (2, "")
    assert "config.json" in err
    assert "depth" in err
    assert "\n" not in err


def test_a_hook_supplies_what_the_file_lacks(run: Run) -> None:
    text = MODEL + "def setup_config(): return {'required': {'depth': 9}}"
    assert run(text, "{}") == (0, "[('depth', 9)]", "")


def test_without_a_model_everything_is_accepted_and_arguments_stay_text(run: Run) -> None:
    text = "def main(config): print(sorted(config.items()))"
    assert run(text, '{"a": 1}', "--b", "2", "--c-d") == (
        0,
        "[('a', 1), ('b', '2'), ('c_d', True)]",
        "",
    )


def test_a_dict_follows_the_rule_of_the_file() -> None:
    seen: list[dict[str, Any]] = []
    module = module_of(
        config_model={"required": {"fee": Decimal}}, main=lambda config: seen.append(config.copy())
    )
    Service(module, config={"fee": "0.10"}, console_loglevel=None).run_service_as_main_blocking()
    assert seen == [{"fee": Decimal("0.10")}]
    with pytest.raises(ConfigError, match="did you mean 'fee'"):
        Service(module, config={"fees": "1"}, console_loglevel=None).run_service()


def test_every_function_sees_the_same_config() -> None:
    seen: dict[str, Any] = {}
    module = module_of(
        setup_config=lambda: {"depth": 3},
        setup_connections=lambda config: seen.update(setup=config["depth"]),
        init_function=lambda config: seen.update(init=config["depth"]),
        main=lambda config: seen.update(main=config["depth"]),
    )
    Service(module, console_loglevel=None).run_service_as_main_blocking()
    assert seen == {"setup": 3, "init": 3, "main": 3}


def test_the_given_config_is_not_changed_by_a_run() -> None:
    given = {"nested": {"names": ["a"]}}
    module = module_of(main=lambda config: config["nested"]["names"].append("b"))
    service = Service(module, config=given, console_loglevel=None)
    service.run_service_as_main_blocking()
    assert given == {"nested": {"names": ["a"]}}


def test_addresses_come_from_the_file(run: Run) -> None:
    text = REPLYER_FILE + (
        "connection_models['out'] = {'ask': {'connection_type': 'requester',\n"
        "    'required_arguments': {'n': int}, 'required_return_arguments': {'n': int}}}\n"
        "def main(to_send): print(to_send('ask', {'n': 5}))\n"
    )
    addresses = {
        "connections": {
            "in": {"echo": {"replyer": "inproc://end-to-end"}},
            "out": {"ask": {"requester": "inproc://end-to-end"}},
        }
    }
    Path("addresses.json").write_text(json.dumps(addresses))
    flags = ("-a", "addresses.json", "--allow_inbound")
    assert run(text, "{}", *flags) == (0, "{'n': 5}", "")


def test_a_hook_may_move_the_addresses_by_the_config() -> None:
    def setup_addresses(addresses: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
        addresses["connections"]["in"]["echo"] = f"{config['host']}:0"
        return addresses

    given = {"connections": {"in": {"echo": "127.0.0.9:1"}}}
    module = replying(setup_addresses=setup_addresses)
    with running(
        module, addresses=given, config={"host": "127.0.0.1"}, console_loglevel=None
    ) as service:
        assert ask(service.addresses["connections"]["in"]["echo"])["return_args"] == {"n": 1}
    assert given == {"connections": {"in": {"echo": "127.0.0.9:1"}}}


def test_setup_connections_is_merged_over_the_model_of_a_running_service() -> None:
    errors: list[RequestTimeout] = []

    def main(to_send: Callable[..., Any]) -> None:
        try:
            to_send("connection", "ask", {"n": 1})
        except RequestTimeout as error:
            errors.append(error)

    module = module_of(
        main=main,
        connection_models={"out": {"ask": requester(timeout_s=60.0)}},
        setup_connections=lambda config: {"ask": {"timeout_s": config["patience_s"]}},
    )
    addresses = {"connections": {"out": {"ask": "127.0.0.1:9"}}}
    service = Service(
        module, addresses=addresses, config={"patience_s": 0.05}, console_loglevel=None
    )
    service.run_service_as_main_blocking()
    (error,) = errors
    assert "0.05 s" in str(error)
