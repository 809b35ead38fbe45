"""The service files of the demonstration, each alone: as processes, and function by function."""

from __future__ import annotations

import json
from contextlib import ExitStack
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors.demo import exchange, screen
from tests.support.processes import ROOT, Process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

DEMO = ROOT / "sf_actors" / "demo"
PRICE = Decimal("100.00")
CENT = Decimal("0.01")


@pytest.fixture
def book() -> Iterator[dict[str, dict[Decimal, int]]]:
    """The exchange's book, with three levels on each side."""
    exchange.BOOK["bids"] = {PRICE - n * CENT: 10 for n in (1, 2, 3)}
    exchange.BOOK["asks"] = {PRICE + n * CENT: 10 for n in (1, 2, 3)}
    yield exchange.BOOK
    exchange.BOOK.update(bids={}, asks={})


def test_exchange_book_keeper_and_trader_talk_to_each_other_as_processes(tmp_path: Path) -> None:
    addresses = json.loads((DEMO / "addresses.json").read_text())
    given = tmp_path / "addresses.json"

    with ExitStack() as running:

        def run(file: str, *arguments: str) -> Process:
            given.write_text(json.dumps(addresses))
            path = str(DEMO / file)
            process = Process("-s", path, "-a", str(given), *arguments, cwd=tmp_path)
            return running.enter_context(process)

        def note(bound: dict[str, str]) -> None:
            for place, address in bound.items():
                name, socket = place.split(".")
                if name == "order_book":
                    follower = {"publisher": "subscriber", "replyer": "requester"}[socket]
                    addresses["states"]["in"][name][follower] = address
                else:
                    addresses["connections"]["out"][name] = {"requester": address}

        for models in (addresses["connections"]["in"], addresses["states"]["out"]):
            for sockets in models.values():
                sockets.update(dict.fromkeys(sockets, "127.0.0.1:0"))
        exchange_process = run("exchange.py")
        note(exchange_process.wait_until_ready())
        keeper = run("book_keeper.py")
        note(keeper.wait_until_ready())
        trader = run("trader.py", "-m", "--seed", "3", "--pause_s", "0.001")
        traded = trader.wait_for_event("traded")
        assert traded["orders"] == 100
        assert traded["filled"] > 0
        shown = run("screen.py", "-m", "-cl", "WARNING", "--seconds", "1")
        assert shown.wait() == 0
        assert any("LIVE, equal at update" in line for line in shown.out)
        for process in (trader, keeper, exchange_process):
            process.interrupt()
            assert process.wait() == 0


def test_an_order_is_filled_at_the_best_prices_first(book: Any) -> None:
    changes, filled = exchange.match("buy", PRICE + 2 * CENT, 15)
    assert filled == 15
    assert changes == {"bids": {}, "asks": {PRICE + CENT: None, PRICE + 2 * CENT: 5}}


def test_what_is_not_filled_waits_at_the_limit(book: Any) -> None:
    changes, filled = exchange.match("sell", PRICE - CENT, 25)
    assert filled == 10
    assert changes == {"bids": {PRICE - CENT: None}, "asks": {PRICE - CENT: 15}}


def test_the_worst_price_goes_when_there_are_too_many_levels(
    book: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "MAX_LEVELS", 3)
    changes, _ = exchange.match("buy", PRICE, 1)
    assert changes["bids"] == {PRICE: 1, PRICE - 3 * CENT: None}


class FakeMarket:
    """A `to_send` whose replica has another quantity than the book."""

    def __init__(self, replica: dict[str, Any]) -> None:
        self.replica = replica

    def __call__(self, kind: str, name: str, args: dict[str, Any]) -> dict[str, Any]:
        depth = {"bids": 1, "asks": 0}
        return {
            "book": {"update": 5, "bids": {PRICE: 1}, "asks": {}},
            "best": {"bid": PRICE, "depth": depth, "questions": 1, "phase": "LIVE"},
            "replica": self.replica,
        }[name]


def test_the_screen_tells_a_replica_that_differs(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = FakeMarket({"is_known": True, "bids": {PRICE: 2}, "asks": {}})
    with pytest.raises(SystemExit) as ended:
        screen.main(wrong, {"seconds": 0.01})
    assert ended.value.code == 1
    assert "DIFFERS at update 5" in capsys.readouterr().out


def test_the_screen_tells_a_replica_that_lags_behind(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screen, "PATIENCE_S", 0.02)
    with pytest.raises(SystemExit) as ended:
        screen.main(FakeMarket({"is_known": False}), {"seconds": 0.01})
    assert ended.value.code == 0
    assert "not yet there at update 5" in capsys.readouterr().out
