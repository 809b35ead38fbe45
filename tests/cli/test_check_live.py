"""`check --live`: the files of a fleet against what runs of it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from sf_actors import Service
from tests.cli.test_check import FLEET
from tests.inspection.service_texts import EXCHANGE, KEEPER, write_market
from tests.support.shell import looked_at

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.conftest import Shell

pytestmark = pytest.mark.slow

ADDRESSES = {
    "connections": {
        "in": {"orders": "inproc://live/orders", "trades": "inproc://live/trades"},
        "out": {"orders": "inproc://live/orders", "trades": "inproc://live/trades"},
    },
    "states": {
        "out": {"book": {"publisher": "inproc://live/b", "replyer": "inproc://live/r"}},
    },
}


@pytest.fixture
def market(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_market(tmp_path)
    (tmp_path / "fleet.toml").write_text(FLEET)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@contextmanager
def running(market: Path, *names: str) -> Iterator[None]:
    with looked_at(*(Service(market / f"{name}.py", addresses=ADDRESSES) for name in names)):
        yield


def test_where_nothing_of_the_fleet_runs_it_is_absent(market: Path, shell: Shell) -> None:
    ran = shell("check", "--live")

    assert ran.status == 3
    assert "nothing of this fleet runs" in ran.err


def test_files_that_are_what_runs_break_nothing(market: Path, shell: Shell) -> None:
    with running(market, "exchange", "keeper"):
        ran = shell("check", "--live", "--strict")

    assert (ran.status, ran.out) == (0, "")


def test_a_new_file_that_sends_another_type_breaks_who_stays(market: Path, shell: Shell) -> None:
    with running(market, "exchange", "keeper"):
        changed = EXCHANGE.replace(
            "'required_arguments': {'price': Decimal}}}}", "'required_arguments': {'price': int}}}}"
        )
        (market / "exchange.py").write_text(changed)
        ran = shell("check", "--live", "--json")

    assert ran.status == 1
    ((code, subject, at),) = [(one["code"], one["service"], one["at"]) for one in ran.objects]
    assert (code, subject) == ("E201", "keeper")
    assert at.startswith("keeper (runs, pid ")


def test_a_new_file_that_both_sides_could_follow_breaks_only_the_old_one(
    market: Path, shell: Shell
) -> None:
    with running(market, "exchange", "keeper"):
        for name, text in (("exchange", EXCHANGE), ("keeper", KEEPER)):
            (market / f"{name}.py").write_text(text.replace("'eurusd'", "'usdeur'"))
        ran = shell("check", "--live", "--json")
        assert shell("check").status == 0

    assert {(one["code"], one["service"]) for one in ran.objects} == {
        ("E202", "keeper"),
        ("E202", "exchange"),
    }


def test_a_model_that_is_gone_is_missed_by_who_stays(market: Path, shell: Shell) -> None:
    with running(market, "exchange", "keeper"):
        (market / "exchange.py").write_text(EXCHANGE.replace("'trades'", "'deals'"))
        ran = shell("check", "--live", "--json")

    assert [(one["code"], one["service"]) for one in ran.objects] == [("E101", "keeper")]
