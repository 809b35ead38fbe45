"""`check`: fleets that are wrong, as a user sees it."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.inspection.service_texts import EXCHANGE, KEEPER, TRADER, fleet_folder

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Shell

pytestmark = pytest.mark.slow

FLEET = """
[services.exchange]
file = "exchange.py"
[services.keeper]
file = "keeper.py"
[services.trader]
file = "trader.py"
main = true
allow_inbound = true
"""


@pytest.fixture
def market(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return fleet_folder(tmp_path, FLEET, monkeypatch)


def test_a_fleet_without_findings_is_good(market: Path, shell: Shell) -> None:
    ran = shell("check", "--strict")

    assert (ran.status, ran.out, ran.err) == (0, "", "sf_actors: nothing is wrong\n")


def test_a_finding_has_both_places(market: Path, shell: Shell) -> None:
    (market / "trader.py").write_text(TRADER.replace("'price': Decimal", "'price': float"))
    ran = shell("check", "--json")

    assert ran.status == 1
    assert ran.objects == [
        {
            "code": "E201",
            "service": "exchange",
            "model": "orders",
            "message": "price: expected Decimal, got float of trader/orders",
            "at": "exchange.py:5",
            "other_at": "trader.py:4",
        }
    ]
    ran = shell("check")
    assert ran.out == (
        "exchange.py:5: E201 exchange/orders: price: expected Decimal, got float of trader/orders "
        "[trader.py:4]\n"
    )
    assert ran.err == "sf_actors: 1 error\n"


def test_warnings_alone_are_good_unless_strict(market: Path, shell: Shell) -> None:
    (market / "fleet.toml").write_text(FLEET.replace('[services.keeper]\nfile = "keeper.py"\n', ""))
    ran = shell("check")
    assert ran.status == 0
    assert ran.out.startswith("exchange.py:10: W301 exchange/trades: ")

    assert shell("check", "--strict").status == 1


def test_a_finding_may_be_ignored_and_an_entry_in_vain_is_told(market: Path, shell: Shell) -> None:
    without = FLEET.replace('[services.keeper]\nfile = "keeper.py"\n', "")
    ignoring = '[check]\nignore = ["W301 exchange/trades"]\n'
    (market / "fleet.toml").write_text(ignoring + without)
    assert shell("check", "--strict").status == 0

    (market / "fleet.toml").write_text(ignoring + FLEET)
    ran = shell("check", "--strict")
    assert ran.status == 1
    assert ran.out.startswith("fleet.toml:2: W001: expected a finding that is ignored by")


def test_an_error_of_the_fleet_cannot_be_ignored(market: Path, shell: Shell) -> None:
    (market / "keeper.py").write_text(KEEPER.replace("'trades'", "'trads'"))
    (market / "fleet.toml").write_text(f'[check]\nignore = ["E101 keeper/trads"]\n{FLEET}')
    ran = shell("check", "--json")

    assert ran.status == 1
    assert sorted(one["code"] for one in ran.objects) == ["E101", "W001", "W301"]


def test_a_file_that_does_not_load_is_told_once(market: Path, shell: Shell) -> None:
    (market / "exchange.py").write_text("1 / 0\n")
    ran = shell("check", "--json")

    assert ran.status == 1
    assert [(one["code"], one["at"]) for one in ran.objects] == [("E401", "exchange.py:1")]


def test_a_fleet_that_cannot_be_read_is_a_usage_error(market: Path, shell: Shell) -> None:
    (market / "fleet.toml").write_text("[services]\n")

    assert shell("check").status == 2
    assert shell("check", "--fleet", "nowhere.toml").status == 2


def test_a_deadlock_of_two_files_is_found(market: Path, shell: Shell) -> None:
    for mine, other in (("a", "b"), ("b", "a")):
        (market / f"{mine}.py").write_text(f"""
