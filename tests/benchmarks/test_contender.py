from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from benchmarks.contender import Contender, ContenderFailed, Running, Side
from benchmarks.peers import PEERS
from benchmarks.rounds import interleaved, one_by_one

if TYPE_CHECKING:
    from benchmarks.link import Link

pytestmark = pytest.mark.slow

HERE = __name__


def serve(link: Link) -> None:
    """A side that says what the next one has to know, and runs for ever."""
    link.ready(port=1234)
    threading.Event().wait()


def ask(link: Link, port: int, factor: int) -> None:
    """A side that multiplies."""
    os.write(1, b"this is no answer")
    for command in link.commands():
        link.answer(product=port * factor * command["times"])


def break_down(link: Link) -> None:
    """A side that ends at its first command."""
    for _ in link.commands():
        raise ValueError("broken")


def product(running: Running) -> dict[str, float]:
    return running.ask(times=1)


WORKING = Contender("works", (Side(f"{HERE}:serve"), Side(f"{HERE}:ask", {"factor": 2})))
BROKEN = Contender("breaks", (Side(f"{HERE}:break_down"),))
MISSING = Contender("is missing", (Side(f"{HERE}:nothing"),))


def test_a_side_is_told_what_those_before_it_said() -> None:
    with Running(WORKING) as running:
        assert running.ask(times=3) == {"product": 1234 * 2 * 3}


def test_a_paused_contender_answers_when_it_is_resumed() -> None:
    with Running(WORKING) as running:
        running.pause()
        running.resume()
        assert running.ask(times=1) == {"product": 2468}


def test_a_side_that_cannot_start_says_why() -> None:
    with pytest.raises(ContenderFailed, match="has no attribute 'nothing'"):
        Running(MISSING)


def test_a_contender_that_breaks_costs_no_one_else_a_round() -> None:
    rounds = interleaved([BROKEN, WORKING, MISSING], product, rounds=2)
    assert rounds.left_out["breaks"].endswith("ValueError: broken")
    assert "nothing" in rounds.left_out["is missing"]
    assert rounds.samples("works", "product") == [2468.0, 2468.0]


def test_contenders_that_run_alone_start_anew_each_time() -> None:
    rounds = one_by_one([WORKING, BROKEN], product, rounds=2)
    assert rounds.samples("works", "product") == [2468.0, 2468.0]
    assert rounds.samples("breaks", "product") == [None, None]


def test_a_peer_that_is_not_installed_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PEERS, "gone", ("gone", "no_such"))
    rounds = interleaved([Contender("gone", (), needs="gone")], product, rounds=1)
    assert rounds.left_out == {"gone": "not installed (pip install gone)"}
