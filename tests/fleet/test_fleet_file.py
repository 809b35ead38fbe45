"""The fleet file: what it says, and what is refused in one line."""

from __future__ import annotations

import os
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from sf_actors.errors import FleetError
from sf_actors.fleet.fleet import Fleet, Partner
from sf_actors.fleet.fleet_file import read_fleet

if TYPE_CHECKING:
    from pathlib import Path

    from sf_actors.fleet.fleet import FleetService


def read(tmp_path: Path, text: str) -> Fleet:
    (tmp_path / "fleet.toml").write_text(text)
    return read_fleet(tmp_path / "fleet.toml")


def only(tmp_path: Path, keys: str) -> FleetService:
    (found,) = read(tmp_path, f'[services.a]\nfile = "a.py"\n{keys}\n').services
    return found


def refusal(tmp_path: Path, text: str) -> str:
    with pytest.raises(FleetError) as raised:
        read(tmp_path, text)
    told = str(raised.value)
    assert "\n" not in told
    assert "fleet.toml" in told
    return told


def refused(tmp_path: Path, keys: str) -> str:
    return refusal(tmp_path, f'[services.a]\nfile = "a.py"\n{keys}\n')


def test_the_smallest_file_names_services_alone(tmp_path: Path) -> None:
    fleet = read(tmp_path, '[services.exchange]\nfile = "exchange.py"\n')

    assert fleet.name == tmp_path.name
    assert fleet.folder == tmp_path
    (service,) = fleet.services
    assert service.file == tmp_path / "exchange.py"
    assert service.instance_names == ("exchange",)
    assert service.restart == "on-failure"


def test_a_fleet_is_told_from_others_by_its_real_path(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    one = read(tmp_path / "there", '[services.a]\nfile = "a.py"\n')
    (tmp_path / "here").symlink_to(tmp_path / "there")
    other = read_fleet(tmp_path / "here" / "fleet.toml")

    assert (one.path, one.mark) == (other.path, other.mark)
    assert one.mark != read(tmp_path, '[services.a]\nfile = "a.py"\n').mark


def test_all_keys_of_a_service_are_read(tmp_path: Path) -> None:
    service = only(
        tmp_path,
        """
config = { size = 1.50 }
main = true
instances = 3
after = ["b", "b"]
links = { orders = "exchange/orders", "states/book" = ["b/states/book"], bus = "b" }
bind = { prices = "0.0.0.0:27001", book = { publisher = "0.0.0.0:1" } }
connect = { far = ["10.0.0.7:1", "10.0.0.8:1"] }
host = "big"
restart = "always"
ends_fleet = false
loglevel = "DEBUG"
file_loglevel = "NONE"
backup_count = 0
stop_timeout_s = 2
allow_inbound = true
http = "127.0.0.1:8600"
env = { A = "1" }
""",
    )

    assert service.config_source(number=None).given == {"size": 1.5}
    assert service.instance_names == ("a#1", "a#2", "a#3")
    assert service.after == ("b",)
    assert service.links == {
        "orders": (Partner("exchange", "orders"),),
        "states/book": (Partner("b", "book", "states"),),
        "bus": (Partner("b"),),
    }
    assert service.bind == {"prices": "0.0.0.0:27001", "book": {"publisher": "0.0.0.0:1"}}
    assert service.connect == {"far": ["10.0.0.7:1", "10.0.0.8:1"]}
    assert (service.host, service.restart, service.ends_fleet) == ("big", "always", False)
    assert (service.loglevel, service.file_loglevel, service.backup_count) == ("DEBUG", "NONE", 0)
    assert (service.stop_timeout_s, service.http) == (2.0, "127.0.0.1:8600")
    assert service.env == {"A": "1"}


def test_defaults_are_of_all_services_but_those_that_say_otherwise(tmp_path: Path) -> None:
    one, other, bus = read(
        tmp_path,
        """
[defaults]
loglevel = "ERROR"
allow_inbound = true
[services.a]
file = "a.py"
[services.b]
file = "b.py"
loglevel = "INFO"
[services.bus]
bus = true
""",
    ).services

    assert (one.loglevel, other.loglevel, bus.loglevel) == ("ERROR", "INFO", "ERROR")
    assert other.allow_inbound
    assert bus.is_bus
    assert bus.file is None


def test_the_only_main_ends_the_fleet_and_is_not_restarted(tmp_path: Path) -> None:
    first, second = read(
        tmp_path, '[services.a]\nfile = "a.py"\nmain = true\n[services.b]\nfile = "b.py"\n'
    ).services

    assert (first.ends_fleet, first.restart) == (True, "never")
    assert (second.ends_fleet, second.restart) == (False, "on-failure")


def test_two_mains_end_no_fleet(tmp_path: Path) -> None:
    services = read(
        tmp_path,
        '[services.a]\nfile = "a.py"\nmain = true\n[services.b]\nfile = "b.py"\nmain = true\n',
    ).services

    assert not any(service.ends_fleet for service in services)


def test_a_number_of_the_config_keeps_how_it_was_written(tmp_path: Path) -> None:
    value = only(tmp_path, "config = { price = 1.50 }").config_source(number=None).given["price"]

    assert Decimal(value.text) == Decimal("1.50")  # type: ignore[attr-defined]
    assert str(Decimal(value.text)) == "1.50"  # type: ignore[attr-defined]


def test_an_instance_is_told_its_number_over_what_the_config_says(tmp_path: Path) -> None:
    many = only(tmp_path, "instances = 2\nconfig = { instance = 7 }")
    one = only(tmp_path, "config = { instance = 7 }")

    assert many.config_source(number=2).given == {"instance": 2}
    assert one.config_source(number=1).given == {"instance": 7}


def test_variables_are_of_the_environment_or_have_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORT", "27001")
    monkeypatch.delenv("ELSEWHERE", raising=False)
    service = only(tmp_path, 'bind = { a = "${HOST:127.0.0.1}:${PORT}" }\nhost = "a$$b"')

    assert service.bind == {"a": "127.0.0.1:27001"}
    assert service.host == "a$b"
    assert "'ELSEWHERE' is not set" in refused(tmp_path, 'host = "${ELSEWHERE}"')


def test_variables_of_a_config_are_left_to_the_service(tmp_path: Path) -> None:
    assert only(tmp_path, 'config = { a = "${B}" }').config == {"a": "${B}"}


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ('cofnig = "a"', "services.a: unknown key 'cofnig'; did you mean 'config'?"),
        ("instances = 0", "services.a.instances: expected a whole number, 1 or more, got int 0"),
        ("instances = 1001", "services.a.instances: expected 1000 at most, got int 1001"),
        ("instances = true", "services.a.instances: expected a whole number"),
        ('restart = "on-failur"', "did you mean 'on-failure'?"),
        ("main = 1", "services.a.main: expected true or false, got int 1"),
        ('after = "b"', "services.a.after: expected a list of texts"),
        ('links = { a = "b/c/d" }', "services.a.links.a: expected 'SERVICE/MODEL'"),
        ('links = { "x/a" = "b/c" }', "expected a model's name, 'connections/NAME'"),
        ("links = { a = [] }", "services.a.links.a: expected 'SERVICE/MODEL'"),
        ('bind = { a = "nowhere" }', "services.a.bind.a: expected host:port"),
        ("bind = { a = { publisher = 1 } }", "services.a.bind.a.publisher: expected a text"),
        ("connect = { a = [] }", "services.a.connect.a: expected an address or more"),
        ('loglevel = "LOUD"', "services.a.loglevel: expected DEBUG"),
        ("stop_timeout_s = -1", "services.a.stop_timeout_s: expected seconds"),
        ('env = { "A=B" = "1" }', "expected the name of a variable"),
        ("env = { A = 1 }", "services.a.env.A: expected a text"),
        ("record = true", "services.a.record: recordings are not there yet"),
        ("config = 1", "services.a.config: expected a table, or the path"),
        ("bus = true", "expected a bus or a service, got bus and 'file'"),
        ("file = 'b.py'", "not TOML: "),
    ],
)
def test_a_wrong_value_is_refused_by_its_place(tmp_path: Path, keys: str, told: str) -> None:
    assert told in refused(tmp_path, keys)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "expected services"),
        ("[service.a]\nfile = 'a.py'\n", "unknown table 'service'; did you mean 'services'?"),
        ("[services.a]\nfiel = 'a.py'\n", "unknown key 'fiel'; did you mean 'file'?"),
        ("[services.a]\n", 'expected file = "svc.py", or bus = true, got neither'),
        ("[services.1a]\nfile = 'a.py'\n", "expected a name of ASCII letters"),
        ("[services.'тихо']\nfile = 'a.py'\n", "expected a name of ASCII letters"),
        ("[services]\na = 1\n", "services.a: expected a table"),
        ("[defaults]\nbind = {}\n[services.a]\nbus = true\n", "in common, got 'bind'"),
        ("[fleet]\nnam = 'x'\n[services.a]\nbus = true\n", "did you mean 'name'?"),
        ("[check]\nignor = []\n[services.a]\nbus = true\n", "did you mean 'ignore'?"),
        ("[services.a]\nbus = true\nconfig = {}\n", "got bus and 'config'"),
        ("[services.a\n", "not TOML: "),
        ("a = " + "[" * 5000, "fleet.toml"),
        ("a = " + "9" * 5000, "fleet.toml: Exceeds the limit"),
    ],
)
def test_a_file_that_is_no_fleet_is_refused(tmp_path: Path, text: str, told: str) -> None:
    assert told in refusal(tmp_path, text)


