"""`graph` of a fleet's file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from sf_actors import DefinitionError, UsageError
from sf_actors.cli.verbs import graph
from tests.inspection.service_texts import write_market
from tests.support.read_here import services_are_read_here  # noqa: F401 - a fixture

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

FLEET = """
[services.exchange]
file = "exchange.py"
instances = 1
[services.trader]
file = "trader.py"
[services.desk]
file = "trader.py"
connect = { orders = "10.0.0.7:27001" }
"""


@pytest.fixture
def fleet(tmp_path: Path) -> str:
    write_market(tmp_path)
    (tmp_path / "fleet.toml").write_text(FLEET)
    return str(tmp_path / "fleet.toml")


def printed(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert graph.run(list(argv)) == 0
    return capsys.readouterr().out


def test_a_fleet_is_joined_by_its_links(fleet: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(printed(capsys, fleet, "--json"))

    assert told["services"] == [
        {"name": "exchange", "file": "exchange.py"},
        {"name": "trader", "file": "trader.py"},
        {"name": "desk", "file": "trader.py"},
    ]
    assert [(edge["from"], edge["to"]) for edge in told["edges"]] == [
        ("exchange/book", "desk/book"),
        ("exchange/book", "trader/book"),
        ("trader/orders", "exchange/orders"),
    ]
    assert told["open"] == [
        {
            "service": "desk",
            "model": "orders",
            "side": "out",
            "kind": "call",
            "address": "10.0.0.7:27001",
        },
        {
            "service": "exchange",
            "model": "trades",
            "side": "out",
            "kind": "message",
            "address": None,
        },
    ]


@pytest.mark.parametrize("form", ["--text", "--mermaid", "--dot", "--svg"])
def test_each_form_of_a_fleet_is_the_same_bytes(
    fleet: str, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    first = printed(capsys, fleet, form)

    assert "exchange" in first
    assert printed(capsys, fleet, form) == first


def test_a_fleet_stands_alone(fleet: str) -> None:
    with pytest.raises(UsageError, match="expected a fleet's file alone"):
        graph.run([fleet, "svc.py"])


def test_a_service_that_cannot_be_read_is_told(fleet: str, tmp_path: Path) -> None:
    (tmp_path / "exchange.py").write_text("1 / 0\n")

    with pytest.raises(DefinitionError, match="E401 exchange: it raised ZeroDivisionError"):
        graph.run([fleet])