def answer(args, to_send): return to_send('{other}', {{}})
connection_models = {{
    'in': {{'{mine}': {{'connection_type': 'replyer',
                      'required_creation_arguments': {{'on': answer}}}}}},
    'out': {{'{other}': {{'connection_type': 'requester'}}}},
}}
""")
    (market / "fleet.toml").write_text(
        '[services.first]\nfile = "a.py"\n[services.second]\nfile = "b.py"\n'
    )
    ran = shell("check", "--json")

    assert [(one["code"], one["at"], one["other_at"]) for one in ran.objects] == [
        ("E302", "a.py:4", "a.py:4")
    ]


def test_services_with_modules_of_one_name_cannot_share_a_process(
    market: Path, shell: Shell
) -> None:
    for name in ("one", "two"):
        (market / name).mkdir()
        (market / name / "common.py").write_text("")
        (market / name / "svc.py").write_text("import common\ndef main(): pass\n")
    text = '[services.one]\nfile = "one/svc.py"\n[services.two]\nfile = "two/svc.py"\n'
    (market / "fleet.toml").write_text(text)
    assert shell("check").status == 0
    ran = shell("check", "--in-process", "--json")
    assert [(one["code"], one["service"]) for one in ran.objects] == [("E402", "two")]

    (market / "two" / "svc.py").write_text("def main(): pass\n")
    assert shell("check", "--in-process").status == 0


def test_keys_are_missing_until_they_are_made_and_then_admit_each_link(
    market: Path, shell: Shell
) -> None:
    (market / "fleet.toml").write_text(f'[fleet]\nkeys = "keys"\n{FLEET}')
    ran = shell("check", "--json")
    assert [one["code"] for one in ran.objects] == ["E501"] * 3
    assert all(one["message"].endswith("type: sf_actors keys fleet") for one in ran.objects)

    assert shell("keys", "fleet").status == 0
    assert shell("check", "--strict").status == 0
    (market / "keys" / "exchange" / "authorized" / "trader.key").unlink()
    (market / "keys" / "keeper" / "servers" / "trades.key").unlink()
    ran = shell("check", "--json")
    assert {(one["code"], one["service"]) for one in ran.objects} == {
        ("E501", "exchange"),
        ("E501", "keeper"),
    }
    assert shell("check", "--in-process", "--json").objects[0]["code"] == "E104"


def test_the_command_that_is_told_names_a_fleet_that_is_not_that_of_the_folder(
    market: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    (market / "the fleet.toml").write_text(f'[fleet]\nkeys = "keys"\n{FLEET}')
    monkeypatch.chdir(market.parent)
    named = f"{market.name}/the fleet.toml"
    found = shell("check", "--fleet", named, "--json").objects
    (command,) = {one["message"].partition("type: ")[2] for one in found}

    assert shell(*shlex.split(command)[1:]).status == 0
    assert shell("check", "--fleet", named, "--strict").status == 0


def test_a_pair_that_is_damaged_is_made_anew_by_the_command_that_is_told(
    market: Path, shell: Shell
) -> None:
    (market / "fleet.toml").write_text(f'[fleet]\nkeys = "keys"\n{FLEET}')
    shell("keys", "fleet")
    secret = market / "keys/keeper/own.key_secret"
    secret.write_text("")
    (finding,) = shell("check", "--json").objects
    assert finding["code"] == "E501"
    command = "rm keys/keeper/own.key keys/keeper/own.key_secret && sf_actors keys fleet"
    assert finding["message"].endswith(f"type: {command}")

    subprocess.run(shlex.split(command.partition(" && ")[0]), check=True)
    assert shell("keys", "fleet").status == 0
    assert shell("check", "--strict").status == 0
    secret.chmod(0o644)
    (finding,) = shell("check", "--json").objects
    assert finding["message"].endswith(f"run: chmod 600 {secret}")


def test_a_state_at_a_bus_needs_one_pair_of_the_bus_and_its_publisher(
    market: Path, shell: Shell
) -> None:
    for name, text, flag in (("exchange", EXCHANGE, "is_x_pub"), ("trader", TRADER, "is_x_sub")):
        given = f"{{'book': {{'optional_creation_arguments': {{'{flag}': True}}, "
        (market / f"{name}.py").write_text(text.replace("{'book': {", given))
    fleet = f'[fleet]\nkeys = "keys"\n{FLEET}[services.bus]\nbus = true\n'
    (market / "fleet.toml").write_text(fleet)
    assert shell("keys", "fleet").status == 2
    (finding,) = shell("check", "--json").objects
    assert (finding["code"], finding["service"], finding["model"]) == ("E501", "trader", "book")

    _, _, command = finding["message"].partition("type: ")
    assert command == (
        "cp -p keys/bus/own.key keys/bus/own.key_secret keys/exchange && sf_actors keys fleet"
    )
    subprocess.run(shlex.split(command.partition(" && ")[0]), check=True)
    assert shell("keys", "fleet").status == 0
    assert shell("check", "--strict").status == 0


def test_who_connects_outside_needs_the_key_of_the_server_there(market: Path, shell: Shell) -> None:
    fleet = FLEET.replace('"trader.py"', '"trader.py"\nconnect = { orders = "127.0.0.1:27001" }')
    (market / "fleet.toml").write_text(f'[fleet]\nkeys = "keys"\n{fleet}')
    assert shell("keys", "fleet").status == 0
    (finding,) = shell("check", "--json").objects
    assert (finding["code"], finding["at"]) == ("E501", "fleet.toml:10")
    assert finding["message"].endswith("type: cp SERVER.key keys/trader/servers/orders.key")

    # any server will do
    shutil.copy(market / "keys/exchange/own.key", market / "keys/trader/servers/orders.key")
    assert shell("check", "--strict").status == 0


def test_a_port_that_everybody_would_have_to_know_cannot_be_a_free_one(
    market: Path, shell: Shell
) -> None:
    (market / "fleet.toml").write_text(f'{FLEET}\n[services.exchange.bind]\norders = "127.0.0.1:0"')
    ran = shell("check", "--json")

    assert [(one["code"], one["service"]) for one in ran.objects] == [("E104", "trader")]


def test_a_path_that_no_socket_can_have_is_told(market: Path, shell: Shell) -> None:
    path = "ipc:///tmp/" + "x" * 110
    (market / "fleet.toml").write_text(f'{FLEET}\n[services.exchange.bind]\norders = "{path}"')
    ran = shell("check", "--json")

    assert [(one["code"], one["at"]) for one in ran.objects] == [("E103", "fleet.toml:12")]


def test_a_runtime_folder_with_a_long_path_is_told(
    market: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SF_ACTORS_RUNTIME_DIR", "/tmp/" + "x" * 100)
    ran = shell("check", "--json")

    assert [one["code"] for one in ran.objects] == ["E103"]
    assert "SF_ACTORS_RUNTIME_DIR" in ran.objects[0]["message"]


def test_service_files_are_joined_by_their_addresses(market: Path, shell: Shell) -> None:
    files = ("exchange.py", "keeper.py", "trader.py", "-a", "addresses.json")
    assert shell("check", *files, "--strict").status == 0

    (market / "keeper.py").write_text(KEEPER.replace("'price': Decimal", "'price': int"))
    ran = shell("check", *files, "--json")
    assert [(one["code"], one["service"]) for one in ran.objects] == [("E201", "keeper")]


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("127.0.0.1:27009", "E101"),
        ("127.0.0.1:27002", "E202"),
        ("*:27001", "E104"),
        ("ipc:///tmp/" + "x" * 110, "E103"),
        ("nowhere", "E401"),
        ("10.0.0.7:1", "E101"),
    ],
)
def test_a_wrong_address_of_a_service_file_is_told(
    market: Path, shell: Shell, address: str, code: str
) -> None:
    given = json.loads((market / "addresses.json").read_text())
    given["connections"]["out"]["orders"] = address
    (market / "addresses.json").write_text(json.dumps(given))
    ran = shell("check", "exchange.py", "trader.py", "-a", "addresses.json", "--json")

    assert ran.status == 1
    assert [(one["code"], one["service"]) for one in ran.objects] == [(code, "trader")]


@pytest.mark.parametrize(
    ("socket", "address", "code"),
    [
        ("subscriber", "127.0.0.1:27009", "E101"),
        ("requester", "127.0.0.1:27009", "E101"),
        ("requester", "127.0.0.1:27003", "E202"),
        ("subscriber", "127.0.0.1:27004", "E202"),
    ],
)
def test_each_socket_of_a_state_is_joined(
    market: Path, shell: Shell, socket: str, address: str, code: str
) -> None:
    given = json.loads((market / "addresses.json").read_text())
    given["states"]["in"]["book"][socket] = address
    (market / "addresses.json").write_text(json.dumps(given))
    ran = shell("check", "exchange.py", "trader.py", "-a", "addresses.json", "--json")

    assert [(one["code"], one["service"]) for one in ran.objects] == [(code, "trader")]


def test_states_at_a_bus_that_is_not_here_are_compared(market: Path, shell: Shell) -> None:
    at_bus = {"exchange.py": (EXCHANGE, "is_x_pub"), "trader.py": (TRADER, "is_x_sub")}
    for name, (text, flag) in at_bus.items():
        (market / name).write_text(
            text.replace(
                "{'book': {", f"{{'book': {{'optional_creation_arguments': {{'{flag}': True}}, "
            )
        )
    given = json.loads((market / "addresses.json").read_text())
    given["states"]["in"]["book"]["subscriber"] = "127.0.0.1:27008"
    (market / "addresses.json").write_text(json.dumps(given))
    files = ("check", "exchange.py", "trader.py", "-a", "addresses.json", "--json")
    assert shell(*files).objects == []

    text = (market / "trader.py").read_text()
    (market / "trader.py").write_text(text.replace("{Decimal: Decimal}", "{Decimal: int}"))
    assert [(one["code"], one["model"]) for one in shell(*files).objects] == [("E201", "book")]


def test_a_service_file_may_choose_its_addresses_itself(market: Path, shell: Shell) -> None:
    hook = """
