"""`web` as a process, and its page in a real browser."""

from __future__ import annotations

import json
import re
import signal
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

import sf_actors
from sf_actors import BindError, UsageError
from sf_actors.cli.verbs import web
from sf_actors.inspection.http.listener import Listener
from tests.inspection.http.clients import got
from tests.inspection.service_texts import ADDRESSES, write_market
from tests.support.chromium import CHROMIUM, browser
from tests.support.freezing import freeze
from tests.support.processes import Process
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


@pytest.fixture
def page() -> Iterator[tuple[Process, str]]:
    """Give the process and its address."""
    with Process("web", "--http", "127.0.0.1:0") as process:
        line = process.wait_for_line("web: http://")
        yield process, re.sub(r".*http://(.*)/", r"\1", line)


@pytest.fixture
def exchange(tmp_path: Path, new_address: Callable[[], str]) -> Iterator[Process]:
    """Give a service that runs."""
    write_market(tmp_path)
    text = json.dumps(ADDRESSES).replace("0.0.0.0", "127.0.0.1")
    for number in range(27001, 27005):
        text = text.replace(f"127.0.0.1:{number}", new_address())
    (tmp_path / "addresses.json").write_text(text)
    flags = ["-s", str(tmp_path / "exchange.py"), "-a", str(tmp_path / "addresses.json")]
    with Process(*flags) as process:
        process.wait_until_ready()
        yield process


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_it_runs_until_a_signal(
    page: tuple[Process, str], number: signal.Signals, status: int
) -> None:
    process, address = page
    assert got(address, "/")[0] == 200

    process.interrupt(number)

    assert process.wait() == status
    assert process.out == []


def test_an_address_that_is_taken_is_refused() -> None:
    with (
        closing(Listener("127.0.0.1:0", lambda _: sf_actors)) as taken,  # type: ignore[arg-type,return-value]
        pytest.raises(BindError, match="--http: cannot listen at"),
    ):
        web.run(["--http", taken.address])


def test_without_its_extra_it_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "graphlay", None)

    with pytest.raises(UsageError, match=r"sf_actors\[graph\]"):
        web.run(["--http", "127.0.0.1:0"])


def test_a_process_that_is_frozen_is_shown_and_killed_it_is_gone(
    page: tuple[Process, str], exchange: Process
) -> None:
    _, address = page
    assert b"NO ANSWER" not in got(address, "/graph.svg")[1]

    freeze(exchange.popen.pid)
    picture = until(lambda: frozen(got(address, "/graph.svg")[1]), "a frozen process")
    assert b">exchange<" in picture
    assert b">orders<" in picture

    exchange.popen.kill()
    until(lambda: b"exchange" not in got(address, "/graph.svg")[1], "the end of the process")


def test_a_process_that_was_frozen_before_is_shown_too(
    exchange: Process,
) -> None:
    freeze(exchange.popen.pid)
    with Process("web", "--http", "127.0.0.1:0") as process:
        address = process.wait_for_line("web: http://").partition("//")[2].rstrip("/")
        picture = got(address, "/graph.svg")[1]

    assert b"NO ANSWER" in picture
    assert f"exchange@{exchange.popen.pid}".encode() in picture
    exchange.interrupt(signal.SIGCONT)


@needs_chromium
def test_a_browser_shows_the_picture_live_and_a_click_what_a_service_is(
    page: tuple[Process, str], exchange: Process
) -> None:
    process, address = page
    with browser() as tab:
        tab.open(f"http://{address}/")
        tab.until("document.getElementById('status').textContent.startsWith('live')")
        assert tab.value("document.querySelector('[data-service]').dataset.service") == "exchange"

        tab.click("[data-service] rect")
        text = tab.until("document.getElementById('info-text').textContent")

        assert json.loads(text)["pid"] == exchange.popen.pid
        assert tab.value("document.getElementById('info').hidden") is False
        assert tab.value("location.pathname") == "/"
        assert {url.split("/")[2] for url in tab.requested} == {address}
        assert tab.complaints == []

        exchange.interrupt(signal.SIGTERM)
        assert exchange.wait() == 0
        tab.until("document.querySelector('[data-service]') === null")

        process.interrupt(signal.SIGTERM)
        tab.until("document.body.classList.contains('stale')")


@needs_chromium
def test_a_browser_without_scripts_shows_the_picture_and_follows_its_links(
    page: tuple[Process, str], exchange: Process
) -> None:
    _, address = page
    with browser() as tab:
        tab.open(f"http://{address}/", with_scripts=False)
        tab.until("document.querySelector('[data-service] text') !== null")
        assert tab.value("document.querySelector('svg').getBoundingClientRect().width") > 100

        tab.click("[data-service] rect")
        tab.until("location.pathname === '/info'")

    assert exchange.popen.poll() is None


def frozen(picture: bytes) -> bytes | None:
    """Return a picture if somebody in it does not answer."""
    return picture if b"NO ANSWER" in picture else None