def test_a_mark_of_the_encoding_and_ends_of_lines_as_on_windows_are_no_obstacle(
    tmp_path: Path,
) -> None:
    (tmp_path / "fleet.toml").write_bytes(b"\xef\xbb\xbf[services.a]\r\nbus = true\r\n")
    assert list(read_fleet(tmp_path / "fleet.toml").by_name) == ["a"]


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FleetError, match="No such file or directory; name it with --fleet"):
        read_fleet(tmp_path / "fleet.toml")
    (tmp_path / "fleet.toml").write_bytes(b"\xff")
    with pytest.raises(FleetError, match="byte 0 is not UTF-8"):
        read_fleet(tmp_path / "fleet.toml")


def test_a_place_is_the_line_of_the_innermost_key_that_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = read(
        tmp_path,
        '[services.a]\nfile = "a.py"\nbind = { b = "127.0.0.1:1" }\n[services.a.links]\nc = "d"\n',
    )

    assert fleet.place_of("services", "a", "links", "c") == f"{tmp_path}/fleet.toml:5"
    monkeypatch.chdir(tmp_path)
    assert fleet.place_of("services", "a", "links", "c") == "fleet.toml:5"
    assert fleet.place_of("services", "a", "bind", "b") == "fleet.toml:3"
    assert fleet.place_of("services", "a", "after") == "fleet.toml:1"
    assert fleet.place_of("nothing") == "fleet.toml"


def test_paths_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    fleet = read(tmp_path, "[fleet]\nkeys = 'k'\n[services.a]\nfile = 'a.py'\nconfig = 'c.json'\n")

    assert fleet.keys_of("a") == tmp_path / "k" / "a"
    assert fleet.services[0].config == tmp_path / "c.json"
    assert os.fspath(fleet.path) == f"{tmp_path}/fleet.toml"