def setup_addresses(addresses, config):
    addresses['connections']['in']['orders'] = '127.0.0.1:27009'
    return addresses
"""
    (market / "exchange.py").write_text(EXCHANGE + hook)
    files = ("exchange.py", "trader.py", "-a", "addresses.json")
    ran = shell("check", *files, "--json")
    assert [(one["code"], one["service"]) for one in ran.objects] == [("E101", "trader")]

    given = json.loads((market / "addresses.json").read_text())
    given["connections"]["out"]["orders"] = "${NOWHERE:127.0.0.1:27009}"
    (market / "addresses.json").write_text(json.dumps(given))
    assert shell("check", *files).status == 0


def test_two_service_files_that_bind_one_address_are_told(market: Path, shell: Shell) -> None:
    (market / "second.py").write_text(EXCHANGE)
    ran = shell("check", "exchange.py", "second.py", "-a", "addresses.json", "--json")

    assert {(one["code"], one["service"]) for one in ran.objects} == {("E103", "second")}


def test_flags_that_do_not_go_together_are_refused(market: Path, shell: Shell) -> None:
    assert shell("check", "exchange.py").status == 2
    assert "a fleet is --fleet fleet.toml" in shell("check", "fleet.toml").err
    assert shell("check", "-a", "addresses.json").status == 2
    assert shell("check", "exchange.py", "-a", "addresses.json", "--live").status == 2


def test_instances_that_listen_at_one_http_address_are_told_once(
    market: Path, shell: Shell
) -> None:
    text = FLEET.replace('file = "keeper.py"', 'file = "keeper.py"\ninstances = 4\nhttp = "*:8600"')
    (market / "fleet.toml").write_text(text)
    ran = shell("check", "--json")

    assert [(one["code"], one["service"]) for one in ran.objects] == [("E103", "keeper#2")]
