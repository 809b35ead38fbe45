"""`plan`: a fleet before it is started."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.inspection.service_texts import fleet_folder

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Shell

pytestmark = pytest.mark.slow

FLEET = """
[services.exchange]
file = "exchange.py"
after = ["keeper"]
[services.keeper]
file = "keeper.py"
instances = 2
[services.trader]
file = "trader.py"
main = true
allow_inbound = true
"""


@pytest.fixture
def market(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return fleet_folder(tmp_path, FLEET, monkeypatch)


def test_a_plan_has_services_links_and_addresses(market: Path, shell: Shell) -> None:
    ran = shell("plan", "--json")

    assert ran.status == 0
    (plan,) = ran.objects
    assert plan["services"][0] == {
        "name": "exchange",
        "file": str(market / "exchange.py"),
        "instances": ["exchange"],
        "host": None,
        "after": ["keeper"],
    }
    assert plan["links"] == [
        {
            "from": "exchange/book",
            "to": "trader/book",
            "model": "book",
            "kind": "delta_update",
            "topic": None,
        },
        {
            "from": "exchange/trades",
            "to": "keeper/trades",
            "model": "trades",
            "kind": "message",
            "topic": "eurusd",
        },
        {
            "from": "trader/orders",
            "to": "exchange/orders",
            "model": "orders",
            "kind": "call",
            "topic": None,
        },
    ]
    assert list(plan["addresses"]) == ["exchange", "keeper#1", "keeper#2", "trader"]
    assert ran.out == shell("plan", "--json").out


def test_a_plan_is_readable(market: Path, shell: Shell) -> None:
    ran = shell("plan", "--fleet", str(market / "fleet.toml"), "--in-process")

    assert ran.status == 0
    assert "keeper#1, keeper#2" in ran.out
    assert "exchange/book    ->  trader/book" in ran.out
    assert "inproc://" in ran.out


def test_a_fleet_that_cannot_be_read_is_one_line(market: Path, shell: Shell) -> None:
    (market / "fleet.toml").write_text("[service.a]\n")

    ran = shell("plan")

    assert ran.status == 2
    assert ran.err == ("sf_actors: fleet.toml: unknown table 'service'; did you mean 'services'?\n")


def test_a_service_that_cannot_be_read_or_joined_is_told(market: Path, shell: Shell) -> None:
    (market / "keeper.py").write_text((market / "keeper.py").read_text().replace("'trades'", "'x'"))
    ran = shell("plan")
    assert ran.status == 1
    assert "E101 keeper/x" in ran.err

    (market / "keeper.py").write_text("1 / 0\n")
    ran = shell("plan")
    assert ran.status == 1
    assert ran.err == (
        "sf_actors: keeper.py:1: E401 keeper: it raised ZeroDivisionError: division by zero\n"
    )
